"""What happens between the steps of `fit`: checkpoints, pictures and the watch for NaN."""

from __future__ import annotations

import contextlib
import math
import shutil
import time
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import keras
import numpy as np

from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.files import new_folder, replacing
from iprnn_tf.visualization import filmstrips
from programs.console import console

_DAMAGED = "damaged."
_UNREADABLE = (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile, zlib.error)
PART_BYTES = 14 * 2**20  # Of one file of the training state: some places take no larger ones.
_NO_NUMBER = (
    "{} is no finite number any more, {}, so training stopped. {} Try a smaller --learning_rate, "
    "a smaller --clip_norm or --mixed_precision=float32."
)


@contextlib.contextmanager
def averaged_weights(model: keras.Model) -> Iterator[None]:
    """Puts the optimizer's averaged weights into the model, where it keeps them, and back."""
    raw = [np.array(variable.numpy()) for variable in model.trainable_variables]
    if model.optimizer.iterations.numpy():  # The averages begin with the first step.
        model.optimizer.finalize_variable_values(model.trainable_variables)
    for variable in model.trainable_variables:  # On JAX they share the optimizer's own arrays,
        variable.assign(np.array(variable.numpy()))  # which evaluating the model would delete.
    try:
        yield
    finally:
        for variable, value in zip(model.trainable_variables, raw, strict=True):
            variable.assign(value)


class BestModel(keras.callbacks.Callback):
    """Validates with the averaged weights, if there are any, and keeps the best of them.

    Args:
        path: the `.keras` file to write.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path
        self.best = math.inf
        self.best_epoch = 0  # How many had ended; none, where a pretrained model is the best.
        self._epoch = 0
        self._averaged = contextlib.ExitStack()

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch + 1

    def on_test_begin(self, logs: Any = None) -> None:
        self._averaged.enter_context(averaged_weights(self.model))

    def on_test_end(self, logs: Any = None) -> None:
        with self._averaged:
            if logs["mse"] < self.best:
                self.best, self.best_epoch = float(logs["mse"]), self._epoch
                with replacing(self.path) as temporary:
                    _uncompiled(self.model).save(temporary)


def _no_number(what: str, when: str, is_saved: bool) -> str:
    kept = "The last good checkpoint is intact." if is_saved else "There is no checkpoint yet."
    return _NO_NUMBER.format(what, when, kept)


def _uncompiled(model: keras.Model) -> keras.Model:
    """Copies a model without its optimizer, which would triple the file."""
    copy = type(model).from_config(model.get_config())
    copy.set_weights(model.get_weights())
    return copy


class TrainingState(keras.callbacks.Callback):
    """Saves all that training needs to go on as if it had never stopped.

    The raw weights, the optimizer's variables, the best validation so far, the number of
    finished epochs and the seconds they took, written at the end of an epoch to a folder of its
    own, in files of at most `PART_BYTES` (or one array). The state before it is kept too, in case
    a file is damaged; older ones go. The data and the draws follow from the seed and the epoch, so
    they need no state. An epoch that was not due to be saved is held in memory, for `save` when
    training is interrupted.

    Args:
        path: the folder of the states.
        best_model: the callback that knows the best validation so far.
        seconds: least time between two saves; the last epoch is always saved.
    """

    def __init__(self, path: Path, best_model: BestModel, seconds: float) -> None:
        super().__init__()
        self.path = path
        self.best_model = best_model
        self.seconds = seconds
        self.trained_seconds = 0.0
        self.epochs = 0  # That are saved.
        self._last: tuple[int, list[np.ndarray]] | None = None  # Not saved yet.
        self._saved = -math.inf
        self._resumed = time.monotonic()

    def on_train_begin(self, logs: Any = None) -> None:
        self._resumed = time.monotonic() - self.trained_seconds

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        self.trained_seconds = time.monotonic() - self._resumed
        self.keep(self.model, epoch + 1)
        if time.monotonic() - self._saved >= self.seconds:
            self.save()
            self._saved = time.monotonic()

    def on_train_end(self, logs: Any = None) -> None:
        self.save()

    def keep(self, model: keras.Model, epochs: int) -> None:
        """Holds the state after a number of finished epochs in memory, to be saved."""
        best = self.best_model
        progress = np.array([epochs, best.best, best.best_epoch, self.trained_seconds])
        self._last = epochs, [progress, *(np.array(v.numpy()) for v in _all_variables(model))]

    def save(self) -> int:
        """Writes the last state that was kept, and returns the number of epochs it is after.

        Raises:
            FloatingPointError: if a weight is no number; the state before it is left as it is.
        """
        if self._last is None:
            return self.epochs
        epochs, arrays = self._last
        if not all(np.isfinite(array).all() for array in arrays[1:]):
            raise FloatingPointError(_no_number("A weight", "in this epoch", self.is_saved))
        older = [*self._folders()[:-1], *self.path.glob(".unfinished.*")]
        older += self.path.glob(f"{_DAMAGED}*")
        with new_folder(self.path / f"{epochs:08d}") as folder:
            for index, part in enumerate(_parts(arrays)):
                np.savez(folder / f"{index:03d}.npz", **part)
        self.epochs, self._last = epochs, None  # Whatever interrupts what follows.
        for path in older:
            shutil.rmtree(path, ignore_errors=True)  # What a kill left may be gone by now.
        return epochs

    def restore(self, model: keras.Model) -> int:
        """Restores the model and its optimizer, and returns the number of finished epochs.

        Where the last state is damaged, the one before it is restored, and that is told.

        Raises:
            ValueError: if all are damaged or belong to another model.
        """
        folders = self._folders()
        if not folders:
            return 0  # Interrupted before the first checkpoint.
        damaged: list[Path] = []
        for folder in reversed(folders):
            try:
                self._read(folder, model)
            except _UNREADABLE as failure:
                damaged.append(folder)
                error = failure
            else:
                self._set_aside(damaged, folder)
                return self.epochs
        raise ValueError(
            f"--resume needs the training state of this very run. Received: {damaged[0]}, "
            f"which is damaged or of another model ({error}). Start the run again."
        ) from error

    def _read(self, folder: Path, model: keras.Model) -> None:
        progress, *arrays = _read_parts(folder)
        for variable, value in zip(_all_variables(model), arrays, strict=True):
            variable.assign(value)
        epochs, self.best_model.best, best_epoch, self.trained_seconds = map(float, progress)
        self.epochs, self.best_model.best_epoch = int(epochs), int(best_epoch)

    def _set_aside(self, damaged: list[Path], restored: Path) -> None:
        """Renames damaged states, whose names are wanted again, and tells of them."""
        for folder in damaged:
            folder.rename(folder.with_name(f"{_DAMAGED}{folder.name}"))
            console.say(f"{folder} is damaged. Going on from the state before it, {restored}.")

    @property
    def is_saved(self) -> bool:
        """Whether there is a state to go on from."""
        return bool(self._folders())

    def _folders(self) -> list[Path]:
        """The saved states, the last one last."""
        return sorted(self.path.glob("[0-9]*"))


def _parts(arrays: list[np.ndarray]) -> Iterator[dict[str, Any]]:
    """Puts arrays into groups of at most `PART_BYTES`, each under its number."""
    part: dict[str, Any] = {}
    size = 0
    for index, array in enumerate(arrays):
        if part and size + array.nbytes > PART_BYTES:
            yield part
            part, size = {}, 0
        part[str(index)] = array
        size += array.nbytes
    yield part


def _read_parts(folder: Path) -> list[np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    for file in sorted(folder.glob("*.npz")):
        with file.open("rb") as stream, np.load(stream) as part:
            arrays.update(part)
    return [arrays[str(index)] for index in range(len(arrays))]


def _all_variables(model: keras.Model) -> list[Any]:
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
    return [*model.variables, *model.optimizer.variables]


class StopOnNonFiniteLoss(keras.callbacks.Callback):
    """Stops a run whose loss is no number any more, before it overwrites a good checkpoint.

    Args:
        state: what is saved of the run.
    """

    def __init__(self, state: TrainingState) -> None:
        super().__init__()
        self.state = state

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        if not math.isfinite(logs["loss"]):
            raise FloatingPointError(
                _no_number("The loss", f"by step {batch + 1} of this epoch", self.state.is_saved)
            )


class Filmstrips(keras.callbacks.Callback):
    """Shows in TensorBoard what the model predicts at each validation.

    Before `BestModel` in the list of callbacks, it predicts with the averaged weights, too.

    Args:
        folder: where TensorBoard's events go.
        context: `(N, T, H, W, C)`.
        targets: `(N, K, H, W, C)`, K the model's horizon.
    """

    def __init__(self, folder: Path, context: np.ndarray, targets: np.ndarray) -> None:
        super().__init__()
        self.context = context
        self.targets = targets
        self._epoch = 0
        self._writer = tf.summary.create_file_writer(str(folder))

    def on_epoch_begin(self, epoch: int, logs: Any = None) -> None:
        self._epoch = epoch

    def on_test_end(self, logs: Any = None) -> None:
        predictions = self.model.predict(self.context, verbose=0)
        picture = filmstrips(self.context, self.targets, predictions)
        with self._writer.as_default():
            tf.summary.image("context, target, prediction", picture[None], step=self._epoch)
        self._writer.flush()
