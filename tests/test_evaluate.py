"""The evaluation program, on a run of a few steps."""

import hashlib
import json
import shutil
from pathlib import Path

import keras
import numpy as np
import pytest
from moving_scene import moving_scene
from true_formats import write_picture_folder

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
    written = json.loads((run / "evaluation-mnist_test_seq.json").read_text())
    measured = {"data_file": str(small_file[0]), "context_frames": 3, "horizon": 3}
    assert written["settings"] == measured


def test_evaluations_of_other_sequences_lie_beside_each_other(tiny_run, tmp_path, monkeypatch):
    monkeypatch.setitem(drawn.NUM_SEQUENCES, "test", 4)
    run = shutil.copytree(tiny_run, tmp_path / "run")
    for flags in ([], ["--horizon=2"], ["--context_frames=4", "--horizon=2"], ["--sequences=2"]):
        evaluate.main([f"--model={run}", "--ssim_modes=", *flags])
    written = {path.stem: json.loads(path.read_text()) for path in run.glob("evaluation*")}
    lengths = {
        name: (content["settings"]["context_frames"], content["settings"]["horizon"])
        for name, content in written.items()
    }
    assert lengths == {
        "evaluation-test": (3, 3),
        "evaluation-test-horizon_2": (3, 2),
        "evaluation-test-context_frames_4-horizon_2": (4, 2),
        "evaluation-test-sequences_2": (3, 3),
    }
    content = written["evaluation-test"]
    assert content["model"] == str(run)
    measured = {"split": "test", "dataset": "mnist", "protocol": "canonical", "num_digits": 2}
    assert content["settings"].items() >= measured.items()


@pytest.fixture(name="clips")
def _clips(tmp_path):
    """Folders of pictures, which have no time stamps."""
    for split in ("train", "validation", "test"):
        write_picture_folder(tmp_path / "clips" / split / "a", moving_scene(14, 40, 36, 0))
    return tmp_path / "clips"


def test_frames_without_time_stamps_are_taken_at_the_given_rate(
    tiny_run, clips, tmp_path, monkeypatch
):
    monkeypatch.chdir(clips.parent)
    run = shutil.copytree(tiny_run, tmp_path / "run")
    data = ["--dataset=video", "--data_dir=clips", "--fps=5", "--source_fps=10"]
    evaluate.main([f"--model={run}", "--ssim_modes=", *data])
    [output] = run.glob("evaluation*")
    assert output.name == "evaluation-video-test-data_dir_clips-fps_5.0-source_fps_10.0.json"
    content = json.loads(output.read_text())
    assert content["sequences"] == 2  # 14 frames at 10 a second are 7 at 5, in windows of 6.
    cut = {"fps": 5.0, "source_fps": 10.0, "image_size": "64x64", "channels": 1}
    assert content["settings"].items() >= cut.items()
    assert Path(content["settings"]["data_dir"]).parent == tmp_path / "runs" / "prepared"


def test_another_data_set_was_not_recorded_at_the_rate_of_the_trained_one(
    tiny_run, clips, tmp_path, monkeypatch
):
    monkeypatch.chdir(clips.parent)
    run = shutil.copytree(tiny_run, tmp_path / "run")
    made = json.loads((run / "config.json").read_text())
    made["config"] |= {"dataset": "caltech", "protocol": "paper", "source_fps": 30.0}
    (run / "config.json").write_text(json.dumps(made))
    with pytest.raises(ValueError, match=r"a: .*--source_fps"):
        evaluate.main([f"--model={run}", "--dataset=video", "--data_dir=clips", "--fps=5"])


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
        (["--data_file=x.npy", "--split=test", "--fps=5"], "Received: .* with --split, --fps. Le"),
        (["--data_file=x.npy", "--dataset=mnist", "--horizon=2"], "Received: .* with --dataset. L"),
        (["--data_file=x.npy", "--noskip_bad_files"], "only --context_frames and --horizon go"),
        (["--source_fps=5"], "--dataset=mnist has no --source_fps"),
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
