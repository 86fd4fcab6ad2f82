"""Measures every form a predictor can be exported to, in one table.

    python -m export.benchmark --model=iprnn_small_moving_mnist
    python -m export.benchmark --model=runs/... --sequences=100 --output=runs/exported

Everything runs at batch 1 on all cores: a rollout (Keras: `predict`), and a streamed frame (the
time of `step`), as median and 95th percentile. Each artefact is loaded in a process of its own,
whose peak memory is given. Drift is the PSNR of its predictions against those of Keras. The MSE is
that of clipped predictions of true test sequences, summed over a frame. Nothing else should run
meanwhile. What lies in --output of the same model is used again.
"""

from __future__ import annotations

import functools
import os
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from export.artifacts import measuring
from export.artifacts.artifact import open_artifact
from export.artifacts.parity import frame_error, psnr
from export.inputs import source
from export.inputs.source import Source
from export.onnx import save_onnx
from export.saved_model import save_model
from export.tflite import PRECISIONS, save_tflite
from iprnn_tf.files import replacing, write_json
from programs import command_line, commands
from programs.command_line import Failure
from programs.console import console
from programs.processes import run_module
from programs.provenance import provenance
from programs.tables import aligned

HEADER = [
    "",
    "MB",
    "ms/rollout p50",
    "p95",
    "ms/frame p50",
    "p95",
    "peak MB",
    "drift dB",
    "MSE",
]


def main(arguments: Sequence[str]) -> None:
    """Exports and measures as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    model = source.from_flags(values)
    output = Path(values.output or _default_output(model))
    command_line.check_folder(output)
    with command_line.when_interrupted(command_line.REPEAT):
        paths = export_all(model, output, values.data)
        sequences = model.sequences("test", values.sequences, values.data)
        rows = measure_all(paths, sequences, model.model.horizon)
    write_json(
        output / "benchmark.json",
        {"model": values.model, "sequences": len(sequences), "rows": rows, **provenance()},
    )
    console.conclude(
        f"{table(rows)}\n\n{len(sequences)} sequences, {os.cpu_count()} CPU cores.",
        output,
        commands.export(values.model),
        contents="the artefacts and benchmark.json",
    )


def _default_output(model: Source) -> Path:
    frames = f"{model.context_frames or 'any'}to{model.model.horizon}"
    return Path("runs") / "exported" / f"{model.fingerprint[:12]}-{frames}"


def export_all(model: Source, output: Path, data: str | None) -> dict[str, Path]:
    """Exports a model to every form there is.

    Returns:
        Where each lies, by name. What this model can't be exported to is left out, and said.
    """
    output.mkdir(parents=True, exist_ok=True)
    exporters: dict[str, tuple[Path, Callable[[Path], Any]]] = {
        "SavedModel": (output / "saved_model", lambda path: save_model(model, path, data=data)),
        "ONNX Runtime": (output / "onnx", lambda path: save_onnx(model, path, data)),
    }
    for precision in PRECISIONS.values():
        save = functools.partial(save_tflite, model, precision=precision, data=data)
        exporters[f"LiteRT {precision}"] = output / f"{precision}.tflite", save
    present = [path for path, _ in exporters.values() if _is_there(path, model)]
    keras_file = output / "reference.keras"  # Not the name of a run's best model.
    with replacing(keras_file) as unfinished:
        model.model.save(unfinished)
    paths = {"Keras": keras_file}
    for name, (path, export) in exporters.items():
        try:
            if path not in present:
                console.say(f"Exporting {name} ...")
                export(path)
            paths[name] = path
        except (Failure, ValueError) as error:
            console.say(f"{name} is left out: {error}")
    return paths


def measure_all(
    paths: dict[str, Path], sequences: np.ndarray, horizon: int
) -> dict[str, dict[str, Any]]:
    """Runs every artefact, each in a process of its own.

    Args:
        paths: where they lie, by name; the first is the model that the others are held to.
        sequences: `(N, T + K, H, W, C)`.
        horizon: K.

    Returns:
        For each what `export.artifacts.measuring` measured, `drift_db` and `mse`.

    Raises:
        Failure: if the model itself can't be measured.
    """
    rows: dict[str, dict[str, Any]] = {}
    reference: np.ndarray | None = None
    for name, path in paths.items():
        console.say(f"Measuring {name} ...")
        try:
            predictions, row = _measured(path, sequences[:, :-horizon])
        except Failure as failure:
            if reference is None:
                raise
            console.say(f"{name} is left out: {failure}")
            continue
        reference = predictions if reference is None else reference
        difference = np.square(predictions - reference, dtype=np.float64).mean()
        row["drift_db"] = psnr(float(difference)) if difference else None
        row["mse"] = frame_error(predictions, sequences[:, -horizon:])
        rows[name] = row
    return rows


def table(rows: dict[str, dict[str, Any]]) -> str:
    """Returns the measured rows as aligned text."""
    cells = [
        [
            name,
            f"{row['megabytes']:.1f}",
            *(f"{row['rollout_ms'][key]:.1f}" for key in ("p50", "p95")),
            *(f"{row['frame_ms'][key]:.2f}" for key in ("p50", "p95")),
            f"{row['peak_megabytes']:.0f}",
            "equal" if row["drift_db"] is None else f"{row['drift_db']:.1f}",
            f"{row['mse']:.2f}",
        ]
        for name, row in rows.items()
    ]
    return aligned([HEADER, *cells])


def _measured(path: Path, contexts: np.ndarray) -> tuple[np.ndarray, dict[str, Any]]:
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        np.save(folder / measuring.CONTEXTS, contexts)
        run_module("export.artifacts.measuring", str(path.resolve()), temporary)
        return measuring.read(folder)


def _is_there(path: Path, model: Source) -> bool:
    """Whether an artefact of this model is there, from an earlier call."""
    if not path.exists() or (path.is_dir() and not any(path.glob("[!.]*"))):
        return False  # A SavedModel that failed leaves the folder of its versions.
    found = open_artifact(path).description
    own = model.fingerprint, model.context_frames, model.model.horizon
    if (found["fingerprint"], found["context_frames"], found["horizon"]) != own:
        raise ValueError(
            f"--output is a folder for the artefacts of one model. Received: {path}, which was "
            "exported from another one, or for other frames. Choose another folder."
        )
    return True


def _define_flags(values: flags.FlagValues) -> None:
    source.define_flags(values)
    flags.DEFINE_integer("sequences", 100, "True test sequences.", 1, flag_values=values)
    flags.DEFINE_string("output", None, "Folder of the artefacts.", flag_values=values)


if __name__ == "__main__":
    command_line.run(main)
