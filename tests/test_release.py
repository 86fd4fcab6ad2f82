"""From a run directory to a preset, and on from it."""

import json

import numpy as np
import pytest

from iprnn_tf import IPRNN
from iprnn_tf.presets import METADATA
from trainers import evaluate, release, train
from trainers.run_directory import load_model


@pytest.fixture(scope="module", name="preset")
def _preset(tiny_run, tmp_path_factory):
    output = tmp_path_factory.mktemp("presets") / "tiny"
    release.main([f"--model={tiny_run}", f"--output={output}", "--protocols=canonical", "--zip"])
    return output


def test_a_released_run_says_where_it_comes_from_and_what_it_reaches(preset, tiny_run):
    metadata = json.loads((preset / METADATA).read_text())
    assert metadata["name"] == "tiny"
    assert metadata["weights"] == load_model(tiny_run).count_params()
    assert metadata["training"]["config"]["filters"] == 4
    assert metadata["training"]["sequences"] == 16
    assert metadata["training"]["minutes"] > 0
    assert {"cpu_cores", "commit", "versions"} <= set(metadata["training"])
    [result] = metadata["results"]
    assert result["protocol"] == "canonical"
    measured = json.loads((tiny_run / "metrics.json").read_text())["results"]
    assert set(result["results"]) == {"IPRNN", "CopyLastFrame", "BlackFrames"}
    assert result["results"]["IPRNN"]["mse"]["mean"] == pytest.approx(
        measured["IPRNN"]["mse"]["mean"], rel=0.01
    )
    assert metadata["check"]["sequences"] == 100


def test_a_preset_is_loaded_measured_and_trained_further(preset, tiny_flags, tmp_path, capsys):
    loaded = IPRNN.from_preset(preset.with_suffix(".zip"))
    assert loaded.horizon == 3
    output = tmp_path / "evaluation.json"
    evaluate.main([f"--model={preset}", "--split=validation", f"--output={output}"])
    measured = json.loads(output.read_text())
    assert measured["context_frames"] == 3  # As in training.

    tuned = tmp_path / "tuned"
    flags = [f"--init_from={preset}", "--steps=1", "--learning_rate=1e-9", f"--output={tuned}"]
    train.main([*tiny_flags, *flags])
    for before, after in zip(loaded.get_weights(), load_model(tuned).get_weights(), strict=True):
        np.testing.assert_allclose(after, before, atol=1e-6)


def test_pretrained_weights_of_another_architecture_are_refused(preset, tiny_flags, tmp_path):
    flags = [f"--init_from={preset}", "--filters=5", "--noskips", f"--output={tmp_path / 'run'}"]
    with pytest.raises(ValueError, match=r"where skips is True, filters is 4"):
        train.main([*tiny_flags, *flags])
    assert not (tmp_path / "run").exists()


def test_an_unknown_start_is_refused(tiny_flags, tmp_path):
    flags = ["--init_from=iprnn_imagenet", f"--output={tmp_path / 'run'}"]
    with pytest.raises(ValueError, match="iprnn_small_moving_mnist"):
        train.main([*tiny_flags, *flags])
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("arguments", [[], ["--model=runs/x"], ["--output=x"]])
def test_model_and_output_are_needed(arguments):
    with pytest.raises(ValueError, match=r"--model .* and --output .* are needed"):
        release.main(arguments)


def test_a_protocol_that_is_none_is_refused_before_anything_is_written(tiny_run, tmp_path):
    output = tmp_path / "preset"
    with pytest.raises(ValueError, match="--protocol: One of canonical, svg"):
        release.main([f"--model={tiny_run}", f"--output={output}", "--protocols=pong"])
    assert not output.exists()
