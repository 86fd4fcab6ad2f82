"""How the learning rate moves over a run."""

from __future__ import annotations

import math
from typing import Any

import keras
from keras import ops


@keras.saving.register_keras_serializable(package="iprnn_tf")
class RiseAndFall(keras.optimizers.schedules.LearningRateSchedule):
    """A learning rate that rises along a line, stays, and falls along half a cosine.

    With a fall over all that follows the rise it is the usual cosine decay. A shorter one moves
    the weights further, and leaves open for longer when the run is to end.

    Args:
        peak: the highest rate.
        steps: of the whole run.
        rise: steps to the peak.
        fall: steps from the peak to the end, at most those after the rise.
        final: part of the peak that is left at the end; 1 for no fall.
    """

    def __init__(self, peak: float, steps: int, rise: int, fall: int, final: float = 0.0) -> None:
        super().__init__()
        self.peak, self.steps, self.rise, self.final = peak, steps, rise, final
        self.fall = min(fall, steps - rise)

    def __call__(self, step: Any) -> Any:
        step = ops.cast(step, "float32")
        begun = self.steps - self.fall
        risen = ops.clip(step / self.rise, 0.0, 1.0) if self.rise else ops.ones_like(step)
        fallen = ops.clip((step - begun) / max(self.fall, 1), 0.0, 1.0)
        left = 0.5 * (1.0 + ops.cos(math.pi * fallen))
        return self.peak * risen * (self.final + (1.0 - self.final) * left)

    def get_config(self) -> dict[str, Any]:
        return {
            "peak": self.peak,
            "steps": self.steps,
            "rise": self.rise,
            "fall": self.fall,
            "final": self.final,
        }
