"""The training of one run, from its last checkpoint on."""

from __future__ import annotations

import dataclasses

import keras

from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.files import locked
from iprnn_tf.models import VideoPredictor
from iprnn_tf.visualization import DRAWABLE_CHANNELS
from programs.console import console
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting import on_device
from trainers.fitting.callbacks import BestModel, Filmstrips, StopOnNonFiniteLoss, TrainingState
from trainers.fitting.curves import CurveFile
from trainers.fitting.fine_tuning import start_from
from trainers.fitting.ingredients import (
    compile_for,
    compiled_model,
    held_out_batches,
    training_batches,
)
from trainers.fitting.pace import Pace
from trainers.fitting.progress import ClockProgress, TrainingProgress
from trainers.measuring.progress import MeasuringProgress
from trainers.measuring.training_report import Training, examples


def train(config: TrainingConfig, run: RunDirectory) -> Training:
    """Trains from the last checkpoint on, where there is one, and returns what it took.

    Raises:
        ValueError: if another process trains in this run directory, or its state can't be used.
    """
    rule = (
        f"One training at a time writes to a run directory. Received: {run.path}, to which another "
        "is writing. Wait until it has ended, or choose another --output."
    )
    with locked(run.state_folder, rule):
        return _train(config, run)


def _train(config: TrainingConfig, run: RunDirectory) -> Training:
    model = compiled_model(config)
    best_model = BestModel(run.model_file)
    state = TrainingState(run.state_folder, best_model, config.checkpoint_seconds)
    epoch = state.restore(model)
    if Pace(config, state.trained_seconds).progress(epoch) >= 1:
        console.say(f"{run.path} is trained already.")
        return _what_it_took(state, config)
    if config.on_device:  # Who resumes may have another backend.
        on_device.check(config)
    step = epoch * config.steps_per_epoch
    run.note_machine(step)
    length = f"{config.minutes:g} minutes" if config.minutes else f"{config.steps:,} steps"
    sizes = dict.fromkeys(str(stage.batch_size) for stage, _ in config.stages())
    console.say(
        f"Training {model.count_params():,} weights for {length} of "
        f"{' and then '.join(sizes)} sequences into {run.path}"
        + (f", from step {step:,} on." if step else ".")
    )
    if epoch == 0 and config.init_from:
        start_from(config.init_from, model)
    try:
        fit = _fit_on_device if config.on_device else _fit
        fit(model, config, run, state)
    except KeyboardInterrupt as interrupt:
        step = state.save() * config.steps_per_epoch
        whole = "" if config.minutes else f" of {config.steps:,}"
        raise type(interrupt)(f"Steps that are saved: {step:,}{whole}.") from None
    return _what_it_took(state, config)


def _what_it_took(state: TrainingState, config: TrainingConfig) -> Training:
    each = config.steps_per_epoch
    return Training(state.trained_seconds, state.epochs * each, state.best_model.best_epoch * each)


def _measure_start(model: VideoPredictor, config: TrainingConfig, best_model: BestModel) -> None:
    batches = _validation(config)
    progress = MeasuringProgress("the pretrained model", int(batches.cardinality()))
    logs = model.evaluate(batches, verbose=0, return_dict=True, callbacks=[best_model, progress])
    _tell_start(logs)


def _tell_start(logs: dict[str, float]) -> None:
    """Tells how good the pretrained model is on this data; it is kept until a better one comes."""
    console.say(f"step 0, as pretrained: validation MSE {logs['mse']:.2f}")


def _fit(
    model: VideoPredictor, config: TrainingConfig, run: RunDirectory, state: TrainingState
) -> None:
    if config.init_from and not state.epochs:
        _measure_start(model, config, state.best_model)
    for stage, stop in config.stages():
        if state.epochs >= stop:
            continue
        step = state.epochs * config.steps_per_epoch
        compile_for(stage, model, model.optimizer)
        is_last = stage == config
        model.fit(
            training_batches(stage, step, config.sequences(step)),
            initial_epoch=state.epochs,
            epochs=stop,
            steps_per_epoch=config.steps_per_epoch,
            # At the short horizon nothing could be compared with what comes later.
            validation_data=_validation(config) if is_last else None,
            validation_freq=_validation_epochs(config),
            shuffle=False,
            verbose=0,
            callbacks=_callbacks(
                config,
                run,
                state,
                _progress(config, state),
                *_filmstrips(config, run),  # Before the averaged weights go.
                keras.callbacks.TensorBoard(
                    run.path, histogram_freq=int(config.histograms), write_graph=False
                ),
            ),
        )
        if not is_last:
            state.restore(model)  # The end of `fit` has put averaged weights in their place.


def _callbacks(
    config: TrainingConfig,
    run: RunDirectory,
    state: TrainingState,
    progress: keras.callbacks.Callback,
    *others: keras.callbacks.Callback,
) -> list[keras.callbacks.Callback]:
    return [
        StopOnNonFiniteLoss(state),
        progress,
        *others,
        state.best_model,
        state,
        CurveFile(run.learning_file, config.steps_per_epoch, state),
    ]


def _progress(config: TrainingConfig, state: TrainingState) -> TrainingProgress:
    return TrainingProgress(config.steps, state.epochs * config.steps_per_epoch)


def _validation(config: TrainingConfig) -> tf.data.Dataset:
    return held_out_batches(config, "validation", config.validation_sequences)


def _validation_epochs(config: TrainingConfig) -> list[int]:
    every = range(config.validation_every, config.epochs, config.validation_every)
    return [*every, config.epochs]


def _filmstrips(config: TrainingConfig, run: RunDirectory) -> list[Filmstrips]:
    context, targets = examples(config, "validation", 2)
    if context.shape[-1] not in DRAWABLE_CHANNELS:
        return []
    return [Filmstrips(run.path / "filmstrips", context, targets)]


def _fit_on_device(
    model: VideoPredictor, config: TrainingConfig, run: RunDirectory, state: TrainingState
) -> None:
    training = on_device.DeviceTraining(model, config)
    if config.minutes and not state.epochs:
        config = _without_setup(config, training.setup_seconds)
        run.update(config)
    if config.init_from and not state.epochs:
        _tell_start(training.measured(state.best_model))
    pace = Pace(config, state.trained_seconds)
    clock = ClockProgress(pace, config.steps_per_epoch)
    progress = clock if config.minutes else _progress(config, state)
    training.fit(pace, state.epochs, _callbacks(config, run, state, progress))
    training.write_speed(run.speed_file)


def _without_setup(config: TrainingConfig, seconds: float) -> TrainingConfig:
    if seconds >= 60 * config.minutes:
        raise ValueError(
            f"Compiling took {seconds:.0f} s. Received: --max_minutes={config.minutes:g}. "
            "Give more; what was compiled is kept."
        )
    return dataclasses.replace(config, setup_minutes=seconds / 60)
