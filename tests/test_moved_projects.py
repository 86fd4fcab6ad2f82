"""A project that moves, or whose prepared video is gone, goes on."""

import json
import re
import shlex
import shutil
from pathlib import Path

import pytest
from moving_scene import moving_scene
from test_video_training import TINY
from true_formats import write_picture_folder

from export.inputs.source import Source
from trainers import evaluate, prepare, release, train
from trainers.configuration.run_directory import config_of


def write_clips(folder, seeds=range(4)):
    for seed in seeds:
        write_picture_folder(folder / f"clip {seed}", moving_scene(12, 18, 22, seed))


@pytest.fixture(name="trained", scope="module")
def _trained(tmp_path_factory):
    """A project: its videos, what was prepared of them, and a finished run."""
    project = tmp_path_factory.mktemp("home") / "project"
    write_clips(project / "my videos")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(project)
        train.main(["--dataset=video", "--data_dir=my videos", *TINY, "--output=runs/mine"])
    return project


@pytest.fixture(name="moved")
def _moved(trained, tmp_path, monkeypatch):
    """A copy of it elsewhere, without the original, seen from a third place."""
    shutil.copytree(trained, tmp_path / "other" / "project")
    hidden = trained.with_name("hidden")
    trained.rename(hidden)
    (tmp_path / "desk").mkdir()
    monkeypatch.chdir(tmp_path / "desk")
    yield tmp_path / "other" / "project"
    hidden.rename(trained)


def test_a_moved_project_is_resumed_measured_and_exported(moved, capsys):
    run = moved / "runs" / "mine"
    train.main([f"--resume={run}"])
    assert "is trained already" in capsys.readouterr().out
    evaluate.main([f"--model={run}", f"--output={moved / 'out.json'}"])
    settings = json.loads((moved / "out.json").read_text())["settings"]
    assert Path(settings["data_dir"]).parent == moved / "runs" / "prepared"
    assert Source.load(run)._footage(5, "test").prepared.source.endswith("my videos")


def test_a_run_that_moves_alone_finds_its_video_where_it_was(trained, tmp_path):
    shutil.copytree(trained / "runs" / "mine", tmp_path / "archive" / "mine")
    config = config_of(tmp_path / "archive" / "mine")
    assert config == config_of(trained / "runs" / "mine")
    assert Path(config.data_dir).is_dir()


def test_prepared_video_that_is_gone_is_prepared_again_by_the_command_that_is_shown(moved):
    shutil.rmtree(moved / "runs" / "prepared")
    run = moved / "runs" / "mine"
    for program, flag in ((train, "--resume"), (evaluate, "--model")):
        with pytest.raises(ValueError, match=r"isn't there.*prepare it again: ") as error:
            program.main([f"{flag}={run}"])
    _, _, name, *flags = shlex.split(re.search("again: (.*)", str(error.value))[1])
    assert name == "trainers.prepare"
    assert f"--data_dir={moved / 'my videos'}" in flags
    prepare.main(flags)
    train.main([f"--resume={run}"])


def test_a_run_goes_on_with_the_same_video_at_another_place(moved, tmp_path):
    shutil.rmtree(moved / "runs" / "prepared")
    (moved / "my videos").rename(tmp_path / "disk")
    run = moved / "runs" / "mine"
    train.main([f"--resume={run}", f"--data_dir={tmp_path / 'disk'}"])
    assert Path(config_of(run).source_dir) == tmp_path / "disk"
    evaluate.main([f"--model={run}"])


def test_a_run_does_not_go_on_with_other_video(moved, tmp_path):
    run = moved / "runs" / "mine"
    before = (run / "config.json").read_bytes()
    write_clips(tmp_path / "fewer", range(3))
    write_clips(tmp_path / "others")
    write_picture_folder(tmp_path / "others" / "clip 3", moving_scene(12, 18, 22, 7))
    for folder in ("fewer", "others"):
        with pytest.raises(ValueError, match=r"the video it began with.*--init_from="):
            train.main([f"--resume={run}", f"--data_dir={tmp_path / folder}"])
    assert (run / "config.json").read_bytes() == before


def test_a_release_does_not_tell_where_videos_lie(trained, monkeypatch, tmp_path):
    monkeypatch.chdir(trained)
    release.main(["--model=runs/mine", f"--output={tmp_path / 'preset'}"])
    released = (tmp_path / "preset" / "metadata.json").read_text()
    assert str(trained) not in released
    assert "relative" not in json.loads(released)["training"]
    assert "my videos" not in released
