"""How often training feeds the truth instead of the model's own prediction."""

from __future__ import annotations

import dataclasses

import numpy as np


@dataclasses.dataclass(frozen=True)
class LinearSampling:
    """A probability of the truth that moves along a straight line and then stays.

    With the defaults training starts by feeding true frames only and ends as it will be used,
    on its own predictions: scheduled sampling. From 0.5 to 1 over the context it is reverse
    scheduled sampling, which first teaches the model to bridge gaps in what it sees.

    Args:
        span: number of training steps from `start` to `end`. With 0 it is `end` at once.
        start: probability at the first step.
        end: probability from step `span` on.

    Raises:
        ValueError: if the span is negative or a probability is not in [0, 1].

    Reference:
        Bengio et al., Scheduled Sampling for Sequence Prediction with Recurrent Neural
        Networks, 2015; Wang et al., PredRNN, TPAMI 2022 (the reverse form).
    """

    span: int
    start: float = 1.0
    end: float = 0.0

    def __post_init__(self) -> None:
        if self.span < 0 or not 0 <= self.start <= 1 or not 0 <= self.end <= 1:
            raise ValueError(
                "`span` counts steps and `start` and `end` are probabilities. "
                f"Received: {self}. Use span >= 0 and probabilities in [0, 1]."
            )

    def probability(self, step: int | np.ndarray) -> np.ndarray:
        """Returns the probability of the truth at each training step, counted from 0."""
        step = np.asarray(step)
        progress = np.clip(step / self.span, 0, 1) if self.span else np.ones(step.shape)
        return np.asarray(self.start + (self.end - self.start) * progress, np.float32)
