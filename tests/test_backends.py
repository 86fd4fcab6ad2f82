"""The library is backend-neutral: what TensorFlow predicts, the others predict too."""

import importlib.util
import json
import os
import subprocess
import sys

import numpy as np
import pytest
from keras import ops

from iprnn_tf import IPRNN, ConvRNN, STGRUCell

BATCH, TIME, HORIZON = 2, 3, 4

PROGRAM = """
import json, sys

import numpy as np
import keras
import iprnn_tf
from iprnn_tf import losses, metrics, scheduled_sampling, visualization

folder = sys.argv[1]
imported = sorted(sys.modules)
arrays = np.load(f"{folder}/arrays.npz")
context = arrays["context"]

model = iprnn_tf.IPRNN.from_config(json.load(open(f"{folder}/config.json")))
model.set_weights([arrays[f"weight_{i}"] for i in range(len(model.weights))])
loaded = keras.saving.load_model(f"{folder}/model.keras")
teacher = {"teacher": arrays["teacher"], "use_teacher": arrays["use_teacher"]}
results = {
    "rollout": model.rollout(context),
    "taught": model.rollout(context, return_warm_up=True, **teacher),
    "loaded": loaded.rollout(context),
    "predicted": model.predict(context, verbose=0),
    "masked": iprnn_tf.ConvRNN(model.cell)(arrays["features"], mask=arrays["mask"]),
}
results = {name: keras.ops.convert_to_numpy(frames) for name, frames in results.items()}
np.savez(f"{folder}/results.npz", **results)
print(json.dumps({"backend": keras.backend.backend(), "imported": imported}))
"""


def other_backend(name):
    missing = importlib.util.find_spec(name) is None
    return pytest.param(name, marks=pytest.mark.skipif(missing, reason=f"{name} is not installed"))


@pytest.fixture(scope="module", params=[other_backend("jax"), other_backend("torch")])
def answers(request, tmp_path_factory):
    """What this process and one with another backend make of the same weights and frames."""
    folder = tmp_path_factory.mktemp(request.param)
    cell = STGRUCell(4, kernel_size=3, use_bias=True, update_bias=0.5)
    model = IPRNN((11, 7, 2), cell, num_layers=2, horizon=HORIZON)
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(0, 0.3, w.shape).astype("float32") for w in model.weights])
    inputs = {
        "context": rng.uniform(size=(BATCH, TIME, 11, 7, 2)).astype("float32"),
        "teacher": rng.uniform(size=(BATCH, HORIZON - 1, 11, 7, 2)).astype("float32"),
        "use_teacher": np.array([[True, False, True], [False, True, True]]),
    }
    masked = {
        "features": rng.normal(size=(BATCH, TIME, 3, 2, 4)).astype("float32"),
        "mask": np.array([[True, False, True], [True, True, True]]),
    }
    weights = {f"weight_{index}": weight for index, weight in enumerate(model.get_weights())}
    np.savez(folder / "arrays.npz", **inputs, **masked, **weights)
    (folder / "config.json").write_text(json.dumps(model.get_config()))
    model.save(folder / "model.keras")

    process = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(folder)],
        env={**os.environ, "KERAS_BACKEND": request.param, "JAX_PLATFORMS": "cpu"},
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    report = json.loads(process.stdout.splitlines()[-1])
    assert report["backend"] == request.param
    ours = {
        "rollout": ops.convert_to_numpy(model.rollout(inputs["context"])),
        "taught": ops.convert_to_numpy(model.rollout(**inputs, return_warm_up=True)),
        "masked": ops.convert_to_numpy(
            ConvRNN(model.cell)(masked["features"], mask=masked["mask"])
        ),
    }
    return ours, dict(np.load(folder / "results.npz")), report["imported"]


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("rollout", "rollout"),
        ("taught", "taught"),
        ("loaded", "rollout"),
        ("predicted", "rollout"),
        ("masked", "masked"),
    ],
)
def test_two_backends_predict_the_same_frames(answers, theirs, ours):
    expected, received, _ = answers
    np.testing.assert_allclose(received[theirs], expected[ours], rtol=0, atol=1e-5)


def test_the_library_does_without_tensorflow(answers):
    _, _, imported = answers
    assert "iprnn_tf.models.iprnn" in imported
    assert "tensorflow" not in imported
