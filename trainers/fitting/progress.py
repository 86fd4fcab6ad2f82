"""Bars of progress for `fit`."""

from __future__ import annotations

from typing import Any

import keras

from programs.console import console
from trainers.fitting.pace import Pace


class TrainingProgress(keras.callbacks.Callback):
    """Shows how far `fit` is, the time left, and a line for each validation.

    Args:
        steps: of the whole run.
        done: steps of earlier calls of `fit`.
    """

    def __init__(self, steps: int, done: int = 0) -> None:
        super().__init__()
        self.steps, self.done = steps, done

    def on_train_begin(self, logs: Any = None) -> None:
        self._bar = console.progress("Training", self.steps, "steps", self.done)
        self._begun = False

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._before = self._bar.n

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not self._begun:
            self._begun = True
            self._bar.unpause()  # The first step builds the graph, and foretells nothing.
        self._bar.set_postfix_str(f"loss {logs['loss']:.4g}", refresh=False)
        self._bar.update(self._before + batch + 1 - self._bar.n)  # Maybe several at once.

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        _say_validation(self._bar.n, logs)

    def on_test_begin(self, logs: Any = None) -> None:
        self._bar.set_description_str("Validating", refresh=console.redraws)

    def on_test_end(self, logs: Any = None) -> None:
        self._bar.set_description_str("Training", refresh=console.redraws)

    def on_train_end(self, logs: Any = None) -> None:
        self._bar.close()


class ClockProgress(keras.callbacks.Callback):
    """Shows how far a run by the clock is, the time left, and a line for each validation.

    Args:
        pace: of the run.
        steps_per_epoch: of training.
    """

    def __init__(self, pace: Pace, steps_per_epoch: int) -> None:
        super().__init__()
        self.pace, self.steps_per_epoch = pace, steps_per_epoch

    def on_train_begin(self, logs: Any = None) -> None:
        done = round(self.pace.elapsed)
        self._bar = console.progress("Training", round(self.pace.total), "seconds", done)

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self._bar.set_postfix_str(f"loss {logs['loss']:.4g}", refresh=False)
        self._bar.update(min(round(self.pace.elapsed), self._bar.total) - self._bar.n)
        _say_validation((epoch + 1) * self.steps_per_epoch, logs)

    def on_train_end(self, logs: Any = None) -> None:
        self._bar.close()


def _say_validation(step: int, logs: dict[str, float]) -> None:
    if "val_mse" in logs:
        console.say(f"step {step:,}: loss {logs['loss']:.4g}, validation MSE {logs['val_mse']:.2f}")
