"""A double of TensorFlow Serving's protocol. It is NOT TensorFlow Serving, only its manners.

It loads the highest version of a model into a session, as the server's own loader does, and
answers gRPC and REST on free ports of this process. Error codes and messages are those of
TensorFlow Serving's source: an unknown label is INVALID_ARGUMENT, an unknown signature
FAILED_PRECONDITION. There is no batching, and one version of one model.
"""

import contextlib
import threading
from concurrent import futures
from http.server import ThreadingHTTPServer
from pathlib import Path

import grpc
import tensorflow as tf
from grpc import StatusCode
from rest_double import Refused, Rest
from tensorflow.core.protobuf import saved_model_pb2
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_log_pb2,
    prediction_service_pb2_grpc,
)

WARM_UP = Path("assets.extra") / "tf_serving_warmup_requests"
_STATUS = {code.value[0]: code for code in StatusCode}
_UNLIMITED = [("grpc.max_receive_message_length", -1), ("grpc.max_send_message_length", -1)]


class Double:
    """One loaded model, under one name, with labels for its version."""

    def __init__(self, base, name="iprnn", labels=()):
        self.name, self.labels = name, labels
        self.version = max(int(folder.name) for folder in Path(base).iterdir())
        folder = Path(base) / str(self.version)
        saved = saved_model_pb2.SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        self.signatures = saved.meta_graphs[0].signature_def
        self.session, self.feeds = _load(folder, self.signatures)
        self.troubles = []  # Codes to answer with, before any request is served.
        self.open = threading.Event()  # Requests wait until it is set.
        self.open.set()
        self.requests = 0
        self.warmed_up = self._warm_up(folder / WARM_UP)

    def select(self, name, version=None, label=None):
        if name != self.name or version not in (None, self.version):
            wanted = f"Latest({name})" if version is None else f"Specific({name}, {version})"
            raise Refused(StatusCode.NOT_FOUND, f"Servable not found for request: {wanted}")
        if label and label not in self.labels:
            message = f"Unrecognized servable version label: {label}"
            raise Refused(StatusCode.INVALID_ARGUMENT, message)

    def predict(self, signature_name, inputs):
        self.requests += 1
        self.open.wait()
        if self.troubles:
            raise Refused(self.troubles.pop(0), "the double was told to")
        signature_name = signature_name or "serving_default"
        signature = self.signature(signature_name)
        self._check(signature, inputs)
        feeds = [self.feeds[signature.inputs[name].name] for name in inputs]
        fetches = {name: info.name for name, info in signature.outputs.items()}
        try:
            return self.session.make_callable(fetches, feed_list=feeds)(*inputs.values())
        except tf.errors.OpError as error:
            raise Refused(_STATUS[error.error_code], error.message) from error

    def signature(self, name):
        if name not in self.signatures:
            message = f'Serving signature key "{name}" not found.'
            raise Refused(StatusCode.FAILED_PRECONDITION, message)
        return self.signatures[name]

    def _check(self, signature, inputs):
        extra, missing = set(inputs) - set(signature.inputs), set(signature.inputs) - set(inputs)
        if extra or missing:
            message = f"Sent extra: {extra or {}}. Missing but required: {missing or {}}."
            message = f"input size does not match signature. {message}"
            raise Refused(StatusCode.INVALID_ARGUMENT, message)
        for name, value in inputs.items():
            dtype = tf.as_dtype(signature.inputs[name].dtype)
            if tf.as_dtype(value.dtype) != dtype:
                message = f"Expects {name} to be {dtype.name} but {value.dtype} is provided"
                raise Refused(StatusCode.INVALID_ARGUMENT, message)

    def _warm_up(self, path):
        records = list(tf.data.TFRecordDataset(str(path))) if path.exists() else []
        for record in records:
            log = prediction_log_pb2.PredictionLog.FromString(record.numpy())
            request = log.predict_log.request
            self.predict(request.model_spec.signature_name, _arrays(request))
        return len(records)


def _load(folder, signatures):
    """Loads a model so that any shape can be fed: the server checks none, only the graph does."""
    with tf.Graph().as_default() as graph:
        infos = [info for signature in signatures.values() for info in signature.inputs.values()]
        feeds = {info.name: tf.compat.v1.placeholder(info.dtype) for info in infos}
        session = tf.compat.v1.Session(graph=graph)
        tf.compat.v1.saved_model.load(session, ["serve"], str(folder), input_map=feeds)
    return session, feeds


def _arrays(request):
    return {name: tf.make_ndarray(value) for name, value in request.inputs.items()}


class _Grpc(
    prediction_service_pb2_grpc.PredictionServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    def __init__(self, double):
        self.double = double

    def Predict(self, request, context):
        with self._selected(request, context):
            outputs = self.double.predict(request.model_spec.signature_name, _arrays(request))
            reply = predict_pb2.PredictResponse(model_spec=request.model_spec)
            for name, value in outputs.items():
                reply.outputs[name].CopyFrom(tf.make_tensor_proto(value))
            return reply

    def GetModelMetadata(self, request, context):
        with self._selected(request, context):
            found = get_model_metadata_pb2.SignatureDefMap(signature_def=self.double.signatures)
            reply = get_model_metadata_pb2.GetModelMetadataResponse(model_spec=request.model_spec)
            reply.metadata["signature_def"].Pack(found)
            return reply

    def GetModelStatus(self, request, context):
        with self._selected(request, context):
            status = get_model_status_pb2.ModelVersionStatus(
                version=self.double.version, state="AVAILABLE"
            )
            return get_model_status_pb2.GetModelStatusResponse(model_version_status=[status])

    @contextlib.contextmanager
    def _selected(self, request, context):
        spec = request.model_spec
        version = spec.version.value if spec.HasField("version") else None
        try:
            self.double.select(spec.name, version, spec.version_label)
            yield
        except Refused as refusal:
            context.abort(refusal.code, str(refusal))


@contextlib.contextmanager
def serving(base, **kwargs):
    """Serves `<base>/<highest version>`; gives the double with its two addresses."""
    double = Double(base, **kwargs)
    rpc = grpc.server(futures.ThreadPoolExecutor(8), options=_UNLIMITED)
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Grpc(double), rpc)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(_Grpc(double), rpc)
    double.grpc = f"127.0.0.1:{rpc.add_insecure_port('127.0.0.1:0')}"
    rpc.start()
    web = ThreadingHTTPServer(("127.0.0.1", 0), Rest)
    web.double, double.rest = double, f"127.0.0.1:{web.server_port}"
    thread = threading.Thread(target=web.serve_forever, args=[0.01])
    thread.start()
    try:
        yield double
    finally:
        double.open.set()
        rpc.stop(grace=None).wait()
        web.shutdown()
        thread.join()
        web.server_close()
        double.session.close()
