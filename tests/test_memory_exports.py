"""Every memory and every kind of model leaves Keras: as a LiteRT file, and as ONNX."""

import numpy as np
import pytest
from tiny_models import HORIZON, IMAGE_SHAPE, TIME, contexts, randomized, write_run

from export import onnx
from export.artifacts.artifact import open_artifact
from export.inputs.source import Source
from export.tflite import save_tflite
from iprnn_tf import IPRNN
from iprnn_tf.cells import (
    CELLS,
    BijectiveGRUCell,
    CausalLSTMCell,
    ConvLSTMCell,
    E3DLSTMCell,
    ReversiblePredictiveCell,
    STGRUCell,
)
from iprnn_tf.models import CrevNet, FoldedRNN, PatchRNN, VideoPixelNetwork

pytestmark = pytest.mark.slow
OPTIONS = {"num_layers": 2, "horizon": HORIZON}
MODELS = {
    **{
        name: lambda cell=cell: IPRNN(IMAGE_SHAPE, cell(filters=4), num_downsamplings=1, **OPTIONS)
        for name, cell in CELLS.items()
    },
    "conv_lstm_with_peepholes": lambda: IPRNN(
        IMAGE_SHAPE, ConvLSTMCell(4, peepholes=True), num_downsamplings=1, **OPTIONS
    ),
    "iprnn_with_pytorch_padding": lambda: IPRNN(
        IMAGE_SHAPE, STGRUCell(4), pytorch_padding=True, **OPTIONS
    ),
    "patch_rnn": lambda: PatchRNN(IMAGE_SHAPE, CausalLSTMCell(4), **OPTIONS),
    "patch_rnn_of_clips": lambda: PatchRNN(
        IMAGE_SHAPE, E3DLSTMCell(4, clips=True, history=2), **OPTIONS
    ),
    "crevnet": lambda: CrevNet(
        IMAGE_SHAPE, ReversiblePredictiveCell(16, 3, clips=True), blocks=[1, 1], **OPTIONS
    ),
    "folded_rnn": lambda: FoldedRNN(
        IMAGE_SHAPE, BijectiveGRUCell(4), num_downsamplings=2, **OPTIONS
    ),
    "vpn": lambda: VideoPixelNetwork(
        (7, 9, 1), ConvLSTMCell(4, 3), 1, blocks=[1, 1], levels=4, horizon=HORIZON
    ),
}


@pytest.fixture(name="model", params=MODELS)
def _model(request):
    return randomized(MODELS[request.param]())


def test_a_litert_file_predicts_what_the_model_predicts(model, tmp_path):
    file = tmp_path / "model.tflite"
    save_tflite(Source("model", model, TIME, {}, {}), file)
    artifact = open_artifact(file)
    context = contexts(1, image_shape=model.image_shape)
    expected = model.predict(context, verbose=0)
    np.testing.assert_allclose(artifact.forecast(context), expected, atol=1e-4)
    np.testing.assert_allclose(artifact.stream(context), expected, atol=1e-4)


def test_onnx_files_predict_what_the_model_predicts(model, tmp_path):
    pytest.importorskip("tf2onnx")
    run = write_run(tmp_path / "run", model, context_frames=TIME)
    onnx.main([f"--model={run}", f"--output={tmp_path / 'onnx'}"])
    artifact = open_artifact(tmp_path / "onnx")
    context = contexts(2, image_shape=model.image_shape)
    expected = model.predict(context, verbose=0)
    np.testing.assert_allclose(artifact.forecast(context), expected, atol=1e-4)
