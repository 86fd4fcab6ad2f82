"""The prediction program, on small videos and models."""

import json
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image
from tiny_models import tiny, write_run
from true_formats import moving_frames, write_picture_folder, write_video

from iprnn_tf.models import CopyLastFrame, load_model
from iprnn_tf.visualization import save_mp4
from programs import command_line
from trainers import predict

SIZE = (16, 24)
FRAMES = moving_frames(11, size=SIZE, channels=1)


@pytest.fixture(name="still", scope="module")
def _still(tmp_path_factory):
    """A model that copies the last frame: what it predicts is known to the last bit."""
    path = tmp_path_factory.mktemp("models") / "still.keras"
    CopyLastFrame((*SIZE, 1), horizon=3).save(path)
    return path


@pytest.fixture(name="clip")
def _clip(tmp_path):
    np.save(tmp_path / "clip.npy", FRAMES)
    return tmp_path / "clip.npy"


def run(model, clip, output, *flags):
    predict.main([f"--model={model}", f"--input={clip}", f"--output={output}", *flags])
    with output.with_suffix(".error.json").open() as file:
        return json.load(file)


def predicted(model, clip, output, *flags):
    report = run(model, clip, output, *flags)
    return np.load(output), report


def floats(frames):
    return np.float32(frames) / np.float32(255)


@pytest.mark.parametrize("name", ["out.gif", "out.mp4", "out.png", "out.npy"])
def test_predictions_a_curve_and_numbers_are_written(still, clip, tmp_path, capsys, name):
    output = tmp_path / "results" / name
    report = run(still, clip, output, "--context_frames=4")
    names = [file.name for file in sorted((tmp_path / "results").iterdir())]
    assert names == sorted([name, "out.error.png", "out.error.json"])
    assert (report["forecasts"], report["forecasts_with_truth"]) == (3, [3, 2, 2])
    assert (report["context_frames"], report["horizon"], report["stride"]) == (4, 3, 3)
    assert {"mse", "mae", "psnr", "ssim_skimage"} == set(report["results"]["CopyLastFrame"])
    assert "versions" in report
    printed = capsys.readouterr().out
    assert "clip.npy: 3 forecasts of 3 frames after 4." in printed
    for text in (
        "lead time",
        "3 up to 1, 2 up to 3.",
        str(output),
        "out.error.json",
        "out.error.png",
        "Next:",
    ):
        assert text in printed


def test_every_forecast_is_what_the_model_makes_of_its_context(tiny_run, tmp_path):
    frames = moving_frames(10, size=(64, 64), channels=1)
    np.save(tmp_path / "clip.npy", frames)
    predictions, report = predicted(tiny_run, tmp_path / "clip.npy", tmp_path / "out.npy")
    assert (report["context_frames"], report["horizon"]) == (3, 3)  # As trained.
    contexts = np.stack([floats(frames[start : start + 3]) for start in (0, 3, 6)])
    wanted = np.clip(load_model(tiny_run).rollout(contexts), 0.0, 1.0)
    np.testing.assert_allclose(predictions, wanted, atol=1e-5)
    assert list(report["results"]) == ["IPRNN", "CopyLastFrame", "BlackFrames"]
    error = (np.clip(predictions[:2], 0, 1) - floats(frames[3:9]).reshape(2, 3, 64, 64, 1)) ** 2
    mse = report["results"]["IPRNN"]["mse"]["per_lead_time"]
    last = ((np.clip(predictions[2, 0], 0, 1) - floats(frames[9])) ** 2).sum()
    np.testing.assert_allclose(mse[1:], error.sum((2, 3, 4)).mean(0)[1:], rtol=1e-4)
    np.testing.assert_allclose(mse[0], (error.sum((2, 3, 4))[:, 0].sum() + last) / 3, rtol=1e-4)


def test_stride_start_horizon_and_number_are_as_asked(still, clip, tmp_path):
    flags = ["--context_frames=2", "--stride=1", "--start=5", "--horizon=4", "--forecasts=3"]
    predictions, report = predicted(still, clip, tmp_path / "out.npy", *flags)
    assert predictions.shape == (3, 4, *SIZE, 1)
    np.testing.assert_array_equal(predictions, floats(FRAMES[6:9, None]).repeat(4, 1))
    assert report["forecasts_with_truth"] == [3, 3, 2, 1]


def test_without_a_truth_there_are_predictions_alone(still, tmp_path, capsys):
    np.save(tmp_path / "clip.npy", FRAMES[:4])
    report = run(still, tmp_path / "clip.npy", tmp_path / "out.gif", "--context_frames=4")
    assert (report["results"], report["forecasts_with_truth"]) == ({}, [0, 0, 0])
    assert "there is no truth to compare with" in capsys.readouterr().out
    assert not (tmp_path / "out.error.png").exists()
    with Image.open(tmp_path / "out.gif") as animation:
        assert animation.n_frames == 4 + 3


def test_an_array_of_many_videos_is_predicted_one_after_the_other(still, tmp_path):
    np.save(tmp_path / "many.npy", np.stack([FRAMES[:6], FRAMES[5:]]))
    predictions, report = predicted(
        still, tmp_path / "many.npy", tmp_path / "out.npy", "--context_frames=3"
    )
    assert (report["videos"], report["forecasts"]) == (2, 4)
    np.testing.assert_array_equal(predictions[:, 0], floats(FRAMES[[2, 5, 7, 10]]))


def test_large_frames_in_colour_are_fitted_to_the_model_and_it_is_said_once(
    still, tmp_path, capsys
):
    frames = moving_frames(5, size=(40, 48), channels=3)
    folder = write_picture_folder(tmp_path / "frames", frames)
    predictions, _ = predicted(still, folder, tmp_path / "out.npy", "--context_frames=2")
    assert predictions.shape == (2, 3, *SIZE, 1)
    said = "Frames of 40 x 48 are scaled and cut to 16 x 24."
    assert capsys.readouterr().out.count(said) == 1


def test_a_model_of_any_size_takes_frames_as_they_are(tmp_path, capsys):
    run_folder = write_run(tmp_path / "run", tiny((None, None, 3)), context_frames=2)
    frames = moving_frames(6, size=SIZE, channels=3)
    write_video(tmp_path / "clip.mp4", frames, fps=10)
    report = run(run_folder, tmp_path / "clip.mp4", tmp_path / "out.png")
    assert (report["context_frames"], report["forecasts"]) == (2, 2)
    assert "scaled" not in capsys.readouterr().out
    with Image.open(tmp_path / "out.png") as picture:
        assert picture.size[1] == 2 * (3 * SIZE[0] + 2 * 2) + 10


def test_a_picture_of_more_forecasts_says_that_it_shows_ten(still, clip, tmp_path, capsys):
    run(still, clip, tmp_path / "out.png", "--context_frames=1", "--stride=1")
    assert "11 forecasts of 3 frames after 1.\nThe picture shows the first 10 of them." in (
        capsys.readouterr().out
    )


@pytest.mark.parametrize("flag", [True, False])
def test_predictions_are_in_the_units_of_the_data(still, tmp_path, flag, capsys):
    model, flags = still, ["--value_range=-10,60"]
    if not flag:
        model, flags = tmp_path / "radar.keras", []
        CopyLastFrame((*SIZE, 1), horizon=3, value_range=(-10, 60)).save(model)
    radar = np.random.default_rng(0).uniform(-10, 60, (6, *SIZE)).astype(np.float32)
    np.save(tmp_path / "radar.npy", radar)
    predictions, report = predicted(
        model, tmp_path / "radar.npy", tmp_path / "out.npy", "--context_frames=3", *flags
    )
    np.testing.assert_allclose(predictions[0, :, ..., 0], radar[[2, 2, 2]], atol=1e-4)
    assert report["cut"]["value_range"] == [-10, 60]
    told = "the model's --value_range is 0,1, not -10,60"
    assert (told in capsys.readouterr().out) == flag


def test_what_nan_stands_for_stays_with_the_run(tmp_path, capsys):
    model = CopyLastFrame((*SIZE, 1), horizon=2, value_range=(-10, 60))
    run = write_run(tmp_path / "run", model, missing=-10.0)
    radar = np.full((5, *SIZE), 7, np.float32)
    radar[2, 3, 4] = np.nan
    np.save(tmp_path / "radar.npy", radar)
    arguments = [run, tmp_path / "radar.npy", tmp_path / "out.npy", "--context_frames=3"]
    predictions, _ = predicted(*arguments)
    assert predictions[0, 0, 3, 4, 0] == pytest.approx(-10)
    assert "1 missing value became -10, in 1 frame" in capsys.readouterr().out
    predictions, _ = predicted(*arguments, "--missing=60")
    assert predictions[0, 0, 3, 4, 0] == pytest.approx(60)


def test_frames_are_taken_at_the_rate_that_is_asked_for(still, clip, tmp_path):
    flags = ["--context_frames=2", "--fps=10", "--source_fps=30"]  # Frames 0, 3, 6 and 9.
    predictions, report = predicted(still, clip, tmp_path / "out.npy", *flags, "--stride=1")
    np.testing.assert_array_equal(predictions[:, 0], floats(FRAMES[[3, 6, 9]]))
    assert report["cut"]["fps"] == 10


def test_a_short_video_is_answered_with_both_numbers_and_nothing_is_written(still, clip, tmp_path):
    before = sorted(tmp_path.iterdir())
    with pytest.raises(ValueError, match=r"needs 12 frames.*clip.npy with 11 frames"):
        run(still, clip, tmp_path / "out.gif", "--context_frames=12")
    assert sorted(tmp_path.iterdir()) == before


def test_an_interruption_leaves_nothing(still, clip, tmp_path, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr(predict.LeadTimeErrors, "_measure", interrupted)
    before = sorted(tmp_path.iterdir())
    with pytest.raises(KeyboardInterrupt):
        run(still, clip, tmp_path / "out.mp4", "--context_frames=3")
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--preset=iprnn_small_moving_mnist"], "Received: both"),
        (["--input="], "--input is needed"),
        (["--output="], "--output is needed"),
        (["--input=nowhere.mp4"], "nowhere.mp4"),
        (["--output=prediction.avi"], r"ends in one of .gif.*Received: prediction.avi"),
        (["--value_range=7,3"], "two increasing numbers"),
        (["--horizon=0"], "horizon"),
        (["--stride=0"], "stride"),
        (["--start=-1"], "start"),
        (["--frames_per_second=60"], "frames_per_second"),
        (["clip.mp4"], "--name=value"),
    ],
)
def test_a_wrong_flag_is_answered_before_any_model_is_loaded(
    still, clip, tmp_path, monkeypatch, flags, message
):
    monkeypatch.setattr(predict, "load_model", None)
    with pytest.raises(ValueError, match=message):
        predict.main(
            [f"--model={still}", f"--input={clip}", f"--output={tmp_path / 'out.gif'}", *flags]
        )


def test_the_input_is_never_written_over(still, clip):
    before = clip.read_bytes()
    with pytest.raises(ValueError, match="another file than --input"):
        run(still, clip, clip)
    assert clip.read_bytes() == before


def test_other_channels_than_the_models_are_named_with_the_clip(tmp_path):
    CopyLastFrame((*SIZE, 2), horizon=2).save(tmp_path / "model.keras")
    np.save(tmp_path / "clip.npy", moving_frames(9, SIZE))
    flags = [f"--model={tmp_path / 'model.keras'}", f"--input={tmp_path / 'clip.npy'}"]
    with pytest.raises(ValueError, match=r"clip.*wanted with 2 channels.*with 3\. Give such"):
        predict.main([*flags, "--context_frames=3", f"--output={tmp_path / 'out.npy'}"])


def test_what_cannot_be_drawn_can_still_be_had_as_numbers(tmp_path):
    CopyLastFrame((*SIZE, 2), horizon=2).save(tmp_path / "two.keras")
    np.save(tmp_path / "two.npy", floats(FRAMES).repeat(2, -1))
    flags = [tmp_path / "two.keras", tmp_path / "two.npy"]
    with pytest.raises(ValueError, match="a model of 2"):
        run(*flags, tmp_path / "out.gif")
    predictions, _ = predicted(*flags, tmp_path / "out.npy")
    assert predictions.shape == (1, 2, *SIZE, 2)


def test_the_program_ends_with_one_line_and_a_status(still, tmp_path, monkeypatch, capsys):
    flags = [f"--model={still}", "--input=nowhere.mp4", f"--output={tmp_path / 'x.gif'}"]
    monkeypatch.setattr(sys, "argv", ["predict", *flags])
    with pytest.raises(SystemExit) as ended:
        command_line.run(predict.main)
    assert ended.value.code == 2
    [line] = capsys.readouterr().err.strip().splitlines()
    assert line.startswith("error: ")


MEASURED = """
import resource, sys
from trainers import predict
predict.main(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


@pytest.mark.slow
def test_ten_times_the_video_takes_no_more_memory(tmp_path):
    CopyLastFrame((240, 320, 3), horizon=5).save(tmp_path / "still.keras")
    frame = moving_frames(1, size=(240, 320))[0]

    def most(count):
        clip = tmp_path / f"{count}.mp4"
        save_mp4(clip, (np.roll(frame, 3 * i, axis=1) for i in range(count)), 30)
        flags = [f"--model={tmp_path / 'still.keras'}", f"--input={clip}", "--context_frames=5"]
        command = [sys.executable, "-c", MEASURED, *flags, f"--output={tmp_path / 'out.mp4'}"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        return int(done.stdout.split()[-1])  # Kilobytes.

    held = 900 * 240 * 320 * 3 / 1024  # What 900 more frames would take as bytes.
    few, many = most(100), most(1000)
    assert many - few < held / 3, (few, many)


def test_frames_are_taken_as_often_as_in_training(tmp_path, capsys):
    run = write_run(tmp_path / "run", CopyLastFrame((*SIZE, 3), horizon=2), fps=10.0)
    clip = write_video(tmp_path / "clip.mkv", moving_frames(60, SIZE), fps=30)
    arguments = [f"--model={run}", f"--input={clip}", "--context_frames=3"]
    for more, forecasts in (([], 9), (["--fps=30"], 29), (["--fps=0"], 29)):  # Of 20, 60, 60.
        predict.main([*arguments, *more, f"--output={tmp_path / 'out.npy'}"])
        assert len(np.load(tmp_path / "out.npy")) == forecasts
    assert "Frames are taken 10 times a second, as in training" in capsys.readouterr().out


def test_frames_without_time_stamps_are_all_taken_unless_told_their_rate(tmp_path):
    run = write_run(tmp_path / "run", CopyLastFrame((*SIZE, 3), horizon=2), fps=10.0)
    np.save(tmp_path / "clip.npy", moving_frames(9, SIZE))
    arguments = [f"--model={run}", f"--input={tmp_path / 'clip.npy'}", "--context_frames=3"]
    for more, forecasts in (([], 4), (["--source_fps=20"], 2)):  # Of 9 frames, and of 5.
        predict.main([*arguments, *more, f"--output={tmp_path / 'out.npy'}"])
        assert len(np.load(tmp_path / "out.npy")) == forecasts
