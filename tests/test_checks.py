"""What a served graph says to inputs that don't fit, whatever language the client is written in."""

import numpy as np
import pytest
import tensorflow as tf
from grpc import StatusCode
from rest_double import Refused
from serving_double import Double
from tiny_models import contexts, tiny

from export.inputs.source import Source
from export.saved_model import save_model

pytest_plugins = ["exported_models"]


@pytest.fixture(scope="module", name="double")
def _double(saved_model):
    """The SavedModel in a session that checks no shapes, as in a server."""
    double = Double(saved_model.parent)
    yield double
    double.session.close()


def png(height=36, width=40):
    return tf.io.encode_png(np.zeros((height, width, 1), np.uint8)).numpy()


def images(*row):
    return {"context_bytes": np.array([row], object)}


def step(frame=(1, 36, 40, 1), state_0=(1, 18, 20, 4), state_1=(1, 18, 20, 4)):
    shapes = {"frame": frame, "state_0": state_0, "state_1": state_1}
    return {name: np.zeros(shape, np.float32) for name, shape in shapes.items()}


@pytest.mark.parametrize(
    ("signature", "inputs", "message"),
    [
        ("forecast", {"context": contexts()[0]}, "`context` must have shape (any, 3, 36, 40, 1)"),
        ("serving_default", {"context": contexts()[..., 0]}, "`context` must have shape"),
        ("forecast", {"context": contexts(time=2)}, "[2 2 36 40 1]"),
        ("prime", {"context": contexts()[:, :0]}, "`context` must have shape"),
        ("prime", {"context": contexts()[:0]}, "`context` must have shape (any"),
        ("forecast", {"context": contexts().swapaxes(2, 3)}, "`context` must have shape"),
        ("prime", {"context": contexts().repeat(3, -1)}, "`context` must have shape"),
        ("step", step(frame=(1, 40, 36, 1)), "`frame` must have shape (any, 36, 40, 1)"),
        ("step", step(state_0=(1, 20, 18, 4)), "`state_0` must have shape (any, 18, 20, 4)"),
        ("step", step(state_1=(18, 20, 4)), "`state_1` must have shape"),
        ("step", step(state_1=(2, 18, 20, 4)), "`state_1` must fit `frame`"),
        ("step", step(frame=(2, 36, 40, 1)), "`state_0` must fit `frame`"),
        ("forecast_images", images(png(), png()), "`context_bytes` must have shape (any, 3)"),
        ("forecast_images", {"context_bytes": np.array([], object)}, "`context_bytes` must have"),
        ("forecast_images", images(png(), b"", png()), "another kind at index] [1]"),
        ("forecast_images", images(png(), png(), b"GIF89a"), "must hold PNG or JPEG files"),
        ("forecast_images", images(png(), png()[:40], png()), "context_bytes_holds_a_damaged"),
        ("forecast_images", images(*[b"\xff\xd8\xff\xe0 no more"] * 3), "context_bytes_holds_a"),
        ("forecast_images", images(png(), png(40, 36), png()), "`context_bytes` must hold images"),
        ("forecast_images", images(*[png(8, 8)] * 3), "[36 40] [Received: one of] [8 8]"),
    ],
)
def test_a_wrong_input_is_named_by_the_graph(double, signature, inputs, message):
    with pytest.raises(Refused) as error:
        double.predict(signature, inputs)
    assert error.value.code is StatusCode.INVALID_ARGUMENT
    assert message in str(error.value)


def test_a_wrong_input_is_named_where_the_model_leaves_sizes_open(tmp_path):
    save_model(Source("", tiny((None, None, 1)), None, {}, {}), tmp_path)
    double = Double(tmp_path)
    for signature, inputs, message in [
        ("forecast", {"context": contexts()[:, :0]}, "`context` must have shape (any, any, any"),
        ("forecast", {"context": contexts()[:, :, :0]}, "`context` must have shape"),
        ("step", step(frame=(1, 16, 40, 1)), "`state_0` must fit `frame`"),
        ("forecast_images", {"context_bytes": np.zeros((1, 0), object)}, "`context_bytes`"),
        ("forecast_images", images(png(8, 8), png()), "images of one height and width"),
    ]:
        with pytest.raises(Refused) as error:
            double.predict(signature, inputs)
        assert error.value.code is StatusCode.INVALID_ARGUMENT
        assert message in str(error.value)
    double.session.close()
