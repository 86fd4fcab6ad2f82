"""Training that doesn't leave the accelerator: sequences are drawn there, an epoch is one program.

Nothing here needs TensorFlow. What `fit` of Keras does in a loop over batches is a loop within a
program of XLA; the callbacks hear of whole epochs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import keras
import numpy as np
from keras import ops

from iprnn_tf.data import DRAWN
from iprnn_tf.data.drawn import HELD_OUT_SEED, DrawnSequences
from iprnn_tf.data.windows import STREAMS
from iprnn_tf.files import write_json
from iprnn_tf.models import RecurrentPredictor
from programs.console import console
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.pace import Moments, Pace
from trainers.measuring import results
from trainers.measuring.machine import matmul_rate, peak_memory
from trainers.measuring.operations import training_operations

Array = Any
State = tuple[list[Array], ...]  # Weights, what else changes, and the optimizer's variables.
Given = tuple[Array, Array]  # The key of all draws, and what sequences are drawn from.
Program = Callable[[State, Given, Moments], tuple[State, Array]]

COMPILED = Path("~/.cache/iprnn_tf/compiled")  # Unless JAX_COMPILATION_CACHE_DIR says another.


def check(config: TrainingConfig) -> None:
    """Refuses what can't be trained on the device alone.

    Raises:
        ValueError: if something can't.
    """
    backend = keras.backend.backend()
    if backend != "jax":
        raise ValueError(
            f"A run with --on_device needs Keras on JAX. Received: the {backend} backend. Put "
            "KERAS_BACKEND=jax before the command."
        )
    able = [name for name, data in DRAWN.items() if _draws_on_device(data)]
    if config.dataset not in able:
        raise ValueError(
            f"--on_device is for sequences that JAX can draw: --dataset={' or '.join(able)}. "
            f"Received: --dataset={config.dataset}. Leave --on_device out."
        )
    usual = TrainingConfig()
    idle = [
        name
        for name in ("steps_per_execution", "histograms", "short_batch_size")
        if getattr(config, name) != getattr(usual, name)
    ]
    if idle:
        raise ValueError(
            "--on_device runs all steps of an epoch at once, in batches of one size, and draws no "
            f"histograms. Received: {', '.join(f'--{name}' for name in idle)}. Give "
            "--steps_per_epoch and --batch_size alone."
        )


def _draws_on_device(data: type[DrawnSequences]) -> bool:
    return data.draw_on_device is not DrawnSequences.draw_on_device


class Stage(NamedTuple):
    """A part of a run: its program, and the epoch before which it ends."""

    program: Program
    operations: int  # Of training on a sequence.
    stop: int


class DeviceTraining:
    """The compiled programs of a run, and the loop that calls them.

    Seeds, rates and probabilities are given to the programs, so that any run of the same size
    finds them compiled.

    Args:
        model: compiled, with the weights to start from.
        config: of the run.
    """

    def __init__(self, model: RecurrentPredictor, config: TrainingConfig) -> None:
        keep_compiled_programs()
        console.say("Compiling, or reading what was compiled before ...")
        begin = time.monotonic()
        self.model, self.config = model, config
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._given = _given(config)
        moments = Pace(config).moments(0)
        self._stages = [
            Stage(
                _program(model, stage, self._given, moments),
                training_operations(model, stage),
                stop,
            )
            for stage, stop in config.stages()
        ]
        self._held_out = _held_out(config)
        self.measured()
        self.setup_seconds = time.monotonic() - begin
        self._seconds, self._steps, self._operations = 0.0, 0, 0  # In programs alone.
        console.say(f"That took {self.setup_seconds:.0f} s.")

    def fit(self, pace: Pace, epoch: int, callbacks: Sequence[keras.callbacks.Callback]) -> None:
        """Trains to the end of the run, as `model.fit` would.

        Args:
            pace: how far the run is.
            epoch: how many there have been.
            callbacks: as those of `fit`; an epoch is one batch to them.
        """
        told = keras.callbacks.CallbackList(callbacks, model=self.model, epochs=self.config.epochs)
        told.on_train_begin()
        validated = True
        while (progress := pace.progress(epoch)) < 1:
            told.on_epoch_begin(epoch)
            logs = {"loss": self.run_epoch(progress, pace, epoch)}
            told.on_train_batch_end(self.config.steps_per_epoch - 1, logs)
            epoch += 1
            validated = epoch % self.config.validation_every == 0 or pace.progress(epoch) >= 1
            if validated:
                logs |= self._validated(callbacks)
            told.on_epoch_end(epoch - 1, logs)
        if not validated:  # The time ran out while this epoch was saved.
            told.on_epoch_end(epoch - 1, logs | self._validated(callbacks))
        told.on_train_end()

    def _validated(self, callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, float]:
        return {f"val_{name}": value for name, value in self.measured(*callbacks).items()}

    def run_epoch(self, progress: float, pace: Pace, epoch: int) -> float:
        """Runs the steps of one epoch, and returns their mean loss."""
        position = round(progress * self.config.epochs, 6)
        stage = next(stage for stage in self._stages if position < stage.stop)
        begin = time.monotonic()
        state, losses = stage.program(_state(self.model), self._given, pace.moments(epoch))
        _take_over(self.model, state)
        loss = float(losses.mean())  # Waits for the device.
        seconds = time.monotonic() - begin
        pace.note(seconds)
        self._seconds += seconds
        self._steps += len(losses)
        self._operations += len(losses) * self.config.batch_size * stage.operations
        return loss

    def measured(self, *callbacks: keras.callbacks.Callback) -> dict[str, float]:
        """Measures the validation sequences, and tells callbacks of it."""
        told = keras.callbacks.CallbackList(callbacks, model=self.model)
        told.on_test_begin()
        context, targets = self._held_out
        size = results.batch_size_for(context.shape[2:])
        logs = self.model.evaluate(context, targets, size, verbose=0, return_dict=True)
        measured = {name: float(value) for name, value in logs.items()}
        told.on_test_end(measured)
        return measured

    def write_speed(self, path: Path) -> None:
        """Writes how fast the device was, and tells it.

        Raises:
            OSError: if it can't be written.
        """
        if not self._steps:
            return
        rate = self._steps * self.config.batch_size / self._seconds
        precision = self.config.mixed_precision
        ceiling = matmul_rate(precision)
        share = self._operations / self._seconds / ceiling
        write_json(
            path,
            {
                "sequences_per_second": round(rate, 1),
                "milliseconds_per_step": round(1000 * self._seconds / self._steps, 3),
                "matrix_teraflops": round(ceiling / 1e12, 2),
                "share_of_matrix_rate": round(share, 4),
                "peak_gib": round(peak_memory() / 2**30, 2),
                "setup_seconds": round(self.setup_seconds, 1),
            },
        )
        console.say(
            f"{rate:,.1f} sequences/s, {share:.0%} of what products of matrices reach in "
            f"{precision} here; peak memory {peak_memory() / 2**30:.1f} GiB."
        )


def keep_compiled_programs() -> None:
    """Has XLA keep what it compiles, unless JAX was told where already."""
    import jax  # Only where it is the backend, here and below.

    if jax.config.jax_compilation_cache_dir is None:  # type: ignore[attr-defined]
        jax.config.update("jax_compilation_cache_dir", str(COMPILED.expanduser()))


def _program(
    model: RecurrentPredictor, config: TrainingConfig, given: Given, moments: Moments
) -> Program:
    """Compiles the steps of an epoch."""
    import jax

    optimizer, loss_of = model.optimizer, config.build_loss()
    data, windows = config.build_dataset(), config.build_windows()
    rate = [variable is optimizer.learning_rate for variable in optimizer.variables].index(True)

    def draw(given: Given, moment: Moments) -> tuple[dict[str, Array], Array]:
        key, material = given
        keys = jax.random.split(jax.random.fold_in(key, moment["number"]), 3)
        of_choices = dict(zip(STREAMS, keys[1:], strict=True))
        frames = data.draw_on_device(material, keys[0], config.batch_size)
        return windows.split(
            frames.astype("float32") / 255,
            lambda name, fed: jax.random.uniform(of_choices[name], fed.shape[:2]) < moment[name],
        )

    def step(state: State, given: Given, moment: Moments) -> tuple[State, Array]:
        trainable, other, slots = state
        slots = [*slots[:rate], moment["rate"], *slots[rate + 1 :]]
        inputs, targets = draw(given, moment)

        def objective(trainable: list[Array]) -> tuple[Array, tuple[Array, list[Array]]]:
            outputs, changed, further = model.stateless_call(
                trainable, other, inputs, training=True, return_losses=True
            )
            loss = sum(further) + (loss_of(targets, outputs) if loss_of else 0.0)
            with keras.StatelessScope(zip(optimizer.variables, slots, strict=True)):
                return optimizer.scale_loss(loss), (loss, changed)

        gradients, (loss, other) = jax.grad(objective, has_aux=True)(trainable)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, other, slots), loss

    def steps(state: State, given: Given, moments: Moments) -> tuple[State, Array]:
        return jax.lax.scan(lambda state, moment: step(state, given, moment), state, moments)

    return jax.jit(steps, donate_argnums=0).lower(_state(model), given, moments).compile()


def _given(config: TrainingConfig) -> Given:
    import jax

    return _key(config.seed), jax.numpy.asarray(config.build_dataset().material("train"))


def _held_out(config: TrainingConfig) -> tuple[np.ndarray, np.ndarray]:
    """Draws the validation sequences, always the same: contexts and targets."""
    data, count = config.build_dataset(), config.validation_sequences
    drawn = data.draw_on_device(data.material("validation"), _key(HELD_OUT_SEED), count)
    frames = ops.convert_to_numpy(drawn).astype("float32") / 255
    return frames[:, : config.context_frames], frames[:, config.context_frames :]


def _key(seed: int) -> Array:
    import jax

    return jax.random.key(seed)


def _state(model: RecurrentPredictor) -> State:
    return tuple([variable.value for variable in part] for part in _parts(model))


def _take_over(model: RecurrentPredictor, state: State) -> None:
    for part, values in zip(_parts(model), state, strict=True):
        for variable, value in zip(part, values, strict=True):
            variable.assign(value)


def _parts(model: RecurrentPredictor) -> tuple[list[Any], ...]:
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
