"""What `fit` needs: the compiled model, its batches, and how many steps fit into a time."""

from __future__ import annotations

import dataclasses
import math
import operator
import statistics
import time
from typing import Any

import keras
import numpy as np

from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.data.windows import evaluation_batches
from iprnn_tf.metrics import SquaredError
from iprnn_tf.models import MODELS, RecurrentPredictor
from programs.console import console
from trainers.configuration.training_config import TrainingConfig
from trainers.measuring import results
from trainers.measuring.machine import compiles_by_default

# To fit a run into --max_minutes: so many steps, or those of so many seconds, and at least so
# many executions; the first builds the graph.
TIMED_STEPS, TIMED_SECONDS, TIMED_EXECUTIONS = 24, 30.0, 3
ROUNDS = 8  # From a number of steps to the next guess.


class TooLittleTimeError(ValueError):
    """A time in which not a single step fits."""


def compiled_model(config: TrainingConfig) -> RecurrentPredictor:
    """Creates the model, ready to fit."""
    model = config.build_model()
    compile_for(config, model, config.build_optimizer())
    return model


def compile_for(
    config: TrainingConfig, model: RecurrentPredictor, optimizer: keras.optimizers.Optimizer
) -> None:
    """Makes a model ready to fit, or to go on in another stage with the optimizer that it has."""
    model.compile(
        optimizer=optimizer,
        loss=config.build_loss(),
        metrics=[SquaredError(config.horizon)],
        jit_compile=config.xla or compiles_by_default(),
        steps_per_execution=config.steps_per_execution,
    )


def training_batches(config: TrainingConfig, start: int = 0, seen: int = 0) -> tf.data.Dataset:
    """Returns the batches of the training steps from `start` on, after so many sequences."""
    frames = config.build_dataset().frames("train", seen)
    return config.build_windows().batches(frames, start, config.steps)


def held_out_batches(config: TrainingConfig, split: str, sequences: int) -> tf.data.Dataset:
    """Returns the first sequences of "validation" or "test", as many at once as memory allows."""
    data = config.build_dataset()
    frames = data.frames(split).take(sequences)
    batch_size = results.batch_size_for(data.image_shape)
    return evaluation_batches(frames, config.context_frames, batch_size)


def steps_in(config: TrainingConfig, seconds: float) -> int:
    """Times a few steps and returns how many fit, validation included.

    Raises:
        TooLittleTimeError: if not even one does.
    """
    begin = time.perf_counter()
    timed = [_timed(stage) for stage, _ in config.stages()]
    building = sum(seconds for seconds, _ in timed)
    last_building, last_step = timed[-1]
    validation = _validation_seconds(config, last_step)
    # Graphs are built again, and that of validation, which is half as large.
    once = building + last_building / 2 + (validation if config.init_from else 0.0)
    left = seconds - (time.perf_counter() - begin) - once
    # Nothing is validated before the last stage.
    costs = [step for _, step in timed]
    costs[-1] += validation / (config.steps_per_epoch * config.validation_every)
    count = config.steps
    for _ in range(ROUNDS):  # How long the stages are depends on the number of steps.
        counts = [steps for _, steps in dataclasses.replace(config, steps=count).stages_of(count)]
        step = sum(map(operator.mul, reversed(counts), reversed(costs))) / count
        count = max(int(left / step), 1)
    if left < step:
        count = 0
    if count < 1:
        raise TooLittleTimeError(
            f"Building the graph takes {building:.0f} s and a step {step:.2f} s here. "
            f"Received: --max_minutes={seconds / 60:g}. Give more, or --steps."
        )
    console.say(
        f"Building the graph takes {building:.0f} s and a step {step:.2f} s: about {count:,} steps "
        f"for --max_minutes={seconds / 60:g}. The test at the end comes on top."
    )
    return count


def _validation_seconds(config: TrainingConfig, step: float) -> float:
    """What a validation takes, reckoned from the seconds of a training step.

    Backward costs twice as much as forward, so it is a third of a step per batch. A model with a
    loss of its own learns another way than it predicts, and has one sequence timed instead.
    """
    model = MODELS[config.model_type]
    if not model.has_own_loss:
        return step * config.validation_sequences / config.batch_size / 3
    console.say("Timing the validation of a sequence ...")
    context = np.zeros((1, config.context_frames, *config.build_dataset().image_shape), np.float32)
    predictor = config.build_model()
    predictor.predict(context, verbose=0)  # Which builds the graph.
    begin = time.perf_counter()
    predictor.predict(context, verbose=0)
    seconds = time.perf_counter() - begin
    keras.utils.clear_session()
    return seconds * config.validation_sequences


def _timed(config: TrainingConfig) -> tuple[float, float]:
    """The seconds that the first step takes, which builds the graph, and any other."""
    at_once = config.steps_per_execution
    steps = max(TIMED_STEPS // at_once, TIMED_EXECUTIONS) * at_once
    console.say(f"Timing {steps} steps of {config.batch_size} sequences ...")
    clock = Clock(TIMED_SECONDS, TIMED_EXECUTIONS)
    timed = dataclasses.replace(config, steps=steps, steps_per_epoch=steps)
    compiled_model(timed).fit(
        training_batches(timed), steps_per_epoch=steps, verbose=0, shuffle=False, callbacks=[clock]
    )
    keras.utils.clear_session()
    first, *others = np.diff(clock.times)
    step = statistics.median(others[len(others) // 2 :]) / at_once  # The first are slower.
    return first - (at_once - 1) * step, step


class Clock(keras.callbacks.Callback):
    """Notes when `fit` begins and when each execution ends.

    Args:
        seconds: from the end of the first execution on, after which `fit` is stopped.
        at_least: so many executions there are in any case.
    """

    def __init__(self, seconds: float = math.inf, at_least: int = 1) -> None:
        super().__init__()
        self.seconds, self.at_least = seconds, at_least

    def on_train_begin(self, logs: Any = None) -> None:
        self.times = [time.perf_counter()]

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.times.append(time.perf_counter())
        first, last = self.times[1], self.times[-1]
        if last - first > self.seconds and len(self.times) > self.at_least:
            self.model.stop_training = True
