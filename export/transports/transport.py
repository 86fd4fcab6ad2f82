"""What a client needs of the way to a server, whether gRPC or REST: see the modules of each.

Both answer the same calls with the same arrays and the same exceptions, so that a client
doesn't know which it has.
"""

from __future__ import annotations

import dataclasses
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, Protocol

import numpy as np

ATTEMPTS, FIRST_PAUSE = 5, 0.1  # Pauses double: a server has about 1.5 s to come back.
TIMEOUT = 60.0

Arrays = Mapping[str, np.ndarray]
Shape = tuple[int | None, ...]

_ASKED_WRONGLY = ("INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "OUT_OF_RANGE")


@dataclasses.dataclass(frozen=True)
class ServedModel:
    """Which model a server is asked for: its latest version, one by number or one by label."""

    name: str = "iprnn"
    version: int | None = None
    label: str | None = None

    def __post_init__(self) -> None:
        if self.version is not None and self.label:
            raise ValueError(
                "A model is asked for by --version or --label. Received: both, "
                f"{self.version} and {self.label}. Leave one out."
            )

    def __str__(self) -> str:
        version = "the latest version" if self.version is None else f"version {self.version}"
        return f"{self.name} ({f'label {self.label}' if self.label else version})"


@dataclasses.dataclass(frozen=True)
class Signature:
    """Names and shapes of what a signature takes and returns; None is any length."""

    inputs: Mapping[str, Shape]
    outputs: Mapping[str, Shape]


class Transport(Protocol):
    """What a client needs of the way to a server.

    Every call ends within its timeout, attempts and pauses together. Only what a server refuses
    because it isn't there just now is asked again.

    Raises:
        ValueError: if the server doesn't take what it was asked.
        ConnectionError: if it can't be reached, or failed.
        TimeoutError: if it didn't answer in time.
    """

    def signatures(self) -> dict[str, Signature]:
        """Asks the server what the model takes and returns."""

    def predict(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        """Runs a signature; strings are object arrays of bytes."""

    def close(self) -> None:
        """Ends the connection."""


class Unavailable(ConnectionError):
    """The server isn't there just now: asking again may help."""


def retried(attempt: Callable[[float], Any], timeout: float) -> Any:
    """Asks until the server is there, at growing intervals that no two clients share.

    Args:
        attempt: asks once, within the seconds it is given.
        timeout: seconds for all attempts and the pauses between them.

    Raises:
        Unavailable: if the server wasn't there in time.
    """
    end = time.monotonic() + timeout

    def left() -> float:
        return max(end - time.monotonic(), 0.001)  # A pause may last longer than it should.

    for pause in (FIRST_PAUSE * 2**count for count in range(ATTEMPTS - 1)):
        try:
            return attempt(left())
        except Unavailable:
            jittered = pause * random.uniform(0.5, 1.0)
            if jittered >= left():
                raise
        time.sleep(jittered)
    return attempt(left())


def answered(code: str, message: str, server: str, model: ServedModel) -> Exception:
    """Returns what to raise where a server answered with an error."""
    message = " ".join(message.split()).rstrip(".") or "no reason given"
    if code == "DEADLINE_EXCEEDED":
        return TimeoutError(
            f"A request must be answered in time, and {server} didn't. Received: {message}. "
            "Give a longer --timeout or a smaller --batch_size."
        )
    if code == "UNAVAILABLE":
        return Unavailable(
            f"A server must be listening at {server}. Received: {message}. "
            "Check --server and that the server runs; --rest has another port."
        )
    if code not in _ASKED_WRONGLY:
        return ConnectionError(f"{server} failed with {code}: {message}. See the server's log.")
    if code == "NOT_FOUND" or "version label" in message:
        return ValueError(
            f"The server must have the model that is asked for. Received: {model} at {server}: "
            f"{message}. Check --model_name, --version and --label."
        )
    return ValueError(
        f"A request must be what the model takes; it was refused ({code}). Received: {message}. "
        "See the model's signatures: GET /v1/models/NAME/metadata."
    )
