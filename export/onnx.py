"""Exports a predictor to ONNX, for ONNX Runtime and others.

    pip install -e ".[onnx]"
    python -m export.onnx --model=iprnn_small_moving_mnist --output=iprnn_onnx

An ONNX file has one entry, so the folder holds `forecast.onnx`, `prime.onnx` and `step.onnx`, with
an open batch. They are compared with the model on true sequences first, and written only if they
predict the same.
"""

from __future__ import annotations

import importlib
import json
import types
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from export.artifacts import parity
from export.artifacts.artifact import ONNX_METADATA, open_artifact
from export.graphs.signatures import Signatures
from export.inputs import source
from export.inputs.source import Source
from iprnn_tf.files import new_folder
from programs import command_line
from programs.command_line import Failure
from programs.commands import command
from programs.console import console

OPSET = 18  # Of 2022: what the runtimes in use understand, and this converter writes.


def main(arguments: Sequence[str]) -> None:
    """Exports as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if not values.output:
        raise ValueError(
            "--output is needed: a new folder. Received: nothing. Try --output=iprnn_onnx."
        )
    command_line.check_folder(values.output)
    console.say("Converting, and comparing with the model on true sequences ...")
    report = save_onnx(source.from_flags(values), values.output, values.data)
    console.conclude(
        report,
        values.output,
        source.verification(values, values.output),
        command("export.benchmark", model=values.model),
    )


def save_onnx(model: Source, output: str | Path, data: str | None = None) -> parity.Report:
    """Writes a folder of `.onnx` files that predict what the model predicts, or none.

    Args:
        model: what to export.
        output: a new folder.
        data: array of true sequences to compare on; by default what it was trained on.

    Returns:
        How they differ from the model.

    Raises:
        ValueError: if the folder is there, or the converter isn't installed.
        Failure: if the model can't be converted, or predicts something else.
        OSError: if it can't be written.
    """
    output = Path(output)
    if output.exists():
        raise ValueError(
            f"--output must be a new folder. Received: {output}, which exists. Choose another."
        )
    functions = Signatures(model.model, model.context_frames).concrete()
    description = json.dumps(model.description(functions))
    with new_folder(output) as folder:
        for name, function in functions.items():
            (folder / f"{name}.onnx").write_bytes(converted(function, description))
        report = parity.compare(model, open_artifact(folder), data)
        report.check()
    return report


def converted(function: Any, description: str) -> bytes:
    """Returns a traced function as the bytes of an ONNX file.

    Args:
        function: of `Signatures.concrete`.
        description: JSON to keep with it.

    Raises:
        ValueError: if the converter isn't installed.
        Failure: if it doesn't know the graph's operations.
    """
    try:
        tf2onnx = importlib.import_module("tf2onnx.convert")
    except ImportError as error:
        raise ValueError(
            "ONNX files are written with tf2onnx. Received: an environment without it. "
            'Install it: pip install -e ".[onnx]".'
        ) from error
    # It takes tf.functions and traces them itself, with positional arguments and without names.
    traced = types.SimpleNamespace(get_concrete_function=lambda: function)
    try:
        proto, _ = tf2onnx.from_function(traced, (), opset=OPSET)
    except Exception as error:  # It raises whatever it meets.
        raise Failure(
            f"tf2onnx can't convert this model ({error}). Nothing was written."
        ) from error
    entry = proto.metadata_props.add()
    entry.key, entry.value = ONNX_METADATA, description
    return bytes(proto.SerializeToString())


def _define_flags(values: flags.FlagValues) -> None:
    source.define_flags(values)
    flags.DEFINE_string("output", None, "The folder to write.", flag_values=values)


if __name__ == "__main__":
    command_line.run(main)
