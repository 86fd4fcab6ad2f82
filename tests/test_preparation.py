"""From raw video to prepared video: interrupted, resumed, checked, and with bad files."""

import concurrent.futures
import itertools

import numpy as np
import pytest
from prepared_videos import prepare, video

from iprnn_tf.data import preparation
from iprnn_tf.data.footage import Cut
from iprnn_tf.data.preparation import MAX_SHARDS, Preparation
from iprnn_tf.data.prepared import PreparedVideo
from iprnn_tf.data.recordings import Frame, Video
from iprnn_tf.data.video_folder import split_by_file
from iprnn_tf.data.videos import find_videos

NOISE = np.random.default_rng(0).integers(0, 256, (5, 12, 6, 8, 3), np.uint8)
VIDEOS = {f"clip{index}": frames for index, frames in enumerate(NOISE)}


def bad(name, after=2):
    """A video that can't be read to its end."""

    def frames():
        yield from (Frame(pixels, None) for pixels in NOISE[0, :after])
        raise ValueError(f"{name} is damaged.")

    return Video(name, frames)


def interrupted(*arguments):
    raise KeyboardInterrupt


def run(videos, folder, **settings):
    return Preparation(videos, Cut(), split_by_file, folder, **settings)


def read(ready, name):
    segment = next(segment for segment in ready.segments if segment.video == name)
    return ready.records.read(ready.folder / segment.shard, segment.first, segment.frames)


def test_every_video_is_there_whole_and_in_one_split(tmp_path):
    ready = prepare(tmp_path, VIDEOS)
    for name, frames in VIDEOS.items():
        np.testing.assert_array_equal(read(ready, name), frames)
    videos = {split: ready.videos(split) for split in ("train", "validation", "test")}
    assert sorted(itertools.chain(*videos.values())) == sorted(VIDEOS)
    assert {split: len(names) for split, names in videos.items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }


def test_what_people_would_not_see_is_told(tmp_path):
    def clip(name, frames, fps):
        return Video(name, lambda: (Frame(f, i / fps) for i, f in enumerate(frames)))

    copied = [clip(name, NOISE[0], 10) for name in ("train/a", "validation/b", "test/c")]
    ready = run([*copied, clip("train/d", NOISE[1], 60)], tmp_path).run()
    same = "is for train, and has the same frames as {} for {}: keep one"
    assert ready.remarks == (
        ("train/a", same.format("validation/b", "validation")),
        ("train/a", same.format("test/c", "test")),
        ("train/a", "has 10 frames a second, train/d 60; --fps makes them even"),
    )
    assert run([*copied, clip("train/d", NOISE[1], 60)], tmp_path).run() == ready


def test_fewer_than_three_videos_are_cut_over_time(tmp_path):
    ready = prepare(tmp_path, {"long": NOISE.reshape(60, 6, 8, 3)})
    parts = [(part.split, part.first, part.frames) for part in ready.segments]
    assert parts == [("train", 0, 48), ("validation", 48, 6), ("test", 54, 6)]


def test_frames_in_other_units_take_sixteen_bits(tmp_path):
    celsius = np.random.default_rng(0).uniform(-40, 50, (12, 6, 8, 1)).astype("float32")
    ready = prepare(tmp_path, {"a": celsius}, value_range=(-40.0, 50.0))
    stored = np.concatenate([
        ready.records.read(tmp_path / part.shard, part.first, part.frames)
        for part in ready.segments
    ])  # fmt: skip
    assert stored.dtype == np.uint16
    np.testing.assert_allclose(stored / 65535 * 90 - 40, celsius, atol=90 / 65535)
    assert ready.settings["cut"]["value_range"] == [-40.0, 50.0]


def test_large_frames_come_down_to_the_papers_size_and_small_ones_stay(tmp_path):
    large = np.zeros((3, 200, 260, 3), np.uint8)
    assert prepare(tmp_path / "large", {"a": large}).records.shape == (128, 160, 3)
    assert prepare(tmp_path / "small", {"a": large[:, :60, :70]}).records.shape == (60, 70, 3)
    assert prepare(tmp_path / "wide", {"a": large[:, :60]}).records.shape == (60, 160, 3)
    given = prepare(tmp_path / "given", {"a": large}, image_size=(50, 60), channels=1)
    assert given.records.shape == (50, 60, 1)


def test_many_tiny_videos_share_files(tmp_path):
    videos = {f"clip{index}": NOISE[0, index % 10 :][:2] for index in range(MAX_SHARDS + 44)}
    ready = prepare(tmp_path, videos)
    assert len(list(tmp_path.glob("*.tfrecord"))) <= MAX_SHARDS
    for name in ("clip0", "clip1", "clip299"):
        np.testing.assert_array_equal(read(ready, name), videos[name])


def files_of(folder, names):
    """Videos that are read from files, so that changes are seen."""
    for name, frames in names.items():
        np.save(folder / f"{name}.npy", frames)
    return find_videos(folder)


def written(folder):
    return {file.name: file.stat().st_mtime_ns for file in folder.glob("*.tfrecord")}


@pytest.fixture(name="one_by_one")
def _one_by_one(monkeypatch):
    monkeypatch.setattr(preparation.os, "cpu_count", lambda: 1)


def test_what_was_finished_before_an_interruption_is_kept(tmp_path, one_by_one):
    with pytest.raises(ValueError, match="damaged"):
        run([video("a", NOISE[0]), video("b", NOISE[1]), bad("c")], tmp_path).run()
    assert sorted(written(tmp_path)) == ["00000.tfrecord", "00001.tfrecord"]
    assert not list(tmp_path.glob("*unfinished*"))
    assert not (tmp_path / "index.json").exists()
    done = written(tmp_path)
    ready = prepare(tmp_path, {"a": NOISE[3], "b": NOISE[3], "c": NOISE[2]})
    assert done.items() <= written(tmp_path).items()
    np.testing.assert_array_equal(read(ready, "a"), NOISE[0])  # In memory nothing tells changes.
    np.testing.assert_array_equal(read(ready, "c"), NOISE[2])


def test_a_shard_without_its_note_is_written_again(tmp_path):
    prepare(tmp_path, VIDEOS)
    (tmp_path / "index.json").unlink()
    for note in tmp_path.glob("*.json"):  # As after a kill at the worst moment.
        note.unlink()
    np.testing.assert_array_equal(read(prepare(tmp_path, VIDEOS), "clip3"), NOISE[3])


def test_videos_that_changed_are_read_again(tmp_path):
    (tmp_path / "raw").mkdir()
    videos = files_of(tmp_path / "raw", VIDEOS)
    run(videos, tmp_path / "ready").run()
    before = written(tmp_path / "ready")
    np.save(tmp_path / "raw" / "clip2.npy", NOISE[0, :7])
    ready = run(videos, tmp_path / "ready").run()
    np.testing.assert_array_equal(read(ready, "clip2.npy"), NOISE[0, :7])
    assert len(before.items() & written(tmp_path / "ready").items()) == 4


def test_a_preparation_that_grows_and_fails_leaves_no_index_behind(tmp_path, one_by_one):
    prepare(tmp_path, VIDEOS)
    with pytest.raises(ValueError, match="damaged"):
        run([video("before", NOISE[0]), bad("clip0"), video("z", NOISE[1])], tmp_path).run()
    with pytest.raises(ValueError, match=r"index\.json"):
        PreparedVideo.read(tmp_path)


def test_fewer_videos_leave_no_old_shards(tmp_path):
    prepare(tmp_path, VIDEOS)
    prepare(tmp_path, {name: VIDEOS[name] for name in ("clip0", "clip1", "clip2")})
    names = {file.name for file in tmp_path.iterdir()} - {".lock", "index.json"}
    assert len(names) == 6


def test_two_programs_never_write_to_one_folder(tmp_path):
    def frames():
        with pytest.raises(ValueError, match="to which another is writing"):
            prepare(tmp_path, VIDEOS)
        yield Frame(NOISE[0, 0], None)

    first = run([video("a", NOISE[0]), Video("b", frames)], tmp_path).run()
    assert first.frames("train") > 0


def test_ctrl_c_stops_all_readers_and_leaves_no_half_file(tmp_path, monkeypatch):
    def interrupt(futures):
        next(iter(futures))
        raise KeyboardInterrupt

    monkeypatch.setattr(concurrent.futures, "as_completed", interrupt)
    endless = Video("endless", lambda: iter(lambda: Frame(NOISE[0, 0], None), None))
    with pytest.raises(KeyboardInterrupt):
        run([endless, video("b", NOISE[1]), video("c", NOISE[1])], tmp_path).run()
    assert not (tmp_path / "00000.tfrecord").exists()
    assert not list(tmp_path.glob("*unfinished*"))


def test_a_finished_preparation_is_checked_and_mended(tmp_path):
    prepare(tmp_path, VIDEOS)
    shard = tmp_path / "00001.tfrecord"
    good = shard.read_bytes()
    shard.write_bytes(good[:100] + b"!" + good[101:])
    prepare(tmp_path, VIDEOS)
    assert shard.read_bytes() == good


def test_bad_files_are_skipped_and_listed_only_when_asked(tmp_path):
    videos = [bad("first", 0), video("a", NOISE[0]), bad("late"), video("empty", NOISE[0][:0])]
    videos += [video("b", NOISE[1]), video("c", NOISE[2])]
    with pytest.raises(ValueError, match="first is damaged"):
        run(videos, tmp_path / "strict").run()
    ready = run(videos, tmp_path / "lenient", skip_bad_files=True).run()
    assert sorted(ready.skipped) == ["empty", "first", "late"]
    assert "late is damaged" in ready.skipped["late"]
    assert sorted(segment.video for segment in ready.segments) == ["a", "b", "c"]
    for name, frames in zip("abc", NOISE, strict=False):
        np.testing.assert_array_equal(read(ready, name), frames)
    with pytest.raises(ValueError, match=r"2 that are not; the first: .*first is damaged"):
        run([bad("first", 0), bad("second", 0)], tmp_path / "none", skip_bad_files=True).run()


def test_skipped_files_are_tried_again_without_the_flag(tmp_path):
    run([video("a", NOISE[0]), bad("b")], tmp_path, skip_bad_files=True).run()
    with pytest.raises(ValueError, match="b is damaged"):
        run([video("a", NOISE[0]), bad("b")], tmp_path).run()


def test_the_index_stays_while_what_is_bad_is_tried_again(tmp_path, monkeypatch):
    videos = [video("a", NOISE[0]), bad("b")]
    run(videos, tmp_path, skip_bad_files=True).run()
    monkeypatch.setattr("iprnn_tf.data.preparation._index", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run(videos, tmp_path, skip_bad_files=True).run()
    assert PreparedVideo.read(tmp_path).skipped.keys() == {"b"}


def test_skipped_files_are_tried_again_though_they_are_the_same(tmp_path):
    run([video("a", NOISE[0]), bad("b")], tmp_path, skip_bad_files=True).run()
    readable = [video("a", NOISE[0]), video("b", NOISE[1])]  # With PyAV, say.
    ready = run(readable, tmp_path, skip_bad_files=True).run()
    assert not ready.skipped
    assert {segment.video for segment in ready.segments} == {"a", "b"}


def test_another_folder_or_preparation_is_never_written_over(tmp_path):
    (tmp_path / "thesis.txt").write_text("mine")
    with pytest.raises(ValueError, match=r"holds thesis\.txt"):
        prepare(tmp_path, VIDEOS)
    prepare(tmp_path / "prepared", VIDEOS)
    with pytest.raises(ValueError, match="prepared in another way"):
        prepare(tmp_path / "prepared", VIDEOS, image_size=(4, 4))


@pytest.mark.slow
def test_ten_thousand_tiny_files_are_prepared(tmp_path):
    (tmp_path / "raw").mkdir()
    tiny = {f"clip{index}": NOISE[0, index % 10 :][:2] for index in range(10_000)}
    ready = run(files_of(tmp_path / "raw", tiny), tmp_path / "ready").run()
    assert sum(map(ready.frames, ("train", "validation", "test"))) == 20_000
    np.testing.assert_array_equal(read(ready, "clip9999.npy"), tiny["clip9999"])


def test_progress_counts_videos_and_frames(tmp_path):
    counts = []
    run([video(*item) for item in VIDEOS.items()], tmp_path).run(lambda *new: counts.append(new))
    assert np.sum(counts, axis=0).tolist() == [5, 60]
