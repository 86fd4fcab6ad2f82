"""Artefacts behind one call: how contexts are batched, and what is no artefact."""

import json

import numpy as np
import pytest
import tensorflow as tf

from export.artifacts.artifact import Artifact, open_artifact

pytest_plugins = ["exported_models"]


class Counter(Artifact):
    """Predicts the last frame and one more at each step; the state counts the frames seen."""

    def __init__(self, signatures, **said):
        super().__init__("counter", {"signatures": signatures, "horizon": 3, **said})
        self.batches = []

    size = 0

    def run(self, signature, inputs):
        self.batches.append(len(next(iter(inputs.values()))))
        if signature == "forecast":
            last = inputs["context"][:, -1:]
            return {"predictions": np.concatenate([last + k for k in (1, 2, 3)], axis=1)}
        if signature == "prime":
            context = inputs["context"]
            # LiteRT gives outputs in the order of their names in the file, which is any.
            return {
                "state_1": np.full(len(context), 10.0 * context.shape[1]),
                "frame": context[:, -1] + 1,
                "state_0": np.full(len(context), context.shape[1]),
            }
        assert (inputs["state_1"] == 10.0 * inputs["state_0"]).all()
        return {
            "next_state_1": inputs["state_1"] + 10.0,
            "next_frame": inputs["frame"] + 1,
            "next_state_0": inputs["state_0"] + 1,
        }


STREAMING = ["prime", "step"]
CONTEXT = np.arange(20.0).reshape(10, 2, 1, 1, 1)
EXPECTED = CONTEXT[:, -1:] + np.arange(1, 4).reshape(1, 3, 1, 1, 1)


def test_a_forecast_is_asked_for_in_batches():
    artifact = Counter(["forecast", *STREAMING])
    np.testing.assert_array_equal(artifact.forecast(CONTEXT), EXPECTED)
    assert artifact.batches == [8, 2]


def test_without_a_forecast_prime_and_step_do_the_same():
    artifact = Counter(STREAMING)
    np.testing.assert_array_equal(artifact.forecast(CONTEXT), EXPECTED)
    assert artifact.batches == [8, 8, 8, 2, 2, 2]


@pytest.mark.parametrize("size", [1, 4, 16])
@pytest.mark.parametrize("signatures", [STREAMING, ["forecast", *STREAMING]], ids=["loop", "whole"])
def test_a_fixed_batch_is_filled_up_and_cut_again(size, signatures):
    artifact = Counter(signatures, batch_size=size)
    np.testing.assert_array_equal(artifact.forecast(CONTEXT), EXPECTED)
    np.testing.assert_array_equal(artifact.stream(CONTEXT), EXPECTED)
    assert set(artifact.batches) == {size}


def test_states_go_from_prime_to_step_in_their_order():
    artifact = Counter(STREAMING)
    frame, states = artifact.prime(CONTEXT)
    assert [state[0] for state in states] == [2, 20]
    _, states = artifact.step(frame, states)
    assert [state[0] for state in states] == [3, 30]


def test_the_highest_version_of_a_saved_model_is_opened(saved_model, tmp_path):
    for version in ("2", "10", "notes"):
        (tmp_path / version).mkdir()
    (tmp_path / "10").rmdir()
    (tmp_path / "10").symlink_to(saved_model)
    assert open_artifact(tmp_path).path == tmp_path / "10"
    assert open_artifact(saved_model).path == saved_model


def damaged_saved_model(folder):
    extras = folder / "assets.extra"
    extras.mkdir()
    (extras / "iprnn.json").write_text(json.dumps({"signatures": [], "horizon": 3}))
    (folder / "saved_model.pb").write_bytes(b"damaged")
    return folder


def foreign_saved_model(folder):
    tf.saved_model.save(tf.Module(), str(folder))
    return folder


def damaged_litert_file(folder):
    (folder / "x.tflite").write_bytes(b"TFL3 and no more")
    return folder / "x.tflite"


def foreign_litert_file(folder):
    function = tf.function(lambda x: x + 1.0).get_concrete_function(tf.TensorSpec((1,)))
    converter = tf.lite.TFLiteConverter.from_concrete_functions([function], tf.Module())
    (folder / "x.tflite").write_bytes(converter.convert())
    return folder / "x.tflite"


def damaged_onnx_file(folder):
    (folder / "forecast.onnx").write_bytes(b"damaged")
    return folder


def other_file(folder):
    (folder / "notes.txt").write_text("what is no artefact")
    return folder / "notes.txt"


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (damaged_saved_model, "Export it again"),
        (foreign_saved_model, r"iprnn\.json.*Export it again"),
        (damaged_litert_file, "Export it again"),
        (foreign_litert_file, r"there is no iprnn\.json in it.*Export it again"),
        (damaged_onnx_file, "Export it again|a runtime of its own"),
        (other_file, "which is another thing"),
        (lambda folder: folder, "which is another thing"),
        (lambda folder: folder / "nowhere", "which does not exist"),
    ],
)
def test_what_is_no_artefact_of_this_package_is_refused(tmp_path, write, message):
    path = write(tmp_path)
    with pytest.raises(ValueError, match=message) as error:
        open_artifact(path)
    assert str(path) in str(error.value)
