"""Exported predictors behind one call, whatever runtime they need.

Nothing of TensorFlow or Keras is imported here before a SavedModel is opened: LiteRT and ONNX
Runtime run without them.
"""

from __future__ import annotations

import abc
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

Arrays = dict[str, np.ndarray]
States = list[np.ndarray]

DESCRIPTION = "iprnn.json"  # What an artefact says about itself, wherever it keeps it.
EXTRAS = "assets.extra"  # The folder of a SavedModel that servers leave alone.
ONNX_METADATA = "iprnn"
BATCH_SIZE = 8  # Where an artefact leaves it open.


class Artifact(abc.ABC):
    """An exported predictor.

    Args:
        path: where it lies.
        description: what it says about itself.
    """

    def __init__(self, path: Path, description: dict[str, Any]) -> None:
        self.path = path
        self.description = description
        self.signatures: list[str] = description["signatures"]
        self.precision: str = description.get("precision", "float32")
        self.horizon: int = description["horizon"]

    @abc.abstractmethod
    def run(self, signature: str, inputs: Arrays) -> Arrays:
        """Runs one signature (see `export.graphs.signatures`) on arrays by name."""

    @property
    @abc.abstractmethod
    def size(self) -> int:
        """Bytes on disk."""

    def forecast(self, context: np.ndarray) -> np.ndarray:
        """Predicts `(B, K, H, W, C)` after a context `(B, T, H, W, C)`.

        Where the artefact has no `forecast`, the loop is here: `prime`, then `step`.
        """
        if "forecast" not in self.signatures:
            return self.stream(context)
        return self._in_batches(
            lambda batch: self.run("forecast", {"context": batch})["predictions"], context
        )

    def stream(self, context: np.ndarray) -> np.ndarray:
        """Does what `forecast` does by `prime` and `step` alone."""
        return self._in_batches(self._streamed, context)

    def prime(self, context: np.ndarray) -> tuple[np.ndarray, States]:
        """Returns the frame after a context, and the states to go on from."""
        outputs = self.run("prime", {"context": context})
        return outputs["frame"], [outputs[f"state_{index}"] for index in range(len(outputs) - 1)]

    def step(self, frame: np.ndarray, states: States) -> tuple[np.ndarray, States]:
        """Returns the frame after this one, and the states to go on from."""
        inputs = {f"state_{index}": state for index, state in enumerate(states)}
        outputs = self.run("step", {"frame": frame, **inputs})
        return outputs["next_frame"], [outputs[f"next_{name}"] for name in inputs]

    def _streamed(self, context: np.ndarray) -> np.ndarray:
        frame, states = self.prime(context)
        frames = [frame]
        while len(frames) < self.horizon:
            frame, states = self.step(frame, states)
            frames.append(frame)
        return np.stack(frames, axis=1)

    def _in_batches(
        self, predict: Callable[[np.ndarray], np.ndarray], context: np.ndarray
    ) -> np.ndarray:
        fixed = self.description.get("batch_size")
        size = fixed or BATCH_SIZE
        # Where the batch is fixed, the last one is filled up with copies of its last context.
        missing = -len(context) % size if fixed else 0
        filled = np.concatenate([context, np.repeat(context[-1:], missing, axis=0)])
        batches = [predict(filled[i : i + size]) for i in range(0, len(filled), size)]
        return np.concatenate(batches)[: len(context)]


class SavedModelArtifact(Artifact):
    """One version of a SavedModel."""

    def __init__(self, path: Path) -> None:
        import tensorflow as tf  # Takes seconds; LiteRT needs none of it.

        super().__init__(path, json.loads((path / EXTRAS / DESCRIPTION).read_text()))
        self._loaded = tf.saved_model.load(str(path))  # Its functions die with it.
        self._constant = tf.constant

    def run(self, signature: str, inputs: Arrays) -> Arrays:
        tensors = {name: self._constant(array) for name, array in inputs.items()}
        outputs = self._loaded.signatures[signature](**tensors)
        return {name: output.numpy() for name, output in outputs.items()}

    @property
    def size(self) -> int:
        files = [self.path / "saved_model.pb", *(self.path / "variables").iterdir()]
        return sum(file.stat().st_size for file in files)


class LiteRTArtifact(Artifact):
    """A `.tflite` file.

    Args:
        path: the file.
        threads: that LiteRT may use; by default one for each core.
    """

    def __init__(self, path: Path, threads: int | None = None) -> None:
        from ai_edge_litert.interpreter import Interpreter

        content = path.read_bytes()
        super().__init__(path, _litert_description(content))
        self._interpreter = Interpreter(
            model_content=content, num_threads=threads or os.cpu_count()
        )
        self._runners = {
            name: self._interpreter.get_signature_runner(name) for name in self.signatures
        }

    def run(self, signature: str, inputs: Arrays) -> Arrays:
        return dict(self._runners[signature](**inputs))

    @property
    def size(self) -> int:
        return self.path.stat().st_size


class OnnxArtifact(Artifact):
    """A folder with one `.onnx` file for each signature."""

    def __init__(self, path: Path) -> None:
        import onnxruntime

        self._sessions = {
            file.stem: onnxruntime.InferenceSession(str(file), providers=["CPUExecutionProvider"])
            for file in path.glob("*.onnx")
        }
        session = next(iter(self._sessions.values()))
        properties = session.get_modelmeta().custom_metadata_map
        super().__init__(path, json.loads(properties[ONNX_METADATA]))

    def run(self, signature: str, inputs: Arrays) -> Arrays:
        session = self._sessions[signature]
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, inputs), strict=True))

    @property
    def size(self) -> int:
        return sum(file.stat().st_size for file in self.path.glob("*.onnx"))


def open_artifact(path: str | Path) -> Artifact:
    """Loads a version of a SavedModel, a `.tflite` file or a folder of `.onnx` files.

    Args:
        path: of a folder of SavedModel versions, the highest is taken.

    Raises:
        ValueError: if it is none of these, damaged, or wasn't exported by this package.
    """
    path = _highest_version(Path(path))
    try:
        if (path / "saved_model.pb").exists():
            return SavedModelArtifact(path)
        if path.suffix == ".tflite" and path.is_file():
            return LiteRTArtifact(path)
        if path.is_dir() and any(path.glob("*.onnx")):
            return OnnxArtifact(path)
    except ImportError as error:
        raise ValueError(
            f"This artefact needs a runtime of its own. Received: {path} ({error}). "
            f'Install it: pip install -e ".[litert,onnx]".'
        ) from error
    except Exception as error:  # Each runtime raises its own on damaged files.
        raise ValueError(
            "An artefact is what export.saved_model, export.tflite or export.onnx wrote, whole. "
            f"Received: {path} ({type(error).__name__}: {error}). Export it again."
        ) from error
    raise ValueError(
        "An artefact is a SavedModel, a .tflite file or a folder of .onnx files. "
        f"Received: {path}, which {'is another thing' if path.exists() else 'does not exist'}. "
        "Give what export.saved_model, export.tflite or export.onnx wrote."
    )


def _highest_version(path: Path) -> Path:
    versions = [int(entry.name) for entry in path.glob("*") if entry.name.isdecimal()]
    return path / str(max(versions)) if versions else path


def _litert_description(content: bytes) -> dict[str, Any]:
    from ai_edge_litert import schema_py_generated as schema

    model = schema.Model.GetRootAs(content)
    for index in range(model.MetadataLength()):
        entry = model.Metadata(index)
        if entry.Name() == DESCRIPTION.encode():
            return json.loads(model.Buffers(entry.Buffer()).DataAsNumpy().tobytes())
    raise ValueError(f"there is no {DESCRIPTION} in it")
