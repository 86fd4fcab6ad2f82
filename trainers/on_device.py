"""Training that doesn't leave the accelerator: sequences are drawn there, an epoch is one program.

Nothing here needs TensorFlow. What `fit` of Keras does in a loop over batches is a loop within a
program of XLA; the callbacks hear of whole epochs.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from keras import ops

from iprnn_tf.data import DRAWN
from iprnn_tf.data.drawn import HELD_OUT_SEED
from iprnn_tf.files import write_json
from iprnn_tf.models import IPRNN
from programs.console import console
from trainers import results
from trainers.config import TrainingConfig
from trainers.fitting import compile_for
from trainers.operations import training_operations
from trainers.pace import Moments, Pace
from trainers.precision import matmul_rate, peak_memory

Array = Any
State = tuple[list[Array], ...]  # Weights, what else changes, and the optimizer's variables.
Program = Callable[[State, Array, Moments], tuple[State, Array]]

COMPILED = Path("~/.cache/iprnn_tf/compiled")  # Unless JAX_COMPILATION_CACHE_DIR says another.


def check(config: TrainingConfig) -> None:
    """Refuses what can't be trained on the device alone.

    Raises:
        ValueError: if something can't.
    """
    backend = keras.backend.backend()
    if backend != "jax":
        raise ValueError(
            f"--on_device needs Keras on JAX. Received: the {backend} backend. Put "
            "KERAS_BACKEND=jax before the command, or leave --on_device out."
        )
    if config.dataset not in DRAWN:
        raise ValueError(
            f"--on_device is for sequences that are drawn: --dataset={' or '.join(DRAWN)}. "
            f"Received: --dataset={config.dataset}. Leave --on_device out."
        )
    usual = TrainingConfig()
    idle = [
        name
        for name in ("steps_per_execution", "histograms")
        if getattr(config, name) != getattr(usual, name)
    ]
    if idle:
        raise ValueError(
            "--on_device runs all steps of an epoch at once, and draws no histograms. Received: "
            f"{', '.join(f'--{name}' for name in idle)}. Give --steps_per_epoch alone."
        )


class DeviceTraining:
    """The compiled programs of a run, and the loop that calls them.

    Seeds, rates and probabilities are given to the programs, so that any run of the same size
    finds them compiled.

    Args:
        model: compiled, with the weights to start from.
        config: of the run.
    """

    def __init__(self, model: IPRNN, config: TrainingConfig) -> None:
        keep_compiled_programs()
        console.say("Compiling, or reading what was compiled before ...")
        begin = time.monotonic()
        self.model, self.config = model, config
        if not model.optimizer.built:
            model.optimizer.build(model.trainable_variables)
        self._key = _key(config.seed)
        moments = Pace(config).moments(0)
        self._stages = [
            (_program(model, stage, self._key, moments), training_operations(model, stage), stop)
            for stage, stop in config.stages()
        ]
        compile_for(config, model, model.optimizer)
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
        steps = self.config.steps_per_epoch
        told = keras.callbacks.CallbackList(
            callbacks, model=self.model, epochs=self.config.epochs, steps=steps
        )
        told.on_train_begin()
        progress = pace.progress(epoch)
        while progress < 1:
            told.on_epoch_begin(epoch)
            logs = {"loss": self._run(progress, pace, epoch)}
            told.on_train_batch_end(steps - 1, logs)
            progress = pace.progress(epoch + 1)
            if progress >= 1 or (epoch + 1) % self.config.validation_every == 0:
                measured = self.measured(*callbacks)
                logs |= {f"val_{name}": value for name, value in measured.items()}
            told.on_epoch_end(epoch, logs | {"progress": progress})
            epoch += 1
        told.on_train_end()

    def _run(self, progress: float, pace: Pace, epoch: int) -> float:
        """Runs the steps of one epoch, and returns their mean loss."""
        position = round(progress * self.config.epochs, 6)
        program, operations = next(stage[:2] for stage in self._stages if position < stage[2])
        begin = time.monotonic()
        state, losses = program(_state(self.model), self._key, pace.moments(epoch))
        _take_over(self.model, state)
        loss = float(losses.mean())  # Waits for the device.
        seconds = time.monotonic() - begin
        pace.note(seconds)
        self._seconds += seconds
        self._steps += len(losses)
        self._operations += len(losses) * self.config.batch_size * operations
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


def _program(model: IPRNN, config: TrainingConfig, key: Array, moments: Moments) -> Program:
    """Compiles the steps of an epoch."""
    import jax

    optimizer, loss_of = model.optimizer, config.build_loss()
    draw = config.build_dataset().drawing_on_device("train")
    rate = [variable is optimizer.learning_rate for variable in optimizer.variables].index(True)

    def step(state: State, moment: Moments, key: Array) -> tuple[State, Array]:
        trainable, other, slots = state
        slots = [*slots[:rate], moment["rate"], *slots[rate + 1 :]]
        of_frames, *of_choices = jax.random.split(jax.random.fold_in(key, moment["number"]), 3)
        inputs, targets = _batch(draw(of_frames, config.batch_size), config, moment, of_choices)

        def objective(trainable: list[Array]) -> tuple[Array, tuple[Array, list[Array]]]:
            outputs, changed, further = model.stateless_call(
                trainable, other, inputs, training=True, return_losses=True
            )
            loss = loss_of(targets, outputs) + sum(further)
            with keras.StatelessScope(zip(optimizer.variables, slots, strict=True)):
                return optimizer.scale_loss(loss), (loss, changed)

        gradients, (loss, other) = jax.grad(objective, has_aux=True)(trainable)
        trainable, slots = optimizer.stateless_apply(slots, gradients, trainable)
        return (trainable, other, slots), loss

    def steps(state: State, key: Array, moments: Moments) -> tuple[State, Array]:
        return jax.lax.scan(lambda state, moment: step(state, moment, key), state, moments)

    return jax.jit(steps, donate_argnums=0).lower(_state(model), key, moments).compile()


def _batch(
    frames: Array, config: TrainingConfig, moment: Moments, keys: Sequence[Array]
) -> tuple[dict[str, Array], Array]:
    """What `TrainingWindows` makes of uint8 frames `(B, T + K, H, W, C)`, on the device."""
    import jax

    frames = frames.astype("float32") / 255
    first = config.context_frames
    inputs = {"context": frames[:, :first], "teacher": frames[:, first:-1]}
    chances = {"use_teacher": ("teacher", inputs["teacher"])}
    if config.reverse_sampling:
        chances["use_context"] = ("context", inputs["context"][:, 1:])
    for key, (name, (chance, fed)) in zip(keys, chances.items(), strict=False):
        inputs[name] = jax.random.uniform(key, fed.shape[:2]) < moment[chance]
    return inputs, frames[:, 1:]


def _held_out(config: TrainingConfig) -> tuple[np.ndarray, np.ndarray]:
    """Draws the validation sequences, always the same: contexts and targets."""
    draw = config.build_dataset().drawing_on_device("validation")
    drawn = draw(_key(HELD_OUT_SEED), config.validation_sequences)
    frames = ops.convert_to_numpy(drawn).astype("float32") / 255
    return frames[:, : config.context_frames], frames[:, config.context_frames :]


def _key(seed: int) -> Array:
    import jax

    return jax.random.key(seed)


def _state(model: IPRNN) -> State:
    return tuple([variable.value for variable in part] for part in _parts(model))


def _take_over(model: IPRNN, state: State) -> None:
    for part, values in zip(_parts(model), state, strict=True):
        for variable, value in zip(part, values, strict=True):
            variable.assign(value)


def _parts(model: IPRNN) -> tuple[list[Any], ...]:
    return model.trainable_variables, model.non_trainable_variables, model.optimizer.variables
