"""What the study of recipes varies: one thing at a time, on a net in miniature."""

from __future__ import annotations

import dataclasses
from typing import Any, NamedTuple

from trainers.configuration.recipes import CONFIGS
from trainers.configuration.training_config import TrainingConfig


@dataclasses.dataclass(frozen=True)
class Arm:
    """One answer to one question.

    Args:
        question: what is varied.
        answer: how, in words.
        settings: what differs from the baseline.
    """

    question: str
    answer: str
    settings: dict[str, Any] = dataclasses.field(default_factory=dict)


def _shorter(horizon: int, span: float) -> Arm:
    """Fewer frames to predict in the first part of a run."""
    frames = {"short_horizon": horizon, "short_span": span}
    return Arm("horizon at first", f"{horizon}, for {100 * span:.0f} % of the steps", frames)


def _memory(answer: str, filters: int, **settings: Any) -> Arm:
    """Other memories, of 16 x 16 pixels."""
    encoder = {"encoder_filters": [8, filters]}
    return Arm("memory", answer, {"filters": filters, **encoder, **settings})


def _coarse(answer: str, filters: int = 32, **settings: Any) -> Arm:
    """Memories of 8 x 8 pixels, of which the same operations make larger ones."""
    encoder = {"num_downsamplings": 3, "encoder_filters": [8, 16, filters]}
    return Arm("memory of 8 x 8", answer, {"filters": filters, **encoder, **settings})


def _together(answer: str, **settings: Any) -> Arm:
    """What won, at once."""
    best = {"learning_rate": 5e-3, "short_horizon": 2, "short_span": 0.6}
    return Arm("together", answer, {**_coarse("32 filters").settings, **best, **settings})


BASELINE = Arm("baseline", "none of the below")
_SMALL = (
    BASELINE,
    Arm("optimizer", "Adam", {"optimizer": "adam"}),
    Arm("optimizer", "Adam, half the peak", {"optimizer": "adam", "learning_rate": 1.25e-3}),
    Arm("peak learning rate", "half", {"learning_rate": 1.25e-3}),
    Arm("peak learning rate", "double", {"learning_rate": 5e-3}),
    Arm("learning rate at the end", "the peak", {"final_learning_rate": 1.0}),
    Arm(
        "learning rate at the end",
        "the peak, weights averaged (0.98)",
        {"final_learning_rate": 1.0, "ema_momentum": 0.98},
    ),
    Arm("averaged weights", "0.98", {"ema_momentum": 0.98}),
    Arm("clipping of gradients", "none", {"clip_norm": 0.0}),
    Arm("batch size", "2", {"batch_size": 2}),
    Arm("batch size", "8", {"batch_size": 8}),
    Arm("sampling", "always closed loop", {"sampling_span": 0.0}),
    Arm("sampling", "truth fades over a third", {"sampling_span": 0.33}),
    Arm("sampling", "truth fades over the whole run", {"sampling_span": 1.0}),
    Arm("sampling", "context hidden at first too", {"reverse_sampling": True}),
    _shorter(2, 0.4),
    _shorter(2, 0.6),
    _shorter(2, 0.8),
    _memory("3x3, 26 filters", kernel_size=3, filters=26),
    _memory("one of 23 filters", num_layers=1, filters=23),
    _coarse("32 filters"),
    _coarse("3x3, 52 filters", kernel_size=3, filters=52),
    _coarse("one of 45 filters", num_layers=1, filters=45),
    _coarse("double the peak", learning_rate=5e-3),
    _coarse("batches of 2", batch_size=2),
    _coarse("finer scales wider", encoder_filters=[16, 32, 32]),
    _together("8 x 8, double the peak, 2 frames at first"),
    _together("the same, batches of 4 and then 8", short_batch_size=4, batch_size=8),
    Arm("normalisation", "parameter-free", {"normalization": "standard"}),
    Arm("normalisation", "scale and offset per channel", {"normalization": "group"}),
    Arm(
        "normalisation",
        "the author's: per element, biases, +1",
        {"normalization": "author", "use_bias": True, "update_bias": 1.0},
    ),
    Arm("update bias", "+1", {"update_bias": 1.0}),
    Arm("biases in the memory", "yes", {"use_bias": True}),
    Arm("loss", "predictions alone", {"warm_up_weight": 0.0}),
    Arm("loss", "warm-up counts a third", {"warm_up_weight": 0.33}),
    Arm("loss", "squared + absolute error", {"absolute_weight": 1.0}),
    Arm("output", "sigmoid", {"output_activation": "sigmoid"}),
    Arm("limits of the output", "clipped; gradients pass", {"output_activation": "clipped"}),
    Arm("precision", "the other one", {"mixed_precision": "other"}),
    Arm("skip connections", "none", {"skips": False}),
)
# What the small net can't tell: how a deeper one, with batches of 16, is best moved.
_PAPER = (
    BASELINE,
    Arm("optimizer", "Adam", {"optimizer": "adam"}),
    Arm(
        "optimizer",
        "Adam, half the peak: the author's",
        {"optimizer": "adam", "learning_rate": 1e-3},
    ),
    Arm("peak learning rate", "half", {"learning_rate": 1e-3}),
    Arm("peak learning rate", "double", {"learning_rate": 4e-3}),
)


class Study(NamedTuple):
    """What a study varies.

    Args:
        base: at its whole width. What was found isn't in it: published runs stay comparable.
        arms: the baseline first.
    """

    base: TrainingConfig
    arms: tuple[Arm, ...]


_BEFORE: dict[str, Any] = {
    "filters": 32,
    "num_layers": 2,
    "encoder_filters": [16, 32],
    "batch_size": 4,
    "learning_rate": 2.5e-3,
    "short_horizon": 0,
    "short_span": 0.5,
    "short_steps": 3000,
    "output_activation": "linear",
}
STUDIES: dict[str, Study] = {
    "small": Study(dataclasses.replace(CONFIGS["small"], **_BEFORE), _SMALL),
    "paper": Study(CONFIGS["paper"], _PAPER),
}
