"""Recordings found in files and folders, whatever their format."""

import os

import h5py
import numpy as np
import pytest
from true_formats import (
    moving_frames,
    write_gif,
    write_kitti_drive,
    write_picture_folder,
    write_seq,
    write_video,
)

from iprnn_tf.data.videos import find_videos, kinds, open_videos

FRAMES = moving_frames(3)


def _pixels(video):
    return np.stack([frame.pixels for frame in video.frames()])


def _written(folder):
    """One recording of every kind, with what must come back."""
    folder.mkdir(exist_ok=True)
    np.save(folder / "array.npy", FRAMES)
    np.savez(folder / "archive.npz", array=FRAMES)
    with h5py.File(folder / "table.h5", "w") as file:
        file["array"] = FRAMES
    write_picture_folder(folder / "pictures", FRAMES)
    write_gif(folder / "animation.gif", FRAMES)
    write_seq(folder / "camera.seq", FRAMES, coding="png")
    write_video(folder / "clip.MKV", FRAMES)
    return folder


def test_every_format_is_found_by_its_suffix_and_read_without_loss(tmp_path):
    videos = find_videos(_written(tmp_path / "Vidéos 影片"))
    assert [video.name for video in videos] == [
        "animation.gif",
        "archive.npz[array]",
        "array.npy",
        "camera.seq",
        "clip.MKV",
        "pictures",
        "table.h5[array]",
    ]
    for video in videos[1:]:  # A GIF has 256 colours.
        np.testing.assert_array_equal(_pixels(video), FRAMES, err_msg=video.name)


def test_a_video_can_be_read_again_and_left_half_way(tmp_path):
    for video in find_videos(_written(tmp_path)):
        begun = video.frames()
        next(begun)
        assert len(_pixels(video)) == len(_pixels(video)) == 3
        begun.close()


def test_names_are_paths_in_the_order_of_their_numbers(tmp_path):
    for name in ("b2", "b10", "b10/deeper", "a/x", "B1"):
        write_picture_folder(tmp_path / name, FRAMES[:1])
    names = [video.name for video in find_videos(tmp_path)]
    assert names == ["a/x", "B1", "b2", "b10", "b10/deeper"]
    assert [video.name for video in find_videos(tmp_path / "b2")] == ["."]
    assert open_videos(tmp_path / "b2")[0].name == "b2"
    assert open_videos(tmp_path / "b2", "mine")[0].name == "mine"


def test_hidden_and_unknown_files_are_left_out(tmp_path):
    write_picture_folder(tmp_path / "seen", FRAMES[:2])
    write_picture_folder(tmp_path / ".hidden", FRAMES)
    (tmp_path / "seen" / "._frame0.png").write_bytes(b"what a Mac leaves")
    (tmp_path / "seen" / "notes.txt").write_text("no picture")
    (tmp_path / ".trash.mp4").write_bytes(b"nothing")
    (video,) = find_videos(tmp_path)
    assert video.name == "seen"
    assert len(_pixels(video)) == 2
    assert len(_pixels(open_videos(tmp_path / "seen")[0])) == 2


def test_pictures_beside_video_files_are_left_out_and_told(tmp_path):
    write_picture_folder(tmp_path, FRAMES)
    write_picture_folder(tmp_path / "own", FRAMES)
    for name in ("a.mp4", "b.mp4"):
        write_video(tmp_path / name, FRAMES)
    videos = find_videos(tmp_path)
    assert [video.name for video in videos] == ["a.mp4", "b.mp4", "own"]
    assert kinds(videos) == "3 videos: 2 video files, 1 picture folder"
    (told,) = videos[0].remarks()
    assert told.startswith("pictures in its folder are left out (3, such as frame0.png)")
    assert list(videos[1].remarks()) == list(videos[2].remarks()) == []


def test_links_are_followed_once_and_circles_end(tmp_path):
    write_picture_folder(tmp_path / "elsewhere" / "drive", FRAMES)
    data = tmp_path / "data"
    data.mkdir()
    os.symlink(tmp_path / "elsewhere", data / "linked")
    os.symlink(data, tmp_path / "elsewhere" / "back")
    assert [video.name for video in find_videos(data)] == ["linked/drive"]


def test_thousands_of_pictures_are_found_before_any_is_read(tmp_path):
    folder = tmp_path / "many"
    folder.mkdir()
    for index in range(2000):
        (folder / f"{index}.png").touch()
    (video,) = find_videos(tmp_path)
    with pytest.raises(ValueError, match=r"0\.png"):
        next(video.frames())


@pytest.mark.parametrize(
    ("name", "message"),
    [("empty", "with none"), ("nowhere", "isn't there"), ("file.npy", "which is a file")],
)
def test_a_folder_without_videos_is_an_error(tmp_path, name, message):
    (tmp_path / "empty" / "deeper").mkdir(parents=True)
    (tmp_path / "file.npy").touch()
    with pytest.raises(ValueError, match=f"(?s){name}.*{message}"):
        find_videos(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "message"),
    [("empty", "with none"), ("nowhere.mp4", "isn't there"), ("file.xyz", "read from .mp4")],
)
def test_what_is_no_video_is_an_error(tmp_path, name, message):
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.xyz").touch()
    with pytest.raises(ValueError, match=message) as caught:
        open_videos(tmp_path / name)
    assert name in str(caught.value)


def test_a_folder_that_cannot_be_searched_is_named(tmp_path, monkeypatch):
    write_picture_folder(tmp_path / "seen", FRAMES)
    scan = os.scandir

    def refused(path):
        if os.path.basename(path) == "seen":
            raise PermissionError(13, "Permission denied", path)
        return scan(path)

    monkeypatch.setattr(os, "scandir", refused)
    with pytest.raises(ValueError, match=r"seen, which can't be read \(Permission denied\)"):
        find_videos(tmp_path)


def test_a_kitti_drive_is_one_video_per_camera(tmp_path):
    for camera in ("image_02", "image_03"):
        write_kitti_drive(tmp_path, FRAMES, drive=9, camera=camera)
    names = [video.name for video in find_videos(tmp_path)]
    drive = "2011_09_26/2011_09_26_drive_0009_sync"
    assert names == [f"{drive}/image_02/data", f"{drive}/image_03/data"]
