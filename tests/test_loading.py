"""Loading whatever holds a trained predictor, and what it was trained with."""

import json
import shutil

import keras
import numpy as np
import pytest
from tiny_models import IMAGE_SHAPE, TIME, contexts, tiny, write_run

import iprnn_tf
from iprnn_tf import IPRNN
from iprnn_tf.models import training_settings
from iprnn_tf.presets import pack, save_preset

SETTINGS = {"context_frames": TIME, "protocol": "svg"}


@pytest.fixture(scope="module", name="model")
def _model():
    return tiny(dtype="mixed_bfloat16")


@pytest.fixture(scope="module", name="sources")
def _sources(model, tmp_path_factory):
    """The same model in every form, by kind."""
    folder = tmp_path_factory.mktemp("sources")
    run = write_run(folder / "run", model, **SETTINGS)
    shutil.copy(run / "model.keras", folder / "alone.keras")
    save_preset(model, folder / "preset", {"training": {"config": SETTINGS}})
    archive, _ = pack(folder / "preset")
    return {
        "run": run,
        "file in a run": run / "model.keras",
        "file": folder / "alone.keras",
        "preset": folder / "preset",
        "archive": archive,
    }


KINDS = ["run", "file in a run", "file", "preset", "archive"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_model_is_loaded_with_its_weights(sources, model, kind):
    loaded = iprnn_tf.load_model(sources[kind])
    assert isinstance(loaded, IPRNN)
    for received, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        # Presets hold 16 bits.
        np.testing.assert_allclose(received, expected, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_keeps_its_precision_and_a_preset_is_float32(sources, kind):
    expected = "float32" if kind in ("preset", "archive") else "mixed_bfloat16"
    assert iprnn_tf.load_model(sources[kind]).dtype_policy.name == expected


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "mixed_bfloat16"])
def test_the_precision_is_the_callers_choice(sources, kind, dtype):
    loaded = iprnn_tf.load_model(str(sources[kind]), dtype=dtype)
    assert loaded.dtype_policy.name == dtype
    computes_in = dtype.removeprefix("mixed_")
    assert {cell.compute_dtype for cell in loaded.cell.cells} == {computes_in}
    assert {weight.dtype for weight in loaded.weights} == {"float32"}


def test_a_model_in_another_precision_is_otherwise_the_same(sources, model):
    loaded = iprnn_tf.load_model(sources["run"], dtype="float32")
    for received, expected in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(received, expected)
    assert (loaded.horizon, loaded.image_shape) == (model.horizon, IMAGE_SHAPE)
    in_float32 = tiny().predict(contexts(), verbose=0)
    np.testing.assert_array_equal(loaded.predict(contexts(), verbose=0), in_float32)


@pytest.mark.parametrize("kind", ["run", "file in a run", "preset", "archive"])
def test_settings_are_found_beside_a_model(sources, kind):
    assert training_settings(sources[kind]) == SETTINGS
    assert training_settings(str(sources[kind])) == SETTINGS


def test_a_file_alone_has_no_settings(sources, tmp_path):
    assert training_settings(sources["file"]) is None
    assert training_settings(tmp_path) is None


def test_a_released_preset_tells_its_settings():
    settings = training_settings("iprnn_small_moving_mnist")
    assert settings["context_frames"] == 10
    assert settings["protocol"] == "canonical"


@pytest.mark.parametrize("content", ["", "{", "[]", '"text"', "{}", '{"config": 3}', "\udcff"])
def test_damaged_settings_are_named(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content.encode(errors="surrogateescape"))
    with pytest.raises(ValueError, match=r"config\.json says how the model was trained.*Write it"):
        training_settings(tmp_path)


@pytest.mark.parametrize("metadata", [{}, {"training": {}}, {"training": None}])
def test_a_preset_that_does_not_tell_is_named(model, tmp_path, metadata):
    save_preset(model, tmp_path, metadata)
    with pytest.raises(ValueError, match=r"metadata\.json of a preset.*trainers\.release"):
        training_settings(tmp_path)


def test_what_is_no_model_is_named(sources, tmp_path):
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes(sources["file"].read_bytes()[:1000])
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(other)
    for source, message in {
        tmp_path / "empty": "a run directory with a checkpoint, a .keras file or a preset",
        tmp_path / "nowhere.keras": "there is no file",
        damaged: "can't be read as a Keras model",
        other: "Received: .* with a Sequential",
    }.items():
        with pytest.raises(ValueError, match=message) as error:
            iprnn_tf.load_model(source, dtype="float32")
        assert str(source) in str(error.value)


def test_the_settings_of_a_real_run_are_what_it_was_given(tiny_run):
    settings = training_settings(tiny_run)
    assert (settings["context_frames"], settings["horizon"], settings["filters"]) == (3, 3, 4)
    assert settings == json.loads((tiny_run / "config.json").read_text())["config"]


def test_a_preset_that_is_misspelt_is_guessed():
    with pytest.raises(ValueError, match=r"Did you mean iprnn_small_moving_mnist\?$"):
        iprnn_tf.load_model("iprnn_small_moving_mnits")
    with pytest.raises(ValueError, match=r"Train one with trainers\.train\.$"):
        iprnn_tf.load_model("runs/nowhere")


def test_a_run_without_a_model_yet_says_how_to_finish_it(sources, tmp_path):
    run = tmp_path / "my run"
    shutil.copytree(sources["run"], run, ignore=shutil.ignore_patterns("*.keras"))
    with pytest.raises(ValueError, match="Finish this run with") as error:
        iprnn_tf.load_model(run)
    assert str(error.value).endswith(f": python -m trainers.train --resume='{run}'")
