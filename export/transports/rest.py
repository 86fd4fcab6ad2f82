"""REST to TensorFlow Serving, with the standard library."""

from __future__ import annotations

import base64
import functools
import http.client
import json
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping
from typing import Any

import numpy as np

from export.transports.proxies import is_loopback, way_to
from export.transports.transport import (
    TIMEOUT,
    Arrays,
    ServedModel,
    Shape,
    Signature,
    answered,
    retried,
)

_HTTP = {
    400: "INVALID_ARGUMENT",
    404: "NOT_FOUND",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestTransport:
    """Speaks JSON over HTTP, where gRPC doesn't get through; messages are several times larger.

    The proxies of the environment (`http_proxy`, `https_proxy`, `no_proxy`) are used, but never
    on the way to this machine.

    Args:
        server: host:port, such as localhost:8501, or an address with http:// or https://.
        model: which model is asked for.
        timeout: seconds for a call, attempts and pauses together. A server that sends its
            answer in drops may take longer.
    """

    def __init__(
        self, server: str, model: ServedModel | None = None, timeout: float = TIMEOUT
    ) -> None:
        address = server if "://" in server else f"http://{server}"
        if not _is_address(address):
            raise ValueError(
                "A REST --server is host:port, http://... or https://... "
                f"Received: {server}. TensorFlow Serving's port is 8501."
            )
        parts = urllib.parse.urlsplit(address)
        host = parts.hostname or ""
        self._server, self._model = way_to(server, host, [parts.scheme]), model or ServedModel()
        self._timeout = timeout
        straight = [urllib.request.ProxyHandler({})] if is_loopback(host) else []
        self._opener = urllib.request.build_opener(*straight)
        self._path = address.rstrip("/") + _rest_path(self._model)

    def signatures(self) -> dict[str, Signature]:
        return self._known

    @functools.cached_property
    def _known(self) -> dict[str, Signature]:
        found = self._call("/metadata", "metadata")["signature_def"]["signature_def"]
        return {
            name: Signature(_json_shapes(item["inputs"]), _json_shapes(item["outputs"]))
            for name, item in found.items()
        }

    def predict(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        body = {"signature_name": signature, "inputs": inputs}
        outputs = self._call(":predict", "outputs", json.dumps(body, default=_plain).encode())
        if not isinstance(outputs, dict):  # The name of an only output is left out.
            [name] = self._known[signature].outputs
            outputs = {name: outputs}
        return {
            name: np.asarray(value, object if name.endswith("_bytes") else np.float32)
            for name, value in outputs.items()
        }

    def close(self) -> None:
        """Does nothing: every call has a connection of its own."""

    def _call(self, what: str, wanted: str, body: bytes | None = None) -> Any:
        request = urllib.request.Request(self._path + what, body)
        return retried(functools.partial(self._attempt, request, wanted), self._timeout)

    def _attempt(self, request: urllib.request.Request, wanted: str, seconds: float) -> Any:
        try:
            with self._opener.open(request, timeout=seconds) as reply:
                return json.load(reply, object_hook=_decoded)[wanted]
        except urllib.error.HTTPError as error:
            with error:
                answer = _HTTP.get(error.code, f"HTTP {error.code}"), _message(error)
            raise answered(*answer, self._server, self._model) from error
        except (OSError, http.client.HTTPException, ValueError, LookupError) as error:
            raise answered(*_trouble(error), self._server, self._model) from error


def _is_address(text: str) -> bool:
    try:
        parts = urllib.parse.urlsplit(text)
        host, port = parts.hostname or "", parts.port
    except ValueError:  # A port that is no number, say.
        return False
    named = bool(host) and not any(character.isspace() for character in host)
    return parts.scheme in ("http", "https") and named and port != 0


def _trouble(error: Exception) -> tuple[str, str]:
    """Returns the code gRPC would have for an exception of HTTP, and the message."""
    reason = error.reason if isinstance(error, urllib.error.URLError) else error
    if isinstance(reason, TimeoutError):
        return "DEADLINE_EXCEEDED", str(reason)
    if isinstance(reason, OSError):  # Refused, reset, no such host, or hung up without a word.
        return "UNAVAILABLE", str(reason)
    if isinstance(error, http.client.HTTPException):  # Its message may be any bytes.
        return "UNKNOWN", "an answer that is not HTTP, as the port of gRPC gives"
    return type(error).__name__, str(reason)


def _message(error: urllib.error.HTTPError) -> str:
    body = error.read()
    try:
        return str(json.loads(body)["error"])
    except (ValueError, LookupError, TypeError):  # A proxy's page, say.
        return f"{error.code} {error.reason}"


def _rest_path(model: ServedModel) -> str:
    path = f"/v1/models/{urllib.parse.quote(model.name, safe='')}"
    if model.version is not None:
        return f"{path}/versions/{model.version}"
    return f"{path}/labels/{urllib.parse.quote(model.label, safe='')}" if model.label else path


def _json_shapes(tensors: Mapping[str, Any]) -> dict[str, Shape]:
    sizes = {
        name: [int(dim["size"]) for dim in info["tensor_shape"]["dim"]]
        for name, info in tensors.items()
    }
    return {name: tuple(None if s < 0 else s for s in shape) for name, shape in sizes.items()}


def _plain(value: Any) -> Any:
    """Gives JSON what it lacks: arrays as lists, bytes as TensorFlow Serving writes them."""
    if isinstance(value, bytes):
        return {"b64": base64.b64encode(value).decode()}
    return value.tolist()


def _decoded(item: dict[str, Any]) -> Any:
    return base64.b64decode(item["b64"]) if item.keys() == {"b64"} else item
