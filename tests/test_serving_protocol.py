"""What a model answers to TensorFlow Serving's protocol, through a double of the server."""

import base64
import json
import shutil
import urllib.error
import urllib.request

import grpc
import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode
from serving_double import WARM_UP, Double
from tensorflow_serving.apis import (
    get_model_metadata_pb2,
    get_model_status_pb2,
    model_service_pb2_grpc,
    predict_pb2,
    prediction_service_pb2_grpc,
)

pytest_plugins = ["served_model"]
CONTEXT = np.random.default_rng(0).random((2, 3, 16, 24, 1), dtype=np.float32)


@pytest.fixture(name="channel")
def _channel(served):
    with grpc.insecure_channel(served.grpc) as channel:
        yield channel


@pytest.fixture(name="stub")
def _stub(channel):
    return prediction_service_pb2_grpc.PredictionServiceStub(channel)


def _request(signature="forecast", model="iprnn", version=None, label="", **inputs):
    request = predict_pb2.PredictRequest()
    request.model_spec.name, request.model_spec.signature_name = model, signature
    if version is not None:
        request.model_spec.version.value = version
    if label:
        request.model_spec.version_label = label
    for name, value in inputs.items():
        request.inputs[name].CopyFrom(tf.make_tensor_proto(value))
    return request


def _images(count, damage=b""):
    pixels = np.zeros((16, 24, 1), np.uint8)
    return np.full((count, 3), damage or tf.io.encode_png(pixels).numpy(), object)


def _refused(stub, request):
    with pytest.raises(grpc.RpcError) as caught:
        stub.Predict(request, timeout=60)
    return caught.value.code(), caught.value.details()


def _ask(served, path, body=None):
    request = urllib.request.Request(
        f"http://{served.rest}{path}", body and json.dumps(body).encode()
    )
    try:
        with urllib.request.urlopen(request, timeout=60) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)["error"]


def _predict(served, which="", **body):
    return _ask(served, f"/v1/models/iprnn{which}:predict", body)


@pytest.mark.parametrize("signature", ["forecast", "serving_default", "prime", ""])
def test_grpc_gives_what_the_loaded_model_gives_bit_for_bit(stub, loaded, signature):
    reply = stub.Predict(_request(signature, context=CONTEXT), timeout=60)
    expected = loaded[signature or "serving_default"](context=tf.constant(CONTEXT))
    assert set(reply.outputs) == set(expected)
    for name, value in expected.items():
        np.testing.assert_array_equal(tf.make_ndarray(reply.outputs[name]), value.numpy())


def test_rest_gives_the_same_by_row_and_by_column(served, loaded):
    expected = loaded["forecast"](context=tf.constant(CONTEXT))["predictions"]
    rows = CONTEXT.tolist()
    named_rows = [{"context": row} for row in rows]
    for body, answer in (
        ({"instances": rows}, "predictions"),
        ({"instances": named_rows}, "predictions"),
        ({"inputs": rows}, "outputs"),
        ({"inputs": {"context": rows}}, "outputs"),
    ):
        status, reply = _predict(served, signature_name="forecast", **body)
        assert status == 200
        np.testing.assert_array_equal(np.float32(reply[answer]), expected)


def test_rest_names_outputs_where_there_are_several(served):
    rows = CONTEXT.tolist()
    _, columns = _predict(served, signature_name="prime", inputs=rows)
    _, by_row = _predict(served, signature_name="prime", instances=rows)
    assert {"frame", "state_0"} <= set(columns["outputs"])
    for name, value in columns["outputs"].items():
        assert [row[name] for row in by_row["predictions"]] == value


def test_rest_carries_images_in_base64(served):
    file = {"b64": base64.b64encode(_images(1)[0, 0]).decode()}
    _, reply = _predict(served, signature_name="forecast_images", instances=[[file] * 3])
    png = base64.b64decode(reply["predictions"][0][2]["b64"])
    assert tf.io.decode_png(png).shape == (16, 24, 1)


@pytest.mark.parametrize(
    ("request_", "code", "message"),
    [
        (_request(model="other", context=CONTEXT), "NOT_FOUND", "Latest(other)"),
        (_request(version=7, context=CONTEXT), "NOT_FOUND", "Specific(iprnn, 7)"),
        (_request(label="x", context=CONTEXT), "INVALID_ARGUMENT", "version label: x"),
        (_request("train", context=CONTEXT), "FAILED_PRECONDITION", '"train" not found'),
        (_request(), "INVALID_ARGUMENT", "Missing but required: {'context'}"),
        (_request(context=CONTEXT, other=CONTEXT), "INVALID_ARGUMENT", "Sent extra: {'other'}"),
        (_request(context=CONTEXT.astype("float64")), "INVALID_ARGUMENT", "context"),
        (_request(context=CONTEXT[:, :2]), "INVALID_ARGUMENT", "`context`"),
        (_request(context=CONTEXT[:, :, :8]), "INVALID_ARGUMENT", "`context`"),
        (_request(context=CONTEXT[0]), "INVALID_ARGUMENT", "`context`"),
        (_request("forecast_images", context_bytes=_images(2)[:, :2]), "INVALID_ARGUMENT", "bytes"),
        (
            _request("forecast_images", context_bytes=_images(2, b"GIF89a")),
            "INVALID_ARGUMENT",
            "context_bytes",
        ),
    ],
)
def test_a_wrong_request_is_answered_with_its_code_and_its_argument(stub, request_, code, message):
    answer, details = _refused(stub, request_)
    assert answer is StatusCode[code]
    assert message in details


@pytest.mark.parametrize(
    ("which", "body", "status"),
    [
        ("", {"inputs": CONTEXT[:, :2].tolist()}, 400),
        ("", {"inputs": [["no number"]]}, 400),
        ("", {"inputs": CONTEXT.tolist(), "signature_name": "train"}, 400),
        ("/labels/x", {"inputs": CONTEXT.tolist()}, 400),
        ("/versions/7", {"inputs": CONTEXT.tolist()}, 404),
        ("/versions/1", {"inputs": CONTEXT.tolist()}, 200),
        ("/labels/stable", {"inputs": CONTEXT.tolist()}, 200),
    ],
)
def test_rest_answers_with_the_status_of_http(served, which, body, status):
    assert _predict(served, which, **body)[0] == status


def test_the_server_tells_shapes_and_status_both_ways(served, channel, stub):
    request = get_model_metadata_pb2.GetModelMetadataRequest(metadata_field=["signature_def"])
    request.model_spec.name = "iprnn"
    found = get_model_metadata_pb2.SignatureDefMap()
    stub.GetModelMetadata(request, timeout=60).metadata["signature_def"].Unpack(found)
    dims = found.signature_def["forecast"].inputs["context"].tensor_shape.dim
    assert [dim.size for dim in dims] == [-1, 3, 16, 24, 1]

    _, reply = _ask(served, "/v1/models/iprnn/metadata")
    described = reply["metadata"]["signature_def"]["signature_def"]["forecast"]["inputs"]["context"]
    sizes = [dim["size"] for dim in described["tensor_shape"]["dim"]]
    assert sizes == ["-1", "3", "16", "24", "1"]

    status = get_model_status_pb2.GetModelStatusRequest(model_spec=request.model_spec)
    models = model_service_pb2_grpc.ModelServiceStub(channel)
    assert models.GetModelStatus(status, timeout=60).model_version_status[0].version == 1
    _, reply = _ask(served, "/v1/models/iprnn")
    assert reply["model_version_status"][0]["state"] == "AVAILABLE"


def test_warm_up_requests_are_replayed_before_anything_is_served(served, exported, tmp_path):
    assert served.warmed_up > 0
    shutil.copytree(exported, tmp_path, dirs_exist_ok=True)
    (tmp_path / "1" / WARM_UP).unlink()
    cold = Double(tmp_path)
    assert cold.warmed_up == cold.requests == 0
    cold.session.close()


def test_a_thousand_requests_at_once_are_all_answered_each_as_it_deserves(stub, loaded):
    contexts = np.random.default_rng(1).random((100, 1, 3, 16, 24, 1), dtype=np.float32)
    expected = [
        loaded["forecast"](context=tf.constant(context))["predictions"].numpy()
        for context in contexts
    ]
    bad = [
        _request(context=CONTEXT[:, :, :, :8]),
        _request(context=CONTEXT.astype("float64")),
        _request("forecast_images", context_bytes=_images(1, b"\x89PNG\r\n\x1a\n and no more")),
    ]
    good = [_request(context=context) for context in contexts]
    calls = [
        stub.Predict.future(bad[i // 10 % 3] if i % 10 == 9 else good[i % 100], timeout=120)
        for i in range(1000)
    ]
    for i, call in enumerate(calls):
        if i % 10 == 9:
            assert call.code() is StatusCode.INVALID_ARGUMENT
        else:
            predictions = tf.make_ndarray(call.result().outputs["predictions"])
            np.testing.assert_array_equal(predictions, expected[i % 100])
