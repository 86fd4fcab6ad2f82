"""Asks a running TensorFlow Serving for predictions, and draws them.

    python -m export.client --input=clip.gif --output=prediction.gif
    python -m export.client --server=host:8500 --input=frames/ --output=prediction.png --images
    python -m export.client --rest --input=array.npy --output=predictions.npy --batch_size=8
    python -m export.client --stream --horizon=30 --input=clip.gif --output=prediction.mp4

Frames must have the size that the model was exported for. Where the input is longer than the
model's context, its last frames are the context: what is predicted comes after the input.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from absl import flags

from export.inputs.frames import from_png, read_sequences, to_png
from export.transports.rest import RestTransport
from export.transports.transport import TIMEOUT, ServedModel, Shape, Signature, Transport
from programs import command_line
from programs.commands import look_further
from programs.console import console
from programs.media import check_drawable, check_files, write_predictions

OPEN_HORIZON = 10  # Of a stream, where the model doesn't tell its own.


class Client:
    """Predicts with a model that a server runs, as if it were here.

        with Client(GrpcTransport("localhost:8500")) as client:
            predictions = client.forecast(context)
            frame, states = client.prime(context)
            frame, states = client.step(frame, states)  # or the true frame, of a live video

    Args:
        transport: the way to the server, which has the address, the model and the timeout.

    Raises:
        ValueError: if frames don't fit the model, or the server refuses what it is asked.
        ConnectionError: if the server can't be reached, or failed.
        TimeoutError: if it didn't answer in time.
    """

    def __init__(self, transport: Transport) -> None:
        self._transport = transport
        self._signatures: dict[str, Signature] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Ends the connection."""
        self._transport.close()

    @property
    def context_shape(self) -> Shape:
        """(T, H, W, C) of a context, each an integer, or None for any."""
        return self._signature("forecast").inputs["context"][1:]

    @property
    def horizon(self) -> int | None:
        """K, how many frames `forecast` predicts, if the model tells."""
        return self._signature("forecast").outputs["predictions"][1]

    def forecast(self, context: np.ndarray) -> np.ndarray:
        """Predicts the frames after a context, in one request.

        Args:
            context: `(B, T, H, W, C)`, float in [0, 1].

        Returns:
            Predictions `(B, K, H, W, C)`; K is the exported horizon.
        """
        self._check(context, self.context_shape)
        return self._run("forecast", context=context.astype(np.float32))["predictions"]

    def forecast_images(self, context: np.ndarray) -> np.ndarray:
        """Predicts like `forecast`, but frames travel as PNG files: smaller, and in 8 bits."""
        self._signature("forecast_images")
        self._check(context, self.context_shape)
        files = np.empty(context.shape[:2], object)
        for index in np.ndindex(files.shape):
            files[index] = to_png(context[index])
        reply = self._run("forecast_images", context_bytes=files)["predictions_bytes"]
        return np.stack([[from_png(file, context.shape[-1]) for file in row] for row in reply])

    def prime(self, context: np.ndarray) -> tuple[np.ndarray, list[np.ndarray]]:
        """Shows the model a context `(B, T, H, W, C)`.

        Returns:
            The frame that follows, `(B, H, W, C)`, and the states to go on from.
        """
        self._check(context, self.context_shape)
        reply = self._run("prime", context=context.astype(np.float32))
        return reply["frame"], _in_order("state", reply)

    def step(
        self, frame: np.ndarray, states: Sequence[np.ndarray]
    ) -> tuple[np.ndarray, list[np.ndarray]]:
        """Predicts the frame after this one.

        Args:
            frame: `(B, H, W, C)`: the last prediction, or the true frame where it is known.
            states: what `prime` or the last `step` returned.

        Returns:
            The next frame and the states to go on from.
        """
        self._check(frame, self.context_shape[1:])
        named = {f"state_{index}": state for index, state in enumerate(states)}
        reply = self._run("step", frame=frame.astype(np.float32), **named)
        return reply["next_frame"], _in_order("next_state", reply)

    def stream(self, context: np.ndarray, horizon: int) -> Iterator[np.ndarray]:
        """Yields `horizon` frames `(B, H, W, C)` after a context, one by one, as they come."""
        frame, states = self.prime(context)
        yield frame
        for _ in range(horizon - 1):
            frame, states = self.step(frame, states)
            yield frame

    def _run(self, signature: str, **inputs: np.ndarray) -> dict[str, np.ndarray]:
        self._signature(signature)
        return self._transport.predict(signature, inputs)

    def _signature(self, name: str) -> Signature:
        self._signatures = self._signatures or self._transport.signatures()
        if name not in self._signatures:
            raise ValueError(
                f"The served model must have the signature `{name}`. Received: "
                f"{', '.join(sorted(self._signatures))}. Export it with export.saved_model; "
                "images are there for models of 1 or 3 channels."
            )
        return self._signatures[name]

    def _check(self, frames: np.ndarray, shape: Shape) -> None:
        """Compares with what the server says: before megabytes are sent, and in words."""
        if frames.dtype.kind != "f":  # As floats, bytes would be served without complaint.
            raise ValueError(
                f"Frames are float in [0, 1]. Received: {frames.dtype}. Divide bytes by 255."
            )
        given = frames.shape[1:]
        fits = len(given) == len(shape) and all(
            own in (None, side) for own, side in zip(shape, given, strict=True)
        )
        if not fits:
            wanted = ", ".join(str(side or "any") for side in shape)
            raise ValueError(
                f"The served model takes frames of shape (batch, {wanted}): "
                f"{_words(shape)}. Received: {frames.shape}: {_words(given)}. "
                "Resize or cut the frames, or export a model for these."
            )


def main(arguments: Sequence[str]) -> None:
    """Predicts as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    _check_flags(values)
    with Client(_transport(values)) as client:
        channels = client.context_shape[-1] or 1
        check_drawable(values.output, channels)
        frames = read_sequences(values.input, channels)
        context = _last(frames, client.context_shape[0], values.input)
        predictions = (_streamed if values.stream else _forecast)(client, context, values)
    write_predictions(values.output, context, predictions)
    whole = {"images": False} if values.images else {}  # Not for streams.
    console.conclude(
        f"{predictions.shape[1]} frames predicted after the last {context.shape[1]} of "
        f"{frames.shape[1]}, sequences: {len(frames)}.",
        values.output,
        look_further("export.client", values, predictions.shape[1], stream=True, **whole),
    )


def _define_flags(values: flags.FlagValues) -> None:
    define_string, define_bool = flags.DEFINE_string, flags.DEFINE_bool
    define_string(
        "server",
        None,
        "host:port, by default localhost:8500, or localhost:8501 with --rest.",
        flag_values=values,
    )
    define_string("input", None, "A video, .gif, array or folder of frames.", flag_values=values)
    define_string("output", None, "A .gif, .mp4, .png or .npy file.", flag_values=values)
    define_bool("rest", False, "Speak REST instead of gRPC.", flag_values=values)
    define_bool("stream", False, "Predict frame by frame.", flag_values=values)
    define_bool("images", False, "Send frames as PNG: small messages.", flag_values=values)
    define_string("model_name", "iprnn", "As the server calls it.", flag_values=values)
    flags.DEFINE_integer("version", None, "By default the latest.", 0, flag_values=values)
    define_string("label", None, "A version by its label, such as stable.", flag_values=values)
    flags.DEFINE_integer(
        "horizon",
        None,
        "Frames to predict with --stream, by default the model's.",
        lower_bound=1,
        flag_values=values,
    )
    flags.DEFINE_float("timeout", TIMEOUT, "Seconds for a request.", 0.001, flag_values=values)
    flags.DEFINE_integer(
        "batch_size", 8, "Sequences in a request.", lower_bound=1, flag_values=values
    )


def _check_flags(values: flags.FlagValues) -> None:
    """Refuses at once what would fail after a long wait, or go unheard."""
    check_files(values.input, values.output)
    if not Path(values.input).exists():
        raise ValueError(
            f"--input must be there. Received: {values.input}. docs/serving.md makes one of digits."
        )
    if values.stream and values.images:
        raise ValueError(
            "--images is for whole forecasts. Received: --stream and --images. Leave one out."
        )
    if values.horizon and not values.stream:
        raise ValueError(
            f"A forecast is as long as the model was exported for. Received: --horizon="
            f"{values.horizon}. Add --stream, or export another horizon."
        )


def _transport(values: flags.FlagValues) -> Transport:
    model = ServedModel(values.model_name, values.version, values.label)
    if values.rest:
        return RestTransport(values.server or "localhost:8501", model, values.timeout)
    try:
        from export.transports.grpc import GrpcTransport
    except ImportError as error:
        raise ValueError(
            "gRPC is spoken with tensorflow-serving-api. Received: an environment without it. "
            'Install it, pip install -e ".[serving]", or give --rest.'
        ) from error
    return GrpcTransport(values.server or "localhost:8500", model, values.timeout)


def _last(frames: np.ndarray, context_frames: int | None, source: str) -> np.ndarray:
    if context_frames is None:
        return frames
    if frames.shape[1] < context_frames:
        raise ValueError(
            f"The served model needs {context_frames} frames to start from. Received: "
            f"{frames.shape[1]} in {source}. Give more, or export with fewer context frames."
        )
    return frames[:, -context_frames:]


def _forecast(client: Client, context: np.ndarray, values: flags.FlagValues) -> np.ndarray:
    forecast = client.forecast_images if values.images else client.forecast
    predictions = []
    with console.progress("Asking", len(context), "sequences") as bar:
        for sequences in _batches(context, values.batch_size):
            predictions.append(forecast(sequences))
            bar.update(len(sequences))
    return np.concatenate(predictions)


def _streamed(client: Client, context: np.ndarray, values: flags.FlagValues) -> np.ndarray:
    horizon = values.horizon or client.horizon or OPEN_HORIZON
    predictions, start = [], time.perf_counter()
    with console.progress("Asking", len(context) * horizon, "frames") as bar:
        for sequences in _batches(context, values.batch_size):
            frames = []
            for frame in client.stream(sequences, horizon):
                frames.append(frame)
                bar.update(len(frame))
            predictions.append(np.stack(frames, axis=1))
    speed = len(context) * horizon / (time.perf_counter() - start)
    console.say(f"{speed:.1f} frames/second, the context included")
    return np.concatenate(predictions)


def _batches(context: np.ndarray, batch_size: int) -> Iterator[np.ndarray]:
    for start in range(0, len(context), batch_size):
        yield context[start : start + batch_size]


def _in_order(name: str, reply: dict[str, np.ndarray]) -> list[np.ndarray]:
    return [reply[f"{name}_{index}"] for index in range(len(reply) - 1)]  # One is the frame.


def _words(shape: Shape) -> str:
    """Says what people get wrong: the size of frames, and how many."""
    *time_steps, height, width, channels = (None, None, None, *shape)[-4:]
    count = f"{time_steps[0]} frames of " if time_steps[0] else ""
    return f"{count}{height or 'any'} x {width or 'any'} x {channels or 'any'}"


if __name__ == "__main__":
    command_line.run(main)
