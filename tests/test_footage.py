"""Data sets of real video: which recordings are found, how they are split and cut.

The first checks are for every data set: a new one joins by a row in `LAYOUTS`.
"""

import numpy as np
import pytest
from true_formats import (
    moving_frames,
    write_kitti_drive,
    write_picture_folder,
    write_seq,
    write_video,
)

from iprnn_tf.data import FOOTAGE
from iprnn_tf.data.caltech_pedestrian import split_by_set
from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.footage import Cut
from iprnn_tf.data.kitti import CATEGORIES, DRIVES, TEST_DRIVES, VALIDATION_DRIVES
from iprnn_tf.data.video_folder import split_by_file

FRAMES = moving_frames(12, (25, 41))


def names(dataset, folder):
    return [video.name for video in FOOTAGE[dataset].find(folder)]


def splits(dataset, folder):
    return FOOTAGE[dataset].split(names(dataset, folder))


def _drives(folder):
    for drive in (1, 5, 104):
        write_kitti_drive(folder, FRAMES[:2], drive=drive)


def _recordings(folder):
    for part in ("set00", "set05", "set06"):
        (folder / part).mkdir()
        write_seq(folder / part / "V000.seq", FRAMES[:2])


def _clips(folder):
    for split in SPLITS:
        write_picture_folder(folder / split / "clip", FRAMES[:2])


# What writes one short recording of each split, as the data set lies on disk.
LAYOUTS = {
    "kitti": _drives,
    "caltech": _recordings,
    "video": _clips,
}


def test_every_data_set_of_footage_has_a_row():
    assert set(LAYOUTS) == set(FOOTAGE)


@pytest.mark.parametrize("dataset", LAYOUTS)
def test_recordings_are_found_split_and_cut(dataset, tmp_path):
    LAYOUTS[dataset](tmp_path)
    assert sorted(splits(dataset, tmp_path).values()) == sorted(SPLITS)
    footage = FOOTAGE[dataset]
    cut = footage.cut(Cut())
    for video in footage.find(tmp_path):
        frame = next(cut.frames(video))
        assert frame.dtype == np.uint8
        assert frame.shape == (*(footage.image_size or FRAMES.shape[1:3]), 3)


@pytest.mark.parametrize("dataset", sorted(set(LAYOUTS) - {"video"}))
def test_a_folder_of_something_else_is_answered_with_how_it_should_lie(tmp_path, dataset):
    write_picture_folder(tmp_path / "holiday", FRAMES[:1])
    with pytest.raises(ValueError, match=r"is a folder with .*Received: .*with none\. Unpack"):
        FOOTAGE[dataset].find(tmp_path)


@pytest.fixture(name="kitti")
def _kitti(tmp_path):
    _drives(tmp_path)
    return tmp_path


def test_kitti_is_split_by_drive_as_prednet_does(kitti):
    drive = "2011_09_26/2011_09_26_drive_{:04d}_sync/image_03/data"
    assert splits("kitti", kitti) == {
        drive.format(1): "train",
        drive.format(5): "validation",
        drive.format(104): "test",
    }


def test_kitti_takes_the_right_camera_and_driving_alone(kitti):
    before = names("kitti", kitti)
    for camera in ("image_00", "image_02"):
        write_kitti_drive(kitti, FRAMES[:1], drive=1, camera=camera)
    write_kitti_drive(kitti, FRAMES[:1], date="2011_09_28", drive=53)  # A person.
    write_kitti_drive(kitti, FRAMES[:1], drive=119)  # Calibration.
    assert names("kitti", kitti) == before
    extract = write_kitti_drive(kitti, FRAMES[:1], drive=1).parents[1]
    extract.rename(extract.with_name(extract.name.replace("_sync", "_extract")))
    write_kitti_drive(kitti, FRAMES[:1], drive=1, camera="image_02")
    assert "extract/image_03" in names("kitti", kitti)[0]
    write_kitti_drive(kitti, FRAMES[:1], drive=2, camera="image_02")
    assert len(names("kitti", kitti)) == len(before) + 1


def test_kitti_lists_the_drives_of_prednet():
    counts = [
        sum(len(drives.split()) for drives in dates.values()) for dates in CATEGORIES.values()
    ]
    assert counts == [28, 21, 12]
    assert len(DRIVES) == 61
    assert {*TEST_DRIVES, *VALIDATION_DRIVES} < DRIVES


def test_caltech_beside_kitti_is_the_test(kitti):
    for part in ("set00", "set06"):
        (kitti / part).mkdir()
        write_seq(kitti / part / "V000.seq", FRAMES)
    found = splits("kitti", kitti)
    assert [name for name, split in found.items() if split == "test"] == ["set06/V000.seq"]
    assert sorted(found.values()) == ["test", "train", "validation"]
    recording = FOOTAGE["kitti"].find(kitti)[-1]
    assert [round(frame.seconds, 6) for frame in recording.frames()] == [0.0, 0.1, 0.2, 0.3]
    drive = FOOTAGE["kitti"].find(kitti)[0]
    assert len(list(drive.frames())) == 2


def test_caltech_is_split_by_set_and_slowed_to_ten_frames_a_second(tmp_path):
    for part in ("set01", "set05", "set10"):
        (tmp_path / part).mkdir()
        write_seq(tmp_path / part / "V003.seq", FRAMES, coding="png")
    write_video(tmp_path / "set01" / "V003.avi", FRAMES)  # A copy of the first.
    write_video(tmp_path / "set01" / "V004.avi", FRAMES)
    (tmp_path / "videos" / "set10").mkdir(parents=True)
    write_video(tmp_path / "videos" / "set10" / "V003.avi", FRAMES)  # Another.
    write_picture_folder(tmp_path / "annotations", FRAMES[:1])
    assert splits("caltech", tmp_path) == {
        "set01/V003.seq": "train",
        "set01/V004.avi": "train",
        "set05/V003.seq": "validation",
        "set10/V003.seq": "test",
    }
    footage = FOOTAGE["caltech"]
    cut = footage.cut(Cut(image_size=(25, 41)))
    for video in footage.find(tmp_path):
        np.testing.assert_array_equal(np.stack(list(cut.frames(video))), FRAMES[::3])
    assert footage.cut(Cut()).image_size == (128, 160)
    assert footage.cut(Cut(fps=5.0)).fps == 5.0
    every = footage.cut(Cut(image_size=(25, 41), fps=0.0))
    assert every.fps is None
    assert len(list(every.frames(footage.find(tmp_path)[0]))) == len(FRAMES)


def test_recordings_of_caltech_are_known_by_their_names():
    recordings = ["usa/set06/set06/V000.seq", "usa/set07/V000.seq", "seqs/set10_V011.avi"]
    assert set(split_by_set(recordings).values()) == {"test"}


def test_files_are_split_by_chance_but_always_in_the_same_way():
    videos = [f"clip{index}.mp4" for index in range(40)]
    parts = split_by_file(videos)
    held_out = [list(parts.values()).count(split) for split in ("validation", "test")]
    assert all(1 <= count <= 8 for count in held_out)
    assert split_by_file(videos[::-1]) == parts
    assert sorted(split_by_file(["a", "b", "c"]).values()) == ["test", "train", "validation"]
    assert split_by_file(["a", "b"]) == {}


def test_videos_that_join_others_hardly_move_them():
    videos = [f"clip{index}.mp4" for index in range(200)]
    before, after = split_by_file(videos[:150]), split_by_file(videos)
    assert before.items() <= after.items()


def test_folders_called_after_splits_decide():
    videos = ["train/a.mp4", "train/b/c.mp4", "validation/d.mp4", "test/e.mp4"]
    assert split_by_file(videos) == dict(
        zip(videos, ["train", "train", "validation", "test"], strict=True)
    )
    for names, found in {
        ("train/a.mp4", "test/b.mp4"): "no validation",
        (*videos, "f.mp4"): "f.mp4 outside of them",
    }.items():
        with pytest.raises(ValueError, match=f"Received: {found}"):
            split_by_file(names)


def test_errors_name_the_video(tmp_path):
    write_picture_folder(tmp_path / "fotos ü", FRAMES)
    (video,) = FOOTAGE["video"].find(tmp_path)
    with pytest.raises(ValueError, match=r"fotos ü: .*--source_fps"):
        list(Cut(fps=5.0).frames(video))
    assert len(list(Cut(fps=5.0, source_fps=10.0).frames(video))) == 6
