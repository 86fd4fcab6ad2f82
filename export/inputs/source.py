"""The predictor that a program here was given, in float32, and what is known about it."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from absl import flags

from export.inputs.frames import read_sequences
from iprnn_tf.data import DRAWN, DrawnSequences, VideoWindows
from iprnn_tf.data.prepared import INDEX
from iprnn_tf.data.windows import to_float
from iprnn_tf.models import VideoPredictor, load_model, training_settings
from iprnn_tf.presets import is_preset, locate, read_metadata
from programs.arguments import taken_by
from programs.commands import command
from programs.provenance import provenance

PAPER_CONTEXT = 10  # Where nothing tells what a model was trained on.
Shape = tuple[int | None, ...]
NO_OTHER_PREDICTOR = (
    "name",
    "dtype",
    "trainable",
    "frozen",
    "horizon",
    "value_range",
)  # In a config.
SMALLEST_CANVAS = 34  # On which the largest digits of a protocol can move.


@dataclasses.dataclass(frozen=True)
class Source:
    """A trained predictor to export, or to compare an artefact with.

    Args:
        name: where it was loaded from.
        model: in float32, whatever it was trained in.
        context_frames: T, or None for any.
        settings: what it was trained with; empty where nothing tells.
        metadata: of the preset it is; empty for others.
    """

    name: str
    model: VideoPredictor
    context_frames: int | None
    settings: dict[str, Any]
    metadata: dict[str, Any]

    @classmethod
    def load(
        cls, source: str | Path, context_frames: int | None = None, horizon: int | None = None
    ) -> Source:
        """Loads a run directory, a `.keras` file or a preset.

        Args:
            source: as for `iprnn_tf.load_model`.
            context_frames: T, or 0 for any; by default what the model was trained on.
            horizon: K; by default the model's. Another one needs no other weights.

        Raises:
            ValueError: if there is no such model.
        """
        # GPUs since 2020 round products of float32 to 10 bits; no other runtime would agree.
        tf.config.experimental.enable_tensor_float_32_execution(False)
        model = load_model(source, dtype="float32")
        if horizon:
            model.horizon = horizon
        settings = training_settings(source) or {}
        trained = settings.get("context_frames", PAPER_CONTEXT)
        metadata = read_metadata(locate(source)) if is_preset(source) else {}
        frames = trained if context_frames is None else context_frames or None
        return cls(str(source), model, frames, settings, metadata)

    @property
    def fingerprint(self) -> str:
        """A hash of the configuration and the weights; artefacts of one model share it."""
        config = _without(self.model.get_config(), NO_OTHER_PREDICTOR)
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for weight in self.model.get_weights():
            digest.update(np.ascontiguousarray(weight, np.float32).tobytes())
        return digest.hexdigest()

    def description(self, signatures: Iterable[str]) -> dict[str, Any]:
        """Returns what an artefact with these signatures says about itself."""
        return {
            "source": Path(self.name).name,
            "fingerprint": self.fingerprint,
            "image_shape": list(self.model.image_shape),
            "context_frames": self.context_frames,
            "horizon": self.model.horizon,
            "weights": self.model.count_params(),
            "signatures": sorted(signatures),
            "preset": self.metadata,
            **provenance(),
        }

    def sequences(self, split: str, count: int, file: str | Path | None = None) -> np.ndarray:
        """Returns true sequences, float32 `(count, T + K, H, W, C)`.

        Args:
            split: "validation" or "test".
            count: at most so many.
            file: `.npy` of sequences `(N, T + K or more, H, W, C)`, uint8 or float in [0, 1], of
                which the first are for validation and the last for the test; by default the
                video that the model was trained on, where it is still there; else drawn, as it
                was trained on them, or moving digits.

        Raises:
            ValueError: if the file can't be read, or doesn't fit the model; or if the video that
                is there has no window of this length.
        """
        length = (self.context_frames or PAPER_CONTEXT) + self.model.horizon
        if file is not None:
            return _loaded(Path(file), split, count, length, self.model.image_shape)
        data = self._footage(length, split) or self._drawn(length)
        frames = to_float(next(iter(data.frames(split).take(count).batch(count))))
        height, width, channels = self.model.image_shape
        repeats = channels // data.image_shape[2]  # Digits are grey.
        return np.repeat(frames[:, :, : height or 64, : width or 64], repeats, axis=-1)

    def _footage(self, length: int, split: str) -> VideoWindows | None:
        """The prepared video that the model was trained on, unless it is gone."""
        folder = self.settings.get("data_dir")
        if not folder or not (Path(folder) / INDEX).is_file():
            return None
        windows = VideoWindows(folder, num_frames=length)
        if not windows.num_windows(split):
            raise ValueError(
                f"Sequences to compare on have {length} frames, context and horizon together. "
                f"Received: none in the {split} videos that the model was trained on ({folder}). "
                "Give --data with such sequences, or a shorter --horizon."
            )
        return windows

    def _drawn(self, length: int) -> DrawnSequences:
        """The drawn data set that the model was trained on, or moving digits, on its canvas."""
        data = DRAWN.get(self.settings.get("dataset", ""), DRAWN["mnist"])
        height, width, _ = self.model.image_shape
        protocol = self.settings.get("protocol")
        settings = {
            **self.settings,
            "protocol": protocol if protocol in data.protocols else data.protocols[0],
            "image_size": (max(height or 64, SMALLEST_CANVAS), max(width or 64, SMALLEST_CANVAS)),
            "num_frames": length,
        }
        return data(**taken_by(data, settings))


def define_flags(values: flags.FlagValues) -> None:
    """Defines the flags that name a source, and the sequences it is compared on."""
    flags.DEFINE_string("model", None, "Run directory, .keras file or preset.", flag_values=values)
    flags.DEFINE_integer(
        "context_frames",
        None,
        "Frames to be given, by default as trained; 0 for any number.",
        lower_bound=0,
        flag_values=values,
    )
    flags.DEFINE_integer(
        "horizon", None, "Frames to predict, by default the model's.", 1, flag_values=values
    )
    define_data_flag(values)


def define_data_flag(values: flags.FlagValues) -> None:
    """Defines the flag that names true sequences."""
    flags.DEFINE_string(
        "data",
        None,
        "Array of true sequences to compare on, by default what it was trained on.",
        flag_values=values,
    )


def verification(values: flags.FlagValues, artifact: object) -> str:
    """Returns the command that compares what was exported with its source once more."""
    data = {"data": values.data} if values.data else {}
    return command("export.verify", artifact=artifact, model=values.model, **data)


def from_flags(values: flags.FlagValues) -> Source:
    """Loads the source that the flags name.

    Raises:
        ValueError: if they name none.
    """
    if not values.model:
        raise ValueError(
            "--model is needed: a run directory, .keras file or preset. Received: nothing. "
            "Try --model=iprnn_small_moving_mnist."
        )
    return Source.load(values.model, values.context_frames, values.horizon)


def _without(config: Any, names: tuple[str, ...]) -> Any:
    """Leaves out, at any depth, what makes no other predictor."""
    if not isinstance(config, dict):
        return config
    return {key: _without(value, names) for key, value in config.items() if key not in names}


def _loaded(file: Path, split: str, count: int, length: int, image_shape: Shape) -> np.ndarray:
    part = slice(count) if split == "validation" else slice(-count, None)
    sequences = read_sequences(file, part=part)
    shape = sequences.shape
    fits = shape[1] >= length and all(
        own in (None, given) for own, given in zip(image_shape, shape[2:], strict=True)
    )
    if not fits:
        raise ValueError(
            f"--data must hold sequences of shape (N, {length} or more, "
            f"{', '.join(str(size or 'any') for size in image_shape)}). "
            f"Received: {file} with {shape}. Cut or resize them."
        )
    return sequences[:, :length]
