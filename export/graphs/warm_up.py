"""Requests that a server replays before it takes a version into service."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from export.graphs.signatures import Signatures

FILE = "tf_serving_warmup_requests"  # In `assets.extra`: the name TF Serving looks for.
MODEL_NAME = "iprnn"  # A server replays the requests on the model they lie in, whatever its name.
OPEN_SIDE, OPEN_TIME = 64, 10  # Where a model leaves them open.


def requests(signatures: Signatures, batch_sizes: Sequence[int]) -> list[bytes]:
    """Returns a request for each signature and batch size, as a server's file has them.

    Args:
        signatures: of the model.
        batch_sizes: those that the server batches to; with none there are no requests.

    Raises:
        ValueError: if the stubs of TF Serving aren't installed.
    """
    if not batch_sizes:
        return []
    try:
        from tensorflow_serving.apis import prediction_log_pb2
    except ImportError as error:
        raise ValueError(
            "Warm-up requests are written with tensorflow-serving-api. Received: an environment "
            'without it. Install it, pip install -e ".[serving]", or give --warm_up= for none.'
        ) from error
    records = []
    for batch_size in batch_sizes:
        for name, inputs in black_inputs(signatures, batch_size).items():
            log = prediction_log_pb2.PredictionLog()
            request = log.predict_log.request
            request.model_spec.name = MODEL_NAME
            request.model_spec.signature_name = name
            for argument, value in inputs.items():
                request.inputs[argument].CopyFrom(tf.make_tensor_proto(value))
            records.append(log.SerializeToString())
    return records


def write(folder: Path, records: Sequence[bytes]) -> None:
    """Writes requests, if there are any, to the folder `assets.extra` of a SavedModel."""
    if records:
        with tf.io.TFRecordWriter(str(folder / FILE)) as file:
            for record in records:
                file.write(record)


def black_inputs(signatures: Signatures, batch_size: int) -> dict[str, dict[str, Any]]:
    """Returns inputs of every signature, by name: black frames, as a server may receive them."""
    height, width, channels = signatures.model.image_shape
    size = (height or OPEN_SIDE, width or OPEN_SIDE)
    time = signatures.context_frames or OPEN_TIME
    frame = np.zeros((batch_size, *size, channels), np.float32)
    context = np.repeat(frame[:, None], time, axis=1)
    states = signatures.model.initial_states(batch_size, image_size=size)
    step = {
        "frame": frame,
        **dict(zip(signatures.state_names, map(np.asarray, states), strict=True)),
    }
    inputs: dict[str, dict[str, Any]] = {
        "serving_default": {"context": context},
        "forecast": {"context": context},
        "prime": {"context": context},
        "step": step,
    }
    if signatures.takes_images:
        file = tf.io.encode_png(np.zeros((*size, channels), np.uint8)).numpy()
        inputs["forecast_images"] = {"context_bytes": np.full((batch_size, time), file, object)}
    return inputs
