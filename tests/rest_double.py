"""The REST half of the double of TensorFlow Serving's protocol; see `serving_double`."""

import base64
import contextlib
import json
import re
from http.server import BaseHTTPRequestHandler

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.framework import types_pb2

_HTTP = {
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.NOT_FOUND: 404,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DEADLINE_EXCEEDED: 504,
}
_PATH = re.compile(r"/v1/models/([^/:]+)(?:/versions/(\d+)|/labels/([^/:]+))?(:predict|/metadata)?")


class Refused(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


class Rest(BaseHTTPRequestHandler):
    def do_GET(self):
        self._answer(lambda what: self._metadata() if what else self._status())

    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(lambda _: self._predict(body))

    def log_message(self, *args):
        """Keeps the tests' output clean."""

    def _answer(self, respond):
        code, reply = 200, None
        try:
            found = _PATH.fullmatch(self.path)
            if not found:
                raise Refused(StatusCode.INVALID_ARGUMENT, f"Malformed request: {self.path}")
            name, version, label, what = found.groups()
            self.server.double.select(name, version and int(version), label)
            reply = respond(what)
        except Refused as refusal:
            code, reply = _HTTP.get(refusal.code, 500), {"error": str(refusal)}
        body = json.dumps(reply).encode()
        self.send_response(code)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        with contextlib.suppress(ConnectionError):  # The client may have given up.
            self.wfile.write(body)

    def _status(self):
        status = {"error_code": "OK", "error_message": ""}
        version = str(self.server.double.version)
        return {
            "model_version_status": [{"version": version, "state": "AVAILABLE", "status": status}]
        }

    def _metadata(self):
        signatures = {
            name: {"inputs": _described(item.inputs), "outputs": _described(item.outputs)}
            for name, item in self.server.double.signatures.items()
        }
        return {"metadata": {"signature_def": {"signature_def": signatures}}}

    def _predict(self, body):
        double, request = self.server.double, json.loads(body)
        name = request.get("signature_name", "serving_default")
        infos = double.signature(name).inputs
        by_row = "instances" in request
        inputs = _columns(request["instances"], infos) if by_row else request["inputs"]
        if not isinstance(inputs, dict):
            inputs = {next(iter(infos)): inputs}
        outputs = double.predict(name, {n: _array(v, infos, n) for n, v in inputs.items()})
        plain = {n: _json(value, n) for n, value in outputs.items()}
        if by_row:
            rows = [dict(zip(plain, row, strict=True)) for row in zip(*plain.values(), strict=True)]
            return {"predictions": rows if len(plain) > 1 else next(iter(plain.values()))}
        return {"outputs": plain if len(plain) > 1 else next(iter(plain.values()))}


def _described(infos):
    return {
        name: {
            "dtype": types_pb2.DataType.Name(info.dtype),
            "tensor_shape": {"dim": [{"size": str(d.size)} for d in info.tensor_shape.dim]},
            "name": info.name,
        }
        for name, info in infos.items()
    }


def _columns(rows, infos):
    named = isinstance(rows[0], dict) and rows[0].keys() != {"b64"}
    if not named:
        return {next(iter(infos)): rows}
    return {name: [row[name] for row in rows] for name in rows[0]}


def _array(value, infos, name):
    dtype = tf.as_dtype(infos[name].dtype) if name in infos else tf.float32
    try:
        return np.asarray(_decoded(value), dtype.as_numpy_dtype)
    except (TypeError, ValueError) as error:
        message = f"JSON Value of {name} is not of expected type: {dtype.name}"
        raise Refused(StatusCode.INVALID_ARGUMENT, message) from error


def _decoded(value):
    if isinstance(value, list):
        return [_decoded(item) for item in value]
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value


def _json(value, name):
    if isinstance(value, np.ndarray):
        return _json(value.tolist(), name)
    if isinstance(value, list):
        return [_json(item, name) for item in value]
    if not isinstance(value, bytes):
        return value
    return {"b64": base64.b64encode(value).decode()} if name.endswith("_bytes") else value.decode()
