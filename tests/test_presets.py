"""Presets: what is stored, what is refused, and that every released one is what it says."""

import functools
import hashlib
import http.server
import itertools
import json
import shutil
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from keras import ops

import iprnn_tf
from iprnn_tf import IPRNN, CopyLastFrame, STGRUCell, VideoPredictor
from iprnn_tf.data import MovingMNIST
from iprnn_tf.data.windows import evaluation_batches
from iprnn_tf.metrics import SquaredError
from iprnn_tf.presets import CONFIG, HASHES, METADATA, PRESETS, WEIGHTS, pack, save_preset

FIXTURES = Path(__file__).parent / "fixtures"
RELEASED = Path(iprnn_tf.__file__).parent / "pretrained"


@pytest.fixture(scope="module", name="model")
def _model():
    keras.utils.set_random_seed(3)
    cell = STGRUCell(4, kernel_size=3, use_bias=True, update_bias=0.5)
    return IPRNN((12, 8, 2), cell, num_layers=2, skips=False, horizon=3, encoder_filters=[2, 3])


@pytest.fixture(name="folder")
def _folder(model, tmp_path):
    save_preset(model, tmp_path / "tiny", {"name": "tiny"})
    return tmp_path / "tiny"


def rounded(model):
    """The weights as they are stored; the head computes in float32 whatever the rest does."""
    head = {id(weight) for weight in model.decoder.head.weights}
    return [
        weight.numpy() if id(weight) in head else np.float32(np.float16(weight.numpy()))
        for weight in model.weights
    ]


def test_a_preset_is_the_model_with_its_weights_in_16_bits(model, folder):
    loaded = IPRNN.from_preset(folder)
    for ours, theirs in zip(rounded(model), loaded.get_weights(), strict=True):
        np.testing.assert_allclose(theirs, ours, atol=1e-7)
    assert loaded.get_config() == model.get_config()
    assert json.loads((folder / METADATA).read_text())["name"] == "tiny"


def test_the_file_of_the_weights_takes_two_bytes_a_weight(tmp_path):
    model = IPRNN((8, 8, 1), STGRUCell(32), num_layers=2)
    save_preset(model, tmp_path, {})
    assert (tmp_path / WEIGHTS).stat().st_size < 2 * model.count_params() + 100_000


def test_a_preset_written_over_another_takes_its_place(model, folder):
    other = IPRNN.from_config(model.get_config())
    save_preset(other, folder, {"name": "other"})
    np.testing.assert_allclose(
        IPRNN.from_preset(folder).get_weights()[0], rounded(other)[0], atol=1e-7
    )
    assert sorted(path.name for path in folder.iterdir()) == [CONFIG, METADATA, WEIGHTS]


@pytest.mark.parametrize("dtype", ["bf16", "mixed_bfloat17", 3])
def test_a_precision_that_is_none_is_not_blamed_on_the_preset(folder, dtype):
    with pytest.raises(ValueError, match=rf"`dtype` is a precision .* Received: dtype={dtype!r}"):
        IPRNN.from_preset(folder, dtype=dtype)


def test_the_precision_is_the_loaders_choice(folder):
    assert IPRNN.from_preset(folder).dtype_policy.name == "float32"
    half = IPRNN.from_preset(folder, dtype="mixed_bfloat16")
    assert half.cell.cells[0].compute_dtype == "bfloat16"
    assert half.get_weights()[0].dtype == np.float32


def test_a_zip_file_and_the_base_class_will_do(model, folder):
    packed, _ = pack(folder)
    assert packed.name == "tiny.zip"
    loaded = VideoPredictor.from_preset(packed)
    assert isinstance(loaded, IPRNN)
    np.testing.assert_allclose(loaded.get_weights()[0], rounded(model)[0], atol=1e-7)


@pytest.fixture(name="address")
def _address(folder, monkeypatch, tmp_path):
    """Where a server of this machine offers the preset, without its hash."""
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    packed, _ = pack(folder)

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *args):
            pass

    handler = functools.partial(Quiet, directory=packed.parent)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}/tiny.zip"
        server.shutdown()


def test_a_preset_is_downloaded_once_and_checked(model, folder, address):
    packed, digest = pack(folder)
    loaded = IPRNN.from_preset(f"{address}#sha256={digest.upper()}")
    np.testing.assert_allclose(loaded.get_weights()[0], rounded(model)[0], atol=1e-7)
    packed.unlink()
    IPRNN.from_preset(f"{address}#sha256={digest}")


def test_a_download_with_another_hash_is_refused(address):
    with pytest.raises(ValueError, match="must have the hash in the address"):
        IPRNN.from_preset(f"{address}#sha256={'0' * 64}")


@pytest.mark.parametrize(
    "fragment", ["", "#sha256=", "#sha256=12ab", f"#sha256={'x' * 64}", f"#md5={'0' * 64}"]
)
def test_an_address_without_a_hash_is_refused(fragment):
    with pytest.raises(ValueError, match="ends with #sha256="):
        IPRNN.from_preset(f"https://example.org/tiny.zip{fragment}")


def test_an_address_that_offers_nothing_is_named(address):
    missing = address.replace("tiny", "none")
    with pytest.raises(ValueError, match=rf"must be reachable\. Received: {missing}"):
        IPRNN.from_preset(f"{missing}#sha256={'0' * 64}")


@pytest.mark.parametrize("name", ["iprnn_imagenet", "../pretrained", "no/such/folder.zip"])
def test_an_unknown_preset_is_answered_with_the_known_ones(name):
    with pytest.raises(ValueError, match=r"A preset is one of .*iprnn_small_moving_mnist"):
        IPRNN.from_preset(name)


def truncate(folder):
    content = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(content[: len(content) // 2])


def tamper(folder):
    content = bytearray((folder / WEIGHTS).read_bytes())
    content[-10] ^= 1
    (folder / WEIGHTS).write_bytes(content)


@pytest.mark.parametrize("damage", [truncate, tamper])
def test_damaged_weights_are_refused(folder, damage):
    damage(folder)
    with pytest.raises(ValueError, match="It is damaged or was changed"):
        IPRNN.from_preset(folder)


@pytest.mark.parametrize("name", [CONFIG, METADATA, WEIGHTS])
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    with pytest.raises(ValueError, match=rf"whose {name} can't be read"):
        IPRNN.from_preset(folder)


def rewrite_config(folder, honestly=True, **changes):
    """Changes the configuration, and its hash with it if that is done honestly."""
    content = json.loads((folder / CONFIG).read_text())
    content["config"] |= changes.pop("config", {})
    (folder / CONFIG).write_text(json.dumps({**content, **changes}))
    metadata = json.loads((folder / METADATA).read_text())
    if honestly:
        metadata[HASHES][CONFIG] = hashlib.sha256((folder / CONFIG).read_bytes()).hexdigest()
    (folder / METADATA).write_text(json.dumps(metadata))


@pytest.mark.parametrize("config", [{"num_layers": 1}, {"skips": True}, {"horizon": 4}])
def test_a_configuration_that_was_changed_is_refused(folder, config):
    rewrite_config(folder, honestly=False, config=config)
    with pytest.raises(ValueError, match=rf"whose {CONFIG} has .* It is damaged or was changed"):
        IPRNN.from_preset(folder)


@pytest.mark.parametrize("config", [{"num_layers": 3}, {"image_shape": [12, 8, 3]}])
def test_weights_of_another_shape_are_refused(folder, config):
    rewrite_config(folder, config=config)
    with pytest.raises(ValueError, match="The weights of a preset fit the model"):
        IPRNN.from_preset(folder)


def lambda_cell(folder):
    """A configuration with code in it."""
    cell = json.loads((folder / CONFIG).read_text())["config"]["cell"]
    layer = keras.saving.serialize_keras_object(keras.layers.Lambda(lambda x: x + 1))
    cell["config"]["normalization"] = layer
    return {"config": {"cell": cell}}


@pytest.mark.parametrize(
    "changes",
    [{"class_name": "Lambda"}, {"config": {"surprise": 1}}, lambda_cell],
    ids=["class", "argument", "code"],
)
def test_a_configuration_of_no_known_model_is_refused(folder, changes):
    rewrite_config(folder, **(changes(folder) if callable(changes) else changes))
    with pytest.raises(ValueError, match="describes a model of this version"):
        IPRNN.from_preset(folder)


@pytest.mark.parametrize("damage", ["cut", "flip"])
def test_a_damaged_zip_file_is_refused(folder, damage):
    packed, _ = pack(folder)
    content = bytearray(packed.read_bytes())
    content[200] ^= 255
    packed.write_bytes(content if damage == "flip" else content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"A preset is|The files of a preset"):
        IPRNN.from_preset(packed)


def test_a_keras_file_is_not_taken_for_a_preset(model, tmp_path):
    model.save(tmp_path / "model.keras")
    with pytest.raises(ValueError, match="or write it with save_preset"):
        IPRNN.from_preset(tmp_path / "model.keras")


@pytest.mark.parametrize("content", ["", "[1, 2]", "{"])
def test_a_file_that_is_no_json_object_is_refused(folder, content):
    (folder / METADATA).write_text(content)
    with pytest.raises(ValueError, match=r"whose metadata\.json can't be read"):
        IPRNN.from_preset(folder)


def test_a_preset_of_another_class_is_refused(folder):
    with pytest.raises(ValueError, match=r"Use IPRNN\.from_preset"):
        CopyLastFrame.from_preset(folder)


@pytest.mark.parametrize("written", [0, 1, 2])
def test_a_full_disk_never_leaves_a_mixture_of_two_presets(model, folder, monkeypatch, written):
    calls = itertools.count()

    def full(descriptor):
        if next(calls) >= written:
            raise OSError("No space left on device")

    expected = IPRNN.from_preset(folder).get_weights()
    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        save_preset(IPRNN.from_config(model.get_config()), folder, {})
    monkeypatch.undo()
    if written:
        with pytest.raises(ValueError, match="It is damaged or was changed"):
            IPRNN.from_preset(folder)
    else:
        np.testing.assert_array_equal(IPRNN.from_preset(folder).get_weights()[0], expected[0])


def test_the_released_presets_are_listed_with_their_metadata():
    assert "iprnn_small_moving_mnist" in IPRNN.presets
    assert set(IPRNN.presets) == {folder.name for folder in RELEASED.iterdir()}
    assert "no_such_preset" not in IPRNN.presets


@pytest.mark.parametrize("name", PRESETS)
def test_a_released_preset_is_complete(name):
    metadata = PRESETS[name]
    assert metadata["name"] == name
    assert {"description", "license", "training", "results", "check"} <= set(metadata)
    model = IPRNN.from_preset(name)
    assert model.count_params() == metadata["weights"] <= 4_500_000
    for result in metadata["results"]:
        for row in result["results"].values():
            assert all(len(metric["per_lead_time"]) == 10 for metric in row.values())


@pytest.mark.parametrize("name", PRESETS)
def test_a_released_preset_fits_into_the_package(name):
    files = list((RELEASED / name).iterdir())
    assert sorted(path.name for path in files) == [CONFIG, METADATA, WEIGHTS]
    assert sum(path.stat().st_size for path in files) < 16e6


@pytest.mark.parametrize("name", PRESETS)
def test_a_released_preset_scores_what_its_metadata_says(name):
    model, check = IPRNN.from_preset(name), PRESETS[name]["check"]
    training = PRESETS[name]["training"]["config"]
    dataset = MovingMNIST(protocol=training["protocol"], num_digits=training["num_digits"])
    frames = dataset.frames("test").take(check["sequences"])
    metric = SquaredError(model.horizon)
    batches = evaluation_batches(frames, training["context_frames"], 50)
    for context, targets in batches.as_numpy_iterator():
        metric.update_state(targets, model.predict_on_batch(context))
    assert float(metric.result()) == pytest.approx(check["mse"], rel=0.02)


@pytest.mark.parametrize("file", sorted(FIXTURES.glob("*.keras")), ids=lambda path: path.stem)
def test_models_saved_by_this_and_earlier_versions_predict_what_they_did(file):
    model = keras.saving.load_model(file)
    with np.load(file.with_suffix(".npz")) as arrays:
        received = ops.convert_to_numpy(model.rollout(arrays["context"], horizon=3))
        np.testing.assert_allclose(received, arrays["predictions"], atol=1e-5)


def test_there_is_a_saved_model_of_the_first_version():
    assert (FIXTURES / "iprnn-0.1.0.keras").exists()


def test_a_copy_of_a_released_preset_is_a_preset_too(tmp_path):
    name = next(iter(PRESETS))
    copy = shutil.copytree(RELEASED / name, tmp_path / "mine")
    loaded, released = IPRNN.from_preset(copy), IPRNN.from_preset(name)
    np.testing.assert_array_equal(loaded.get_weights()[0], released.get_weights()[0])


def test_the_presets_are_printed_by_name():
    assert "iprnn_small_moving_mnist" in repr(IPRNN.presets)
