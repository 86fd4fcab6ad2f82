"""The evaluation program, on a run of a few steps."""

import hashlib
import json
import shutil

import keras
import numpy as np
import pytest

from iprnn_tf.data import drawn, toronto
from iprnn_tf.metrics import SSIM_MODES
from trainers import evaluate


@pytest.fixture(name="small_file")
def _small_file(tmp_path, monkeypatch):
    """Four sequences in the layout of the standard test file, taken for the real one."""
    sequences = np.random.default_rng(0).integers(0, 256, (20, 4, 64, 64), dtype=np.uint8)
    path = tmp_path / "mnist_test_seq.npy"
    np.save(path, sequences)
    md5 = hashlib.md5(path.read_bytes()).hexdigest()
    monkeypatch.setattr(toronto.load_toronto_test_set, "__defaults__", (md5,))
    return path, sequences


def test_a_run_is_measured_in_every_mode_beside_the_baselines(tiny_run, tmp_path, capsys):
    output = tmp_path / "evaluation.json"
    evaluate.main([f"--model={tiny_run}", "--split=validation", f"--output={output}"])
    written = json.loads(output.read_text())
    assert written["sequences"] == 1000
    assert list(written["results"]) == ["IPRNN", "CopyLastFrame", "BlackFrames"]
    names = {"mse", "mae", "psnr", *(f"ssim_{mode}" for mode in SSIM_MODES)}
    assert all(set(row) == names for row in written["results"].values())
    printed = capsys.readouterr().out
    assert "validation split: 1,000 sequences, 3 frames given" in printed
    assert "lead time" in printed
    assert str(output) in printed


def test_the_standard_file_is_measured_by_the_same_code(tiny_run, small_file, tmp_path):
    path, sequences = small_file
    output = tmp_path / "evaluation.json"
    evaluate.main(
        [f"--model={tiny_run}", f"--data_file={path}", "--ssim_modes=", f"--output={output}"]
    )
    black = json.loads(output.read_text())["results"]["BlackFrames"]["mse"]["per_lead_time"]
    # The run predicts three frames after three.
    squares = (sequences[3:6] / 255.0) ** 2
    np.testing.assert_allclose(black, squares.sum((2, 3)).mean(1), rtol=1e-5)


def test_results_lie_beside_the_model_by_default(tiny_run, small_file, tmp_path):
    run = tmp_path / "copy"
    shutil.copytree(tiny_run, run)
    evaluate.main([f"--model={run}", f"--data_file={small_file[0]}", "--ssim_modes="])
    assert (run / "evaluation-mnist_test_seq.json").exists()


def test_a_wrong_model_is_named(tiny_run, tmp_path):
    (tmp_path / "empty").mkdir()
    damaged = tmp_path / "damaged.keras"
    damaged.write_bytes((tiny_run / "model.keras").read_bytes()[:1000])
    other = tmp_path / "other.keras"
    keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)]).save(other)
    for model, message in {
        tmp_path / "empty": "A model is a run directory with a checkpoint",
        tmp_path / "nowhere": "a run directory with a checkpoint, a .keras file or a preset",
        damaged: "can't be read as a Keras model",
        other: "A model is an iprnn_tf.VideoPredictor",
    }.items():
        with pytest.raises(ValueError, match=message):
            evaluate.main([f"--model={model}"])


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset=iprnn_small_moving_mnist"], "Received: both"),
        ([], "neither. Give one; presets are iprnn"),
        (["--split=dev"], "validation|test"),
        (["--data_file=x.npy", "--protocol=svg"], "--data_file names all there is"),
        (["--ssim_modes=best"], "--ssim_modes are among .*Received: best"),
        (["--batch_size=0"], "batch_size"),
        (["--dataset=minst"], "--dataset: One of mnist.*Received: 'minst'"),
        (["--data_dir=clips"], "--dataset=mnist has no --data_dir"),
        (["--protocol=x"], "--protocol: One of"),
        (["--data_file=nowhere.npy"], r"must be a \.npy array"),
    ],
)
def test_a_wrong_flag_is_answered_with_its_rule(tiny_run, flags, message):
    model = [f"--model={tiny_run}"] if flags else []
    with pytest.raises(ValueError, match=message):
        evaluate.main([*model, *flags])


def test_an_unknown_preset_is_answered_with_the_known_ones():
    with pytest.raises(ValueError, match=r"--preset is one of .*iprnn_small_moving_mnist"):
        evaluate.main(["--preset=iprnn_imagenet"])


def test_a_preset_is_measured_by_name_and_its_results_lie_apart(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setitem(drawn.NUM_SEQUENCES, "test", 4)
    evaluate.main(["--preset=iprnn_small_moving_mnist", "--protocol=svg", "--ssim_modes=uint8"])
    [output] = tmp_path.rglob("*.json")
    assert output.relative_to(tmp_path).parts == (
        "runs",
        "presets",
        "iprnn_small_moving_mnist",
        "evaluation-test-svg.json",
    )
    assert json.loads(output.read_text())["data"] == "mnist (svg), test split"
