"""gRPC to TensorFlow Serving, with its own stubs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    model_pb2,
    predict_pb2,
    prediction_service_pb2_grpc,
)

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

_CHANNEL = [
    # A client takes 4 MB by default, which a few predictions exceed.
    ("grpc.max_receive_message_length", -1),
    ("grpc.max_send_message_length", -1),
    # Else the channel stays down for a second or more, and every attempt with it.
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
]


class GrpcTransport:
    """Speaks gRPC: small messages, exact floats.

    The proxies of the environment (`grpc_proxy`, else `https_proxy`, else `http_proxy`) are used,
    but never on the way to this machine.

    Args:
        server: host:port, such as localhost:8500.
        model: which model is asked for.
        timeout: seconds for a call, attempts and pauses together.
    """

    def __init__(
        self, server: str, model: ServedModel | None = None, timeout: float = TIMEOUT
    ) -> None:
        if "://" in server or ":" not in server:
            raise ValueError(
                f"A gRPC --server is host:port. Received: {server}. Write localhost:8500, say, or "
                "use --rest."
            )
        host = server.rpartition(":")[0].strip("[]")
        self._server = way_to(server, host, ["grpc", "https", "http"])
        self._model, self._timeout = model or ServedModel(), timeout
        proxies = ("grpc.enable_http_proxy", 0 if is_loopback(host) else 1)
        self._channel = grpc.insecure_channel(server, options=[*_CHANNEL, proxies])
        self._stub = prediction_service_pb2_grpc.PredictionServiceStub(self._channel)

    def signatures(self) -> dict[str, Signature]:
        request = get_model_metadata_pb2.GetModelMetadataRequest(
            model_spec=self._spec(), metadata_field=["signature_def"]
        )
        reply = self._call(self._stub.GetModelMetadata, request)
        found = get_model_metadata_pb2.SignatureDefMap()
        reply.metadata["signature_def"].Unpack(found)
        return {
            name: Signature(_shapes(definition.inputs), _shapes(definition.outputs))
            for name, definition in found.signature_def.items()
        }

    def predict(self, signature: str, inputs: Arrays) -> dict[str, np.ndarray]:
        request = predict_pb2.PredictRequest(
            model_spec=self._spec(signature),
            inputs={name: tf.make_tensor_proto(value) for name, value in inputs.items()},
        )
        reply = self._call(self._stub.Predict, request)
        return {name: tf.make_ndarray(value) for name, value in reply.outputs.items()}

    def close(self) -> None:
        self._channel.close()

    def _spec(self, signature: str = "") -> model_pb2.ModelSpec:
        model = self._model
        spec = model_pb2.ModelSpec(name=model.name, signature_name=signature)
        if model.version is not None:
            spec.version.value = model.version
        if model.label:
            spec.version_label = model.label
        return spec

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        def attempt(seconds: float) -> Any:
            try:
                return method(request, timeout=seconds)
            except grpc.RpcError as error:
                answer = error.code().name, error.details() or ""
                raise answered(*answer, self._server, self._model) from error

        return retried(attempt, self._timeout)


def _shapes(tensors: Mapping[str, Any]) -> dict[str, Shape]:
    return {
        name: tuple(None if dim.size < 0 else dim.size for dim in info.tensor_shape.dim)
        for name, info in tensors.items()
    }
