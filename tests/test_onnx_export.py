"""ONNX files: what is in them, and that they predict what their model predicts."""

import json
import math

import numpy as np
import pytest
from tiny_models import HORIZON, IMAGE_SHAPE, TIME, contexts

from export import onnx
from export.artifacts import parity
from export.artifacts.artifact import ONNX_METADATA, open_artifact
from programs.command_line import Failure

pytest.importorskip("tf2onnx")
onnxruntime = pytest.importorskip("onnxruntime")
pytest_plugins = ["exported_models"]


@pytest.fixture(name="folder")
def _folder(onnx_folder):
    return onnx_folder


def session(folder, name):
    return onnxruntime.InferenceSession(folder / f"{name}.onnx", providers=["CPUExecutionProvider"])


@pytest.mark.parametrize("batch", [1, 3])
def test_a_forecast_is_the_models_for_any_batch(folder, tiny_source, batch):
    context = contexts(batch)
    [predictions] = session(folder, "forecast").run(["predictions"], {"context": context})
    assert predictions.shape == (batch, HORIZON, *IMAGE_SHAPE)
    expected = tiny_source.model.predict(context, verbose=0)
    np.testing.assert_allclose(predictions, expected, atol=1e-5)


def test_prime_and_step_stream_what_a_forecast_predicts(folder):
    artifact = open_artifact(folder)
    np.testing.assert_allclose(
        artifact.stream(contexts(3)), artifact.forecast(contexts(3)), atol=1e-5
    )


def test_each_signature_is_a_file_with_the_names_of_the_contract(folder):
    states = ["state_0", "state_1"]
    expected = {
        "forecast": (["context"], ["predictions"]),
        "prime": (["context"], ["frame", *states]),
        "step": (["frame", *states], ["next_frame", *(f"next_{name}" for name in states)]),
    }
    assert sorted(file.name for file in folder.iterdir()) == [f"{name}.onnx" for name in expected]
    for name, (inputs, outputs) in expected.items():
        one = session(folder, name)
        assert sorted(entry.name for entry in one.get_inputs()) == inputs
        assert sorted(entry.name for entry in one.get_outputs()) == sorted(outputs)
        assert {entry.type for entry in one.get_inputs()} == {"tensor(float)"}


def test_the_batch_is_open_and_the_rest_is_set(folder):
    [context] = session(folder, "forecast").get_inputs()
    batch, *rest = context.shape
    assert not isinstance(batch, int)
    assert rest == [TIME, *IMAGE_SHAPE]


def test_every_file_says_what_it_is(folder, tiny_source):
    for name in ("forecast", "prime", "step"):
        properties = session(folder, name).get_modelmeta().custom_metadata_map
        said = json.loads(properties[ONNX_METADATA])
        assert said["fingerprint"] == tiny_source.fingerprint
        assert said["signatures"] == ["forecast", "prime", "step"]


def test_a_folder_that_exists_is_left_alone(folder, tiny_source):
    with pytest.raises(ValueError, match=r"must be a new folder.*which exists"):
        onnx.save_onnx(tiny_source, folder)
    assert len([*folder.iterdir()]) == 3


def test_a_model_that_has_drifted_is_not_written(still_source, tmp_path, monkeypatch):
    monkeypatch.setitem(parity.LIMITS, "float32", parity.Limits(psnr=math.inf, mse_change=-1.0))
    with pytest.raises(Failure, match="The float32 artefact has drifted"):
        onnx.save_onnx(still_source, tmp_path / "new")
    assert not [*tmp_path.iterdir()]


def test_what_the_converter_can_not_do_is_one_sentence(still_source, tmp_path, monkeypatch):
    import tf2onnx.convert

    def fail(*arguments, **options):
        raise RuntimeError("no such operation")

    monkeypatch.setattr(tf2onnx.convert, "from_function", fail)
    with pytest.raises(Failure, match=r"no such operation.*Nothing was written"):
        onnx.save_onnx(still_source, tmp_path / "new")
    assert not [*tmp_path.iterdir()]


def test_without_the_converter_the_extra_is_named(still_source, tmp_path, monkeypatch):
    def missing(name):
        raise ImportError(name)

    monkeypatch.setattr(onnx.importlib, "import_module", missing)
    with pytest.raises(ValueError, match=r'pip install -e "\.\[onnx\]"'):
        onnx.save_onnx(still_source, tmp_path / "new")
    assert not [*tmp_path.iterdir()]


@pytest.mark.parametrize(
    ("flags", "message"),
    [(["--output=x"], "--model is needed"), (["--model=x"], "--output is needed: a new folder")],
)
def test_a_wrong_flag_is_answered_with_its_rule(flags, message):
    with pytest.raises(ValueError, match=message):
        onnx.main(flags)
