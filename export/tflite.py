"""Exports a predictor to LiteRT (TFLite), for phones, browsers and small computers.

    python -m export.tflite --model=iprnn_small_moving_mnist --output=iprnn.tflite
    python -m export.tflite --model=... --output=... --quantize=float16   # half the size
    python -m export.tflite --model=... --output=... --quantize=dynamic   # a quarter, and faster
    python -m export.tflite --model=... --output=... --quantize=int8      # for integer hardware

One file holds `forecast`, `prime` and `step`, in LiteRT's builtin operations alone; with int8 it
holds `prime` and `step`, and the loop over time is the caller's. Each file is compared with
the model on true sequences first, and written only if it predicts the same.
"""

from __future__ import annotations

import importlib.util
import json
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from absl import flags

from export.artifacts import converter, parity
from export.artifacts.artifact import open_artifact
from export.graphs.signatures import Signatures
from export.inputs import source
from export.inputs.source import Source
from iprnn_tf.files import replacing
from programs import command_line
from programs.command_line import Failure
from programs.commands import command
from programs.console import console
from programs.processes import run_module

PRECISIONS = {"none": "float32", "float16": "float16", "dynamic": "dynamic", "int8": "int8"}


def main(arguments: Sequence[str]) -> None:
    """Exports as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if not values.output or not values.output.endswith(".tflite"):
        raise ValueError(
            "--output is needed: a .tflite file. "
            f"Received: {values.output or 'nothing'}. Try --output=iprnn.tflite."
        )
    command_line.check_file(values.output)
    model = source.from_flags(values)
    precision = PRECISIONS[values.quantize]
    console.say("Converting, and comparing with the model on true sequences ...")
    report = save_tflite(model, values.output, precision, values.batch_size or None, values.data)
    console.conclude(
        report,
        values.output,
        source.verification(values, values.output),
        command("export.benchmark", model=values.model),
    )


def save_tflite(
    model: Source,
    output: str | Path,
    precision: str = "float32",
    batch_size: int | None = 1,
    data: str | None = None,
) -> parity.Report:
    """Writes a `.tflite` file that predicts what the model predicts, or none.

    Args:
        model: what to export.
        output: the file; one that is there is replaced.
        precision: "float32", "float16" (weights), "dynamic" (weights in 8 bits) or "int8"
            (weights and features in 8 bits).
        batch_size: B, or None for any, which LiteRT runs slower.
        data: array of true sequences to compare and calibrate on; by default what it was trained
            on.

    Returns:
        How it differs from the model.

    Raises:
        ValueError: if this model has no such form.
        Failure: if it can't be converted, or predicts something else.
        OSError: if it can't be written.
    """
    if importlib.util.find_spec("ai_edge_litert") is None:
        raise ValueError(
            "A .tflite file is run beside its model before it is written. Received: an environment "
            'without LiteRT. Install it: pip install -e ".[litert]".'
        )
    signatures = Signatures(model.model, model.context_frames, batch_size)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary)
        _prepare(folder, model, signatures, precision, data)
        _convert(folder, precision)
        converted = folder / converter.RESULT
        artifact = open_artifact(converted)
        report = parity.compare(model, artifact, data)
        report.check()
        with replacing(output) as unfinished:
            unfinished.write_bytes(converted.read_bytes())
    return report


def _prepare(
    folder: Path, model: Source, signatures: Signatures, precision: str, data: str | None
) -> None:
    functions = signatures.concrete(loops=precision != "int8")
    signatures.save(folder / converter.SAVED_MODEL, functions)
    description = {
        **model.description(functions),
        "precision": precision,
        "batch_size": signatures.batch_size,
    }
    request = {
        "precision": precision,
        "batch_size": signatures.batch_size,
        "signatures": sorted(functions),
        "metadata": json.dumps(description),
    }
    (folder / converter.REQUEST).write_text(json.dumps(request))
    if precision == "int8":
        arrays: dict[str, Any] = _calibration(model, signatures, data)
        np.savez(folder / converter.CALIBRATION, **arrays)


def _convert(folder: Path, precision: str) -> None:
    try:
        run_module("export.artifacts.converter", str(folder))
    except Failure as failure:
        raise Failure(
            f"TensorFlow's converter couldn't make a {precision} file of this model: {failure} "
            "Nothing was written. Try another --quantize."
        ) from failure


def _calibration(model: Source, signatures: Signatures, data: str | None) -> dict[str, np.ndarray]:
    """What `prime` and `step` see when the model rolls out, its own frames among it."""
    sequences = model.sequences("validation", parity.CALIBRATED + 1, data)
    if len(sequences) <= parity.CALIBRATED:
        held_out = "validation windows of the video that the model was trained on"
        raise ValueError(
            f"int8 is calibrated on {parity.CALIBRATED} sequences and compared on others. "
            f"Received: {len(sequences)}, {f'all of --data={data}' if data else held_out}. Give "
            f"{'more' if data else 'others with --data'}, or another --quantize."
        )
    context = sequences[: parity.CALIBRATED, : model.context_frames]
    step_model = model.model.step_model()
    states = model.model.initial_states(len(context), context.shape[2:4])
    frame, *states = step_model.predict_on_batch([context[:, 0], *states])
    seen = []
    for time in range(1, context.shape[1] + model.model.horizon - 1):
        frame = context[:, time] if time < context.shape[1] else frame
        seen.append([frame, *states])
        frame, *states = step_model.predict_on_batch(seen[-1])
    names = ["frame", *signatures.state_names]
    steps = {
        f"step/{name}": np.concatenate(arrays)
        for name, arrays in zip(names, zip(*seen, strict=True), strict=True)
    }
    return {"prime/context": context, **steps}


def _define_flags(values: flags.FlagValues) -> None:
    source.define_flags(values)
    flags.DEFINE_string("output", None, "The .tflite file to write.", flag_values=values)
    flags.DEFINE_enum(
        "quantize", "none", list(PRECISIONS), "Precision of the numbers.", flag_values=values
    )
    flags.DEFINE_integer(
        "batch_size", 1, "Sequences at once; 0 for any, which is slower.", 0, flag_values=values
    )


if __name__ == "__main__":
    command_line.run(main)
