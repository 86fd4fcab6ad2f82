"""Everything that decides what a training run does: one frozen dataclass."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import keras

from iprnn_tf.cells import CELLS, Cell
from iprnn_tf.data import DATASETS, FOOTAGE
from iprnn_tf.data.video_protocols import DIGITS, VIDEO_PROTOCOLS, VideoProtocol
from iprnn_tf.data.windows import TrainingWindows
from iprnn_tf.losses import FrameError
from iprnn_tf.models import MODELS, RecurrentPredictor
from iprnn_tf.scheduled_sampling import LinearSampling
from programs.arguments import taken_by
from trainers.configuration.footage import FootageSettings
from trainers.configuration.schedules import RiseAndFall
from trainers.configuration.training_settings import (
    CELL_SETTINGS,
    MODEL_SETTINGS,
    NORMALIZATIONS,
    OPTIMIZERS,
    PRECISIONS,
    LearningSettings,
    ModelSettings,
    RunSettings,
    SequenceSettings,
)

# What a model's predictions are measured by; presets of any version tell these.
DATA_SETTINGS = tuple(
    field.name
    for field in dataclasses.fields(SequenceSettings)
    if field.name not in ("horizon", "skip_bad_files")
)
_IDLE_WITH_OWN_LOSS = ("absolute_weight", "warm_up_weight", "sampling_span", "reverse_sampling")
_LENGTHS = ("context_frames", "horizon")  # Which data sets know as `num_frames`.


def check_data_settings(given: dict[str, Any], dataset: str) -> None:
    """Refuses settings that a data set doesn't have: they would change nothing.

    Args:
        given: settings by name.
        dataset: a key of `DATASETS`.

    Raises:
        ValueError: if there is one that isn't as by default, or no such data set.
    """
    FootageSettings(dataset=dataset)  # Which refuses a name that isn't known.
    changed = _changed(given, SequenceSettings)
    foreign = [name for name in changed if not _has(dataset, name)]
    if foreign:
        others = [key for key in DATASETS if all(_has(key, name) for name in changed)]
        raise ValueError(
            f"--dataset={dataset} has no {', '.join(f'--{name}' for name in foreign)}. Received: "
            f"{', '.join(f'--{name}={given[name]}' for name in foreign)}. Leave that out"
            + (f", or take --dataset={' or '.join(others)}." if others else ".")
        )


def _changed(given: dict[str, Any], settings: type) -> list[str]:
    """The names of the settings among those given whose values aren't the usual ones."""
    usual = {field.name: field.default for field in dataclasses.fields(settings)}
    return [name for name in usual if name in given and given[name] != usual[name]]


def _has(dataset: str, name: str) -> bool:
    of_footage = {field.name for field in dataclasses.fields(FootageSettings)}
    return (
        name in ("dataset", *_LENGTHS)
        or (dataset in FOOTAGE and name in of_footage)
        or bool(taken_by(DATASETS[dataset], {name: None}))
    )


@dataclasses.dataclass(frozen=True)
class TrainingConfig(RunSettings, LearningSettings, ModelSettings, SequenceSettings):
    """A resolved training run. The defaults are the `small` configuration."""

    def __post_init__(self) -> None:
        super().__post_init__()
        protocols = DATASETS[self.dataset].protocols
        if self.protocol not in protocols:
            raise ValueError(
                f"--protocol of --dataset={self.dataset} is one of {', '.join(protocols)}. "
                f"Received: {self.protocol}. Leave it out for the first."
            )
        self._check_taken("cell", CELLS[self.cell], CELL_SETTINGS)
        self._check_taken("model_type", MODELS[self.model_type], MODEL_SETTINGS)
        self._check_beginning()
        self._check_loss()
        if self.encoder_filters is not None and len(self.encoder_filters) != self.num_downsamplings:
            raise ValueError(
                "--encoder_filters gives one number for each downsampling. Received: "
                f"{len(self.encoder_filters)} numbers with "
                f"--num_downsamplings={self.num_downsamplings}."
            )

    def _check_beginning(self) -> None:
        if self.short_horizon >= self.horizon:
            raise ValueError(
                "--short_horizon is shorter than --horizon. Received: "
                f"--short_horizon={self.short_horizon} --horizon={self.horizon}. Leave it out for "
                "one horizon all along."
            )
        if self.short_batch_size and not self.short_horizon:
            raise ValueError(
                "--short_batch_size is that of the part with --short_horizon. Received: "
                f"--short_batch_size={self.short_batch_size} without one. Give both, or neither."
            )

    def _check_loss(self) -> None:
        changed = _changed(dataclasses.asdict(self), LearningSettings)
        foreign = [f"--{name}" for name in changed if name in _IDLE_WITH_OWN_LOSS]
        if MODELS[self.model_type].has_own_loss and foreign:
            raise ValueError(
                f"--model_type={self.model_type} has a loss of its own, and is always fed the "
                f"truth. Received: {', '.join(foreign)}. Leave that out."
            )

    def _check_taken(self, name: str, part: type, names: Sequence[str]) -> None:
        """Refuses a setting that a memory or model doesn't have: it would change nothing."""
        settings = self._settings(names)
        known = taken_by(part, settings)
        changed = _changed(settings, ModelSettings)
        foreign = [f"--{own}={settings[own]}" for own in changed if own not in known]
        if foreign:
            raise ValueError(
                f"--{name}={getattr(self, name)} takes "
                f"{', '.join(f'--{own}' for own in known)}. "
                f"Received: {', '.join(foreign)}. Leave that out, or take another --{name}."
            )

    @property
    def epochs(self) -> int:
        """Number of epochs; a checkpoint may follow each."""
        return -(-self.steps // self.steps_per_epoch)

    def in_whole_epochs(self) -> TrainingConfig:
        """Spreads the steps evenly over epochs of whole executions, rounding them up."""
        at_once = min(self.steps_per_execution, self.steps)
        executions = -(-self.steps // at_once)
        epochs = -(-executions // max(self.steps_per_epoch // at_once, 1))
        steps_per_epoch = -(-executions // epochs) * at_once
        return dataclasses.replace(
            self,
            steps=steps_per_epoch * epochs,
            steps_per_epoch=steps_per_epoch,
            steps_per_execution=at_once,
        )

    def stages(self) -> list[tuple[TrainingConfig, int]]:
        """What is trained for how long: settings, and the epoch before which they end.

        Where the run begins with a short horizon these are two stages, else one.
        """
        short_steps = min(self.short_span * self.steps, self.short_steps)
        last = min(round(short_steps / self.steps_per_epoch), self.epochs - 1)
        if not self.short_horizon or last == 0:
            return [(self, self.epochs)]
        short = dataclasses.replace(
            self,
            horizon=self.short_horizon,
            batch_size=self.short_batch_size or self.batch_size,
            short_horizon=0,
            short_batch_size=0,
        )
        return [(short, last), (self, self.epochs)]

    def stages_of(self, steps: int) -> list[tuple[TrainingConfig, int]]:
        """The stages, and how many of the first steps are of each; the last one has no end."""
        *short, (whole, _) = self.stages()
        early = [(stage, min(epochs * self.steps_per_epoch, steps)) for stage, epochs in short]
        return [*early, (whole, steps - sum(count for _, count in early))]

    def sequences(self, steps: int) -> int:
        """How many sequences the first steps see."""
        return sum(stage.batch_size * count for stage, count in self.stages_of(steps))

    def build_model(self) -> RecurrentPredictor:
        """Creates the model, with weights drawn from the seed."""
        keras.utils.set_random_seed(self.seed)
        model = MODELS[self.model_type]
        settings: dict[str, Any] = taken_by(model, self._settings(MODEL_SETTINGS))
        return model(
            image_shape=self.build_dataset().image_shape,
            cell=self._build_cell(),
            horizon=self.horizon,
            value_range=self.limits,
            dtype=PRECISIONS[self.mixed_precision],
            **settings,
        )

    def _build_cell(self) -> Cell:
        normalization = NORMALIZATIONS[self.normalization]()
        cell, settings = CELLS[self.cell], self._settings(CELL_SETTINGS)
        return cell(**taken_by(cell, settings | {"normalization": normalization}))

    def _settings(self, names: Sequence[str]) -> dict[str, Any]:
        return {name: getattr(self, name) for name in names}

    @property
    def error_protocol(self) -> VideoProtocol:
        """How errors on the data set are counted."""
        return VIDEO_PROTOCOLS.get(self.protocol, DIGITS)

    def build_dataset(self) -> Any:
        """Creates the data set, with windows as long as context and horizon together."""
        data = DATASETS[self.dataset]
        settings = {
            **dataclasses.asdict(self),
            "num_frames": self.context_frames + self.horizon,
            "image_size": self.cut().image_size,
        }
        given = {name: value for name, value in settings.items() if value is not None}
        return data(**taken_by(data, given))

    def build_windows(self) -> TrainingWindows:
        """Creates the pipeline that draws which true frames are fed."""
        span = round(self.sampling_span * self.steps)
        return TrainingWindows(
            context_frames=self.context_frames,
            batch_size=self.batch_size,
            teacher_sampling=LinearSampling(span),
            context_sampling=LinearSampling(span, 0.5, 1.0) if self.reverse_sampling else None,
            seed=self.seed,
            next_frames=MODELS[self.model_type].has_own_loss,
        )

    def build_loss(self) -> FrameError | None:
        """Creates the loss over all outputs; None where the model has its own."""
        if MODELS[self.model_type].has_own_loss:
            return None
        return FrameError(self.absolute_weight, self.warm_up_weight, self.horizon)

    def build_optimizer(self) -> keras.optimizers.Optimizer:
        """Creates the optimizer; where the rate follows the schedule, it does so by its steps.

        On the device the rate is a variable instead, since the clock may drive it.
        """
        return OPTIMIZERS[self.optimizer](
            self.learning_rate if self.on_device else self.build_schedule(),
            clipnorm=self.clip_norm or None,
            use_ema=self.ema_momentum > 0,
            ema_momentum=self.ema_momentum,
        )

    def build_schedule(self) -> RiseAndFall:
        """Creates what the learning rate follows, over `steps`."""
        rise = min(self.warmup_steps, self.steps // 10)
        fall = round(self.decay_span * self.steps)
        return RiseAndFall(self.learning_rate, self.steps, rise, fall, self.final_learning_rate)
