"""Converts a SavedModel to LiteRT in a process of its own: the converter can crash.

`export.tflite` runs `python -m export.artifacts.converter FOLDER`, on a folder of

    saved_model/       with the signatures `forecast`, `prime` and `step`, or the last two
    request.json       `precision`, `batch_size`, and `metadata` to put into the file
    calibration.npz    for int8: arrays `signature/argument`, sequences along the first axis

and finds `model.tflite` in it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.lite.tools import flatbuffer_utils

from export.artifacts.artifact import DESCRIPTION

SAVED_MODEL, REQUEST, CALIBRATION = "saved_model", "request.json", "calibration.npz"
RESULT = "model.tflite"


def convert(folder: Path) -> None:
    """Converts what lies in the folder.

    Raises:
        ValueError: if the result would need operations that LiteRT doesn't have.
    """
    request = json.loads((folder / REQUEST).read_text())
    converter = tf.lite.TFLiteConverter.from_saved_model(
        str(folder / SAVED_MODEL), signature_keys=request["signatures"]
    )
    converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS]
    precision = request["precision"]
    if precision != "float32":
        converter.optimizations = [tf.lite.Optimize.DEFAULT]
    if precision == "float16":
        converter.target_spec.supported_types = [tf.float16]
    if precision == "int8":
        converter.target_spec.supported_ops = [tf.lite.OpsSet.TFLITE_BUILTINS_INT8]
        converter.representative_dataset = lambda: samples(
            folder / CALIBRATION, request["batch_size"] or 1
        )
    model = flatbuffer_utils.read_model_from_bytearray(bytearray(converter.convert()))
    check_operations(model)
    add_metadata(model, DESCRIPTION, request["metadata"])
    (folder / RESULT).write_bytes(flatbuffer_utils.convert_object_to_bytearray(model))


def samples(file: Path, batch_size: int) -> Iterator[tuple[str, dict[str, np.ndarray]]]:
    """Yields one batch of one signature after the other; the last begins anew where it is short."""
    arrays = np.load(file)
    for signature in sorted({name.partition("/")[0] for name in arrays.files}):
        inputs = {
            name.partition("/")[2]: arrays[name]
            for name in arrays.files
            if name.startswith(f"{signature}/")
        }
        for start in range(0, len(next(iter(inputs.values()))), batch_size):
            batch = range(start, start + batch_size)
            taken = {name: x.take(batch, axis=0, mode="wrap") for name, x in inputs.items()}
            yield signature, taken


def check_operations(model: Any) -> None:
    """Raises a ValueError if a model needs operations that aren't LiteRT's own."""
    foreign = [code.customCode.decode() for code in model.operatorCodes if code.customCode]
    if foreign:
        raise ValueError(
            "An exported model must run on LiteRT's builtin operations alone. "
            f"Received: a graph that needs {', '.join(foreign)}. Change the model's layers."
        )


def add_metadata(model: Any, name: str, text: str) -> None:
    """Puts a named text into a model, where `export.artifacts.artifact` reads it."""
    schema = flatbuffer_utils.schema_fb
    buffer = schema.BufferT()
    buffer.data = np.frombuffer(text.encode(), np.uint8)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = name, len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]


if __name__ == "__main__":
    convert(Path(sys.argv[1]))
