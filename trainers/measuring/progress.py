"""A bar of progress for `evaluate`."""

from __future__ import annotations

from typing import Any

import keras

from programs.console import console


class MeasuringProgress(keras.callbacks.Callback):
    """Shows how far `evaluate` is, and the time left.

    Args:
        name: of what is measured.
        batches: how many there are.
    """

    def __init__(self, name: str, batches: int) -> None:
        super().__init__()
        self.name, self.batches = name, batches

    def on_test_begin(self, logs: Any = None) -> None:
        self._bar = console.progress(f"Measuring {self.name}", self.batches, "batches")

    def on_test_batch_end(self, batch: int, logs: Any = None) -> None:
        self._bar.update()

    def on_test_end(self, logs: Any = None) -> None:
        self._bar.close()
