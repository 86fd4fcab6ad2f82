"""OpenVINO reads the SavedModel as it is."""

import numpy as np
import pytest
import tensorflow as tf

pytest_plugins = ["served_model"]
pytestmark = pytest.mark.slow
openvino = pytest.importorskip("openvino")


@pytest.mark.parametrize("batch_size", [1, 3])
def test_openvino_predicts_what_tensorflow_does(exported, loaded, batch_size):
    context = np.random.default_rng(0).random((batch_size, 3, 16, 24, 1), "float32")
    model = openvino.convert_model(str(exported / "1"))
    # By default it may compute in the half precision of newer processors.
    compiled = openvino.compile_model(model, "CPU", {"INFERENCE_PRECISION_HINT": "f32"})
    [predictions] = compiled([context]).values()
    expected = loaded["forecast"](context=tf.constant(context))["predictions"]
    np.testing.assert_allclose(predictions, expected, atol=1e-5)
