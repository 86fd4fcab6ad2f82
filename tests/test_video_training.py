"""The programs on real video: prepared, trained on, measured, and wrong where it is wrong."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
from moving_scene import moving_scene
from true_formats import write_kitti_drive, write_picture_folder, write_seq, write_video

from iprnn_tf import load_model
from iprnn_tf.data.preparation import Preparation
from iprnn_tf.data.prepared import PreparedVideo
from trainers import evaluate, prepare, train
from trainers.configuration.footage import FootageSettings, with_footage
from trainers.configuration.recipes import CONFIGS
from trainers.configuration.training_config import TrainingConfig

TINY = [
    "--filters=4",
    "--kernel_size=3",
    "--num_layers=1",
    "--num_downsamplings=1",
    "--context_frames=3",
    "--horizon=2",
    "--batch_size=4",
    "--steps=2",
    "--steps_per_epoch=2",
    "--mixed_precision=float32",
]


@pytest.fixture(name="clips", scope="module")
def _clips(tmp_path_factory):
    """Four clips of 18 x 22 pixels, each in another format."""
    folder = tmp_path_factory.mktemp("clips")
    scenes = [moving_scene(12, 18, 22, seed) for seed in range(4)]
    write_video(folder / "a.mp4", scenes[0], codec="libx264")
    write_video(folder / "b ü.avi", scenes[1])
    write_picture_folder(folder / "c", scenes[2])
    np.save(folder / "d.npy", scenes[3])
    return folder


@pytest.fixture(name="run", scope="module")
def _run(clips, tmp_path_factory):
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        train.main(["--dataset=video", f"--data_dir={clips}", *TINY, "--output=run"])
    return folder / "run"


@pytest.fixture(autouse=True)
def _in_the_folder_of_the_run(run, monkeypatch):
    monkeypatch.chdir(run.parent)


def test_one_command_trains_on_a_folder_of_anything(run):
    config = json.loads((run / "config.json").read_text())["config"]
    assert (config["dataset"], config["protocol"], config["image_size"]) == (
        "video",
        "paper",
        "18x22",
    )
    assert PreparedVideo.read(config["data_dir"]).records.shape == (18, 22, 3)
    assert load_model(run).image_shape == (18, 22, 3)
    results = json.loads((run / "metrics.json").read_text())["results"]
    assert list(results) == ["IPRNN", "CopyLastFrame", "BlackFrames"]
    row = results["CopyLastFrame"]
    assert row["mse_e-3"]["mean"] == pytest.approx(row["mse"]["mean"] * 1000 / (18 * 22 * 3))
    assert (run / "predictions.gif").exists()


def test_the_splits_are_printed_and_preparation_happens_once(clips, capsys):
    arguments = ["--dataset=video", f"--data_dir={clips}", *TINY, "--output=again"]
    train.main(arguments)
    printed = capsys.readouterr().out
    assert "Preparing" not in printed
    assert "18 x 22 x 3, windows of 5" in printed
    lines = [line.split() for line in printed.splitlines()]
    for split, videos in {"train": 2, "validation": 1, "test": 1}.items():
        assert [split, str(videos), str(12 * videos), str(8 * videos)] in lines


def footage_of(folder, dataset="video", **settings):
    config = TrainingConfig(
        dataset=dataset, protocol="paper", data_dir=str(folder), steps=1, **settings
    )
    return with_footage(config)


def test_changed_videos_are_prepared_anew_also_behind_links(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "linked").symlink_to(tmp_path / "disk")
    write_picture_folder(tmp_path / "disk" / "a", moving_scene(5, 18, 22, 0))
    first = footage_of(tmp_path / "data")
    assert footage_of(tmp_path / "data") == first
    write_picture_folder(tmp_path / "disk" / "a", moving_scene(5, 18, 22, 1))
    assert footage_of(tmp_path / "data").data_dir != first.data_dir


def test_damage_to_prepared_video_is_mended_or_told(tmp_path):
    write_picture_folder(tmp_path / "a", moving_scene(5, 18, 22, 0))
    folder = Path(footage_of(tmp_path).data_dir)
    (shard,) = folder.glob("*.tfrecord")
    good = shard.read_bytes()
    shard.write_bytes(good[:-9] + b"!" + good[-8:])
    with pytest.raises(ValueError, match=f"{shard.name} is damaged"):
        footage_of(folder)
    footage_of(tmp_path)
    assert shard.read_bytes() == good


def test_prepared_video_belongs_to_its_data_set(tmp_path):
    write_picture_folder(tmp_path / "a", moving_scene(5, 18, 22, 0))
    folder = footage_of(tmp_path).data_dir
    with pytest.raises(ValueError, match=r"prepared as video\. Give --dataset=video"):
        footage_of(folder, dataset="caltech")


def test_a_folder_of_frames_is_one_video(tmp_path):
    write_picture_folder(tmp_path, moving_scene(20, 18, 22, 0))
    config = footage_of(tmp_path, context_frames=1, horizon=1)
    assert config.build_dataset().num_windows("train") == 15


def test_the_rate_of_the_frames_is_kept_with_the_run(tmp_path):
    (tmp_path / "set00").mkdir()
    write_seq(tmp_path / "set00" / "V000.seq", moving_scene(9, 18, 22, 0))
    assert footage_of(tmp_path, dataset="caltech").fps == 10.0
    assert footage_of(tmp_path, dataset="caltech", fps=5.0).fps == 5.0


def test_a_range_keeps_all_its_digits(tmp_path):
    np.save(tmp_path / "pressure.npy", np.full((5, 18, 22, 1), 99_999.5))
    config = footage_of(tmp_path, value_range="95000,101325.4")
    assert config.limits == (95000.0, 101325.4)
    assert with_footage(config) == config


@pytest.mark.slow
def test_arrays_of_two_channels_are_trained_on_and_no_picture_is_drawn(tmp_path, capsys):
    (tmp_path / "data").mkdir()
    np.save(
        tmp_path / "data" / "wind.npy", np.repeat(moving_scene(60, 18, 22, 0)[..., :1], 2, axis=-1)
    )
    arguments = ["--dataset=video", f"--data_dir={tmp_path / 'data'}", *TINY]
    train.main([*arguments, f"--output={tmp_path / 'run'}"])
    assert load_model(tmp_path / "run").image_shape == (18, 22, 2)
    printed = capsys.readouterr().out
    assert "(model.keras, metrics.json, error.png, learning.csv)" in printed
    assert "--input=CLIP --output=prediction.npy" in printed
    train.main([*arguments, f"--init_from={tmp_path / 'run'}", f"--output={tmp_path / 'tuned'}"])
    assert load_model(tmp_path / "tuned").image_shape == (18, 22, 2)


def test_a_run_is_measured_by_the_protocols_of_other_papers(run, capsys):
    evaluate.main([f"--model={run}", "--protocol=openstl", "--context_frames=4"])
    openstl = json.loads((run / "evaluation-test-openstl-context_frames_4.json").read_text())
    assert openstl["sequences"] == 2  # Windows of 4 + 1 frames, side by side.
    assert not openstl["clipped"]
    assert "mse_e-3" not in openstl["results"]["IPRNN"]
    assert len(openstl["results"]["IPRNN"]["mse"]["per_lead_time"]) == 1
    evaluate.main([f"--model={run}", "--protocol=prednet", "--context_frames=3"])
    prednet = json.loads((run / "evaluation-test-prednet-context_frames_3.json").read_text())
    assert prednet["sequences"] == 3  # Windows of 3 + 1.
    assert len(prednet["results"]["IPRNN"]["mse_e-3"]["per_lead_time"]) == 3
    printed = capsys.readouterr().out
    assert "all true frames before it given" in printed
    assert "IPRNN per predicted frame:\n\npredicted frame " in printed  # Not per lead time.


def test_a_model_is_measured_on_other_footage_cut_as_its_own(run, tmp_path):
    (tmp_path / "set06").mkdir()
    write_seq(tmp_path / "set06" / "V000.seq", moving_scene(24, 40, 60, 7))
    (tmp_path / "set00").mkdir()
    write_seq(tmp_path / "set00" / "V000.seq", moving_scene(24, 40, 60, 8))
    arguments = [f"--model={run}", "--dataset=caltech", f"--data_dir={tmp_path}", "--sequences=3"]
    evaluate.main([*arguments, "--horizon=4"])
    name = f"evaluation-caltech-test-horizon_4-data_dir_{tmp_path.name}-sequences_3.json"
    written = json.loads((run / name).read_text())
    assert written["data"] == "caltech (paper), test split"
    assert written["sequences"] == 2  # 24 frames at 30 a second are 8 at 10, in windows of 7.
    assert len(written["results"]["IPRNN"]["mse"]["per_lead_time"]) == 4
    evaluate.main([*arguments, "--fps=0"])
    (all_frames,) = run.glob(f"evaluation-caltech*{tmp_path.name}*fps_0*.json")
    assert json.loads(all_frames.read_text())["sequences"] == 3  # Of 20.
    ready = json.loads((run / "config.json").read_text())["config"]["data_dir"]
    with pytest.raises(ValueError, match=r"keeps its settings. Received: fps 10\.0"):
        evaluate.main([f"--model={run}", f"--data_dir={ready}", "--fps=10"])


def test_kitti_is_prepared_and_trained_on(tmp_path, capsys):
    for drive in (1, 5, 104):
        write_kitti_drive(tmp_path / "raw", moving_scene(6, 20, 50, drive), drive=drive)
    arguments = ["--dataset=kitti", f"--data_dir={tmp_path / 'raw'}", "--image_size=18x22"]
    prepare.main([*arguments, f"--output={tmp_path / 'ready'}"])
    printed = capsys.readouterr().out
    assert re.search(r"^test +1 +6$", printed, re.M)
    assert f"--dataset=kitti --data_dir={tmp_path / 'ready'}" in printed
    ready = f"--data_dir={tmp_path / 'ready'}"
    train.main(["--dataset=kitti", ready, *TINY, f"--output={tmp_path / 'run'}"])
    assert load_model(tmp_path / "run").image_shape == (18, 22, 3)
    with pytest.raises(ValueError, match=r"image_size \[9, 9\].*is \[18, 22\]"):
        train.main(["--dataset=kitti", ready, "--image_size=9x9", "--output=none"])


def test_data_in_other_units_keeps_its_range_with_the_model(tmp_path):
    radar = np.random.default_rng(0).uniform(0, 70, (3, 8, 18, 22, 1)).astype("float32")
    np.save(tmp_path / "radar.npy", radar)
    arguments = ["--dataset=video", f"--data_dir={tmp_path}", "--value_range=0,70", *TINY]
    train.main([*arguments, f"--output={tmp_path / 'run'}"])
    model = load_model(tmp_path / "run")
    assert model.value_range == (0.0, 70.0)
    assert model.image_shape == (18, 22, 1)
    with pytest.raises(ValueError, match=r"radar.npy.*--value_range"):
        train.main(["--dataset=video", f"--data_dir={tmp_path}", *TINY, "--output=none"])


def test_bad_files_stop_a_run_or_are_listed_as_asked(clips, tmp_path, capsys):
    for name in "abc":
        write_picture_folder(tmp_path / name, moving_scene(5, 18, 22, 0))
    (tmp_path / "broken.mp4").write_bytes((clips / "a.mp4").read_bytes()[:400])
    arguments = ["--dataset=video", f"--data_dir={tmp_path}", "--output=prepared"]
    with pytest.raises(ValueError, match=r"broken\.mp4.*can't be read"):
        prepare.main(arguments)
    prepare.main([*arguments, "--skip_bad_files"])
    printed = capsys.readouterr().out
    assert "Videos that were skipped: 1\n  broken.mp4: " in printed


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--dataset=video"], "needs --data_dir"),
        (["--dataset=mnist", "--data_dir=clips"], "=mnist has no --data_dir. Received: .*=clips"),
        (["--dataset=mnist", "--channels=3"], "=mnist has no --channels. Received: --channels=3"),
        (["--dataset=mnist", "--fps=3", "--fps=2"], "or take --dataset=kitti or caltech or video"),
        (["--dataset=minst", "--fps=3"], "--dataset: One of mnist, kitti.*Received: 'minst'"),
        (["--dataset=video", "--num_digits=1"], "--dataset=video has no --num_digits"),
        (["--dataset=video", "--data_dir=nowhere"], "nowhere, which isn't there"),
        (["--dataset=video", "--protocol=svg"], "is one of paper, prednet, openstl. Received: svg"),
        (["--image_size=128"], "height x width.*'128'"),
        (["--image_size=0x4"], "height x width"),
        (["--dataset=video", "--value_range=5"], "two increasing numbers.*'5'"),
        (["--dataset=video", "--value_range=5,1"], "two increasing numbers"),
        (["--dataset=video", "--value_range=a,b"], "two increasing numbers"),
        (["--dataset=video", "--fps=-1"], "--fps: From 0"),
    ],
)
def test_wrong_settings_are_answered_before_any_work(arguments, message):
    with pytest.raises(ValueError, match=message):
        train.main([*arguments, "--output=none"])


def test_a_preparation_needs_to_know_what_and_where():
    for arguments in (["--output=x"], ["--dataset=video", "--data_dir=x"]):
        with pytest.raises(ValueError, match="are needed"):
            prepare.main(arguments)


def test_a_video_too_short_for_a_window_says_what_to_lower(tmp_path):
    write_picture_folder(tmp_path / "a", moving_scene(6, 18, 22, 0))
    with pytest.raises(ValueError, match=r"at least 5 frames.*'validation'"):
        train.main(["--dataset=video", f"--data_dir={tmp_path}", *TINY, "--output=none"])
    assert not Path("none").exists()


def test_grey_is_a_setting(clips):
    config = TrainingConfig(dataset="video", protocol="paper", data_dir=str(clips), channels=1)
    assert with_footage(config).build_dataset().image_shape == (18, 22, 1)


def test_the_papers_configuration_is_of_its_section_3_2():
    config = CONFIGS["kitti"]
    assert FootageSettings.cut(config).image_size is None  # KITTI's own default, 128 x 160.
    assert (config.context_frames, config.horizon) == (10, 1)
    assert (config.num_layers, config.filters, config.kernel_size) == (4, 64, 5)
    assert config.num_downsamplings == 3


@pytest.mark.slow
def test_a_short_training_beats_copying_the_last_frame(tmp_path):
    for seed in range(12):
        write_video(tmp_path / f"scene{seed}.mp4", moving_scene(60, 48, 64, seed), codec="libx264")
    run = tmp_path / "run"
    sizes = ["--filters=16", "--context_frames=5", "--horizon=3", "--steps=400"]
    train.main(["--dataset=video", f"--data_dir={tmp_path}", *sizes, f"--output={run}"])
    results = json.loads((run / "metrics.json").read_text())["results"]
    model, copying = results["IPRNN"], results["CopyLastFrame"]
    assert model["mse"]["mean"] < copying["mse"]["mean"]
    assert model["ssim_skimage"]["mean"] > copying["ssim_skimage"]["mean"]


def test_who_interrupts_the_preparation_is_told_that_it_goes_on(tmp_path, monkeypatch):
    def interrupt(self, progress):
        raise KeyboardInterrupt

    write_picture_folder(tmp_path / "a", moving_scene(5, 18, 22, 0))
    monkeypatch.setattr(Preparation, "run", interrupt)
    with pytest.raises(KeyboardInterrupt, match="Go on with the same command"):
        train.main(["--dataset=video", f"--data_dir={tmp_path}", f"--output={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()
