"""Measures one artefact in a process of its own, so that its memory is its runtime's alone.

`export.benchmark` runs `python -m export.artifacts.measuring ARTIFACT FOLDER`, which reads
`contexts.npy` in the folder, and leaves `predictions.npy` and `measured.json` there.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from export.artifacts.artifact import Arrays, Artifact, open_artifact
from programs.memory import peak_memory

CONTEXTS, PREDICTIONS, MEASURED = "contexts.npy", "predictions.npy", "measured.json"
ROLLOUTS, FRAMES = 20, 60  # Timed, after two that warm up.


class KerasArtifact(Artifact):
    """The model itself, as `predict` and `step_model` run it."""

    def __init__(self, path: Path) -> None:
        from iprnn_tf import load_model  # With TensorFlow, which the other artefacts don't need.

        self._model = load_model(path)
        self._step_model = self._model.step_model()
        names = ["forecast", "prime", "step"]
        super().__init__(path, {"signatures": names, "horizon": self._model.horizon})

    def run(self, signature: str, inputs: Arrays) -> Arrays:
        if signature == "forecast":
            return {"predictions": self._model.predict(inputs["context"], verbose=0)}
        if signature == "step":
            frame, *states = self._step_model.predict_on_batch(list(inputs.values()))
            return {
                "next_frame": frame,
                **{f"next_state_{index}": state for index, state in enumerate(states)},
            }
        context = inputs["context"]
        states = list(map(np.asarray, self._model.initial_states(len(context), context.shape[2:4])))
        for time_step in range(context.shape[1]):
            frame, states = self.step(context[:, time_step], states)
        return {"frame": frame, **{f"state_{index}": state for index, state in enumerate(states)}}

    @property
    def size(self) -> int:
        return self.path.stat().st_size


def measure(artifact: Artifact, contexts: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    """Returns the predictions for all contexts, and sizes and times at batch 1.

    Args:
        artifact: what to run.
        contexts: `(N, T, H, W, C)`.
    """
    one = contexts[:1]
    rollout = milliseconds(lambda: artifact.forecast(one), ROLLOUTS)
    state = [artifact.prime(one)]

    def stream() -> None:
        state[0] = artifact.step(*state[0])

    measured = {
        "megabytes": artifact.size / 1e6,
        "rollout_ms": percentiles(rollout),
        "frame_ms": percentiles(milliseconds(stream, FRAMES)),
        "peak_megabytes": peak_memory() / 1e6,
    }
    return np.concatenate([artifact.forecast(context[None]) for context in contexts]), measured


def milliseconds(compute: Callable[[], Any], repetitions: int) -> list[float]:
    """Times a computation, after two that warm it up."""
    durations = []
    for _ in range(repetitions + 2):
        begin = time.perf_counter()
        compute()
        durations.append(1000 * (time.perf_counter() - begin))
    return durations[2:]


def percentiles(durations: list[float]) -> dict[str, float]:
    """Returns the median and the 95th percentile."""
    return {"p50": float(np.median(durations)), "p95": float(np.percentile(durations, 95))}


def read(folder: Path) -> tuple[np.ndarray, dict[str, Any]]:
    """Returns what `main` left in a folder: predictions and measurements."""
    return np.load(folder / PREDICTIONS), json.loads((folder / MEASURED).read_text())


def main(path: Path, folder: Path) -> None:
    """Measures what lies at the path."""
    artifact = KerasArtifact(path) if path.suffix == ".keras" else open_artifact(path)
    predictions, measured = measure(artifact, np.load(folder / CONTEXTS))
    np.save(folder / PREDICTIONS, predictions)
    (folder / MEASURED).write_text(json.dumps(measured))


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
