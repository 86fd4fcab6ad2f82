"""Arrays of frames in files, one or many, and arrays of something else."""

import re
import tracemalloc
import zipfile

import h5py
import numpy as np
import pytest
from true_formats import moving_frames

from iprnn_tf.data.videos import find_videos, open_videos

COLOUR = moving_frames(4, (16, 24))
GREY = COLOUR[..., :1]


AXES = "NTHWC"
SIZES = dict(zip(AXES, (2, 7, 16, 24, 3), strict=True))


@pytest.mark.parametrize(
    ("order", "sizes"),
    [
        ("TCHW", {}),
        ("TCHW", {"C": 1}),
        ("NTCHW", {}),
        ("NTCHW", {"C": 1}),
        ("NCTHW", {}),
        ("NHWT", {"H": 24}),
        ("NTHW", {"H": 24}),
        ("NTHW", {}),
        ("NHWT", {}),
    ],
)
def test_the_advice_on_axes_makes_videos_of_the_array(tmp_path, order, sizes):
    """Whichever sentence names the order of the array, its code is run."""
    sizes = SIZES | sizes
    kept = [axis for axis in AXES if axis in order]
    wanted = np.random.default_rng(0).random([sizes[axis] for axis in kept])
    given = np.transpose(wanted, [kept.index(axis) for axis in order])
    with pytest.raises(ValueError, match=r"Received: one\.npy of shape") as caught:
        _read(_written(tmp_path / "one.npy", given))
    advice = str(caught.value).partition("Received")[2]
    named = f"({', '.join(order)})"
    assert named in advice
    if sizes["H"] == sizes["W"]:
        assert "or" not in advice.split("Order the axes")[1].split()
    if "C" in order:
        code = re.search(r"numpy\.moveaxis.*\)", advice)[0]
    else:
        code = re.search(
            rf"(\S+(?: -1, 1\))?\[\.\.\., None\]) where it is {re.escape(named)}", advice
        )[1]
    mended = eval(code, {"numpy": np, "array": given})
    np.testing.assert_array_equal(mended, wanted if "C" in order else wanted[..., None])


def _read(path):
    return {
        video.name: np.stack([frame.pixels for frame in video.frames()])
        for video in open_videos(path)
    }


def _written(path, array):
    if path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".npz":
        np.savez_compressed(path, frames=array)
    else:
        with h5py.File(path, "w") as file:
            file["frames"] = array
    return path


@pytest.mark.parametrize("name", ["one.npy", "one.npz", "one.h5", "one.HDF5", "one.hdf"])
def test_axes_say_whether_it_is_grey_or_colour_or_many(tmp_path, name):
    path = _written(tmp_path / name, GREY[..., 0])
    key = "" if name == "one.npy" else "[frames]"
    np.testing.assert_array_equal(_read(path)[f"{name}{key}"], GREY)
    np.testing.assert_array_equal(_read(_written(path, COLOUR))[f"{name}{key}"], COLOUR)
    many = _read(_written(path, np.stack([COLOUR, COLOUR[::-1]])))
    assert list(many) == [f"{name}{key}[0]", f"{name}{key}[1]"]
    np.testing.assert_array_equal(many[f"{name}{key}[1]"], COLOUR[::-1])


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
@pytest.mark.parametrize("dtype", ["float64", "float32", "float16", "uint16", "int8", ">f4"])
def test_numbers_keep_their_type_and_have_no_time(tmp_path, suffix, dtype):
    array = (COLOUR // 3).astype(dtype)
    (video,) = open_videos(_written(tmp_path / f"one{suffix}", array))
    for frame, expected in zip(video.frames(), array, strict=True):
        assert frame.pixels.dtype == array.dtype
        assert frame.seconds is None
        np.testing.assert_array_equal(frame.pixels, expected)


def test_booleans_are_black_and_white(tmp_path):
    (frames,) = _read(_written(tmp_path / "one.npy", GREY[..., 0] > 100)).values()
    np.testing.assert_array_equal(frames, np.where(GREY > 100, 255, 0))
    assert frames.dtype == np.uint8


def test_an_array_in_columns_first_is_the_same(tmp_path):
    for name in ("one.npy", "one.npz"):
        (frames,) = _read(_written(tmp_path / name, np.asfortranarray(COLOUR))).values()
        np.testing.assert_array_equal(frames, COLOUR)


def test_archives_hold_several_and_other_things(tmp_path):
    np.savez(tmp_path / "one.npz", train=COLOUR, test=GREY, mean=np.zeros((16, 24)), name="it")
    assert list(_read(tmp_path / "one.npz")) == ["one.npz[train]", "one.npz[test]"]
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["deep/er/train"] = COLOUR
        file["labels"] = np.arange(4)
        file["name"] = "it"
        file["loop"] = h5py.SoftLink("/")
    assert list(_read(tmp_path / "two.h5")) == ["two.h5[deep/er/train]"]
    names = [video.name for video in find_videos(tmp_path)]
    assert names == ["one.npz[test]", "one.npz[train]", "two.h5[deep/er/train]"]


def test_an_archive_that_was_written_again_is_read_again(tmp_path):
    path = _written(tmp_path / "one.npz", COLOUR)
    _read(path)
    np.testing.assert_array_equal(_read(_written(path, GREY))["one.npz[frames]"], GREY)


def test_an_array_with_too_few_axes_is_told_so(tmp_path):
    np.save(tmp_path / "one.npy", np.zeros(7))
    with pytest.raises(ValueError, match=r"of shape \(7,\).*Add the axes that are missing"):
        open_videos(tmp_path / "one.npy")


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 20, 16, 24)),
        np.zeros((2, 4, 20, 16, 24)),
        np.zeros((1, 2, 4, 20, 16, 3)),
        np.zeros((0, 16, 24, 3)),
        COLOUR.astype(complex),
        np.full((4, 16, 24), "a"),
    ],
)
@pytest.mark.parametrize("suffix", [".npy", ".npz"])
def test_an_array_of_something_else_is_answered_with_the_rule(tmp_path, array, suffix):
    path = _written(tmp_path / f"one{suffix}", array)
    with pytest.raises(
        ValueError, match=r"\(T, H, W\) for grey.*Received: .*one.*(array\[\.\.\., None|moveaxis)"
    ):
        open_videos(path)


@pytest.mark.parametrize("suffix", [".npz", ".h5"])
def test_a_file_without_frames_is_named(tmp_path, suffix):
    with pytest.raises(ValueError, match=rf"one\{suffix} with no array of three axes"):
        open_videos(_written(tmp_path / f"one{suffix}", np.zeros((3, 4))))
    (tmp_path / "flat.npy").touch()
    with pytest.raises(ValueError, match=r"of shape \(3, 4\)"):
        open_videos(_written(tmp_path / "flat.npy", np.zeros((3, 4))))


def test_python_objects_are_never_loaded(tmp_path):
    objects = np.full((4, 16, 24), {}, dtype=object)
    np.save(tmp_path / "one.npy", objects, allow_pickle=True)
    np.savez(tmp_path / "one.npz", frames=objects)
    for name in ("one.npy", "one.npz"):
        with pytest.raises(ValueError, match=name):
            open_videos(tmp_path / name)


@pytest.mark.parametrize("suffix", [".npy", ".npz", ".h5"])
def test_a_damaged_array_is_named(tmp_path, suffix):
    path = _written(tmp_path / f"one{suffix}", COLOUR)
    data = path.read_bytes()
    for length in (0, 20, len(data) // 2, len(data) - 1):
        path.write_bytes(data[:length])
        with pytest.raises(ValueError, match=rf"one\{suffix}, which can't be read"):
            _read(path)


def test_an_archive_that_promises_more_than_it_has_is_refused(tmp_path):
    header = (
        b"\x93NUMPY\x01\x00v\x00"
        + str({"descr": "|u1", "fortran_order": False, "shape": (1 << 20, 1 << 20, 3)})
        .encode()
        .ljust(117)
        + b"\n"
    )
    with zipfile.ZipFile(tmp_path / "one.npz", "w") as file:
        file.writestr("frames.npy", header)
    with pytest.raises(ValueError, match="128 bytes are too few"):
        open_videos(tmp_path / "one.npz")


@pytest.mark.parametrize("suffix", [".npy", ".h5"])
def test_frames_are_read_one_by_one(tmp_path, suffix):
    path = _written(tmp_path / f"one{suffix}", np.zeros((200, 64, 96, 3), np.float32))
    next(open_videos(path)[0].frames())  # Imports what it needs.
    tracemalloc.start()
    for _ in open_videos(path)[0].frames():
        pass
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000  # All frames have 15 MB.


@pytest.mark.parametrize("shape", [(40, 64, 96), (2, 40, 64, 96, 1)])
def test_chunks_of_hdf5_are_unpacked_once(tmp_path, shape, monkeypatch):
    frames = np.random.default_rng(0).integers(0, 9, shape).astype("uint16")
    chunks = (1,) * (len(shape) == 5) + (20, 16, 24) + (1,) * (len(shape) == 5)
    with h5py.File(tmp_path / "one.h5", "w") as file:
        file.create_dataset("frames", data=frames, chunks=chunks, compression="gzip")
    caches = []
    opened = h5py.File

    def noted(path, **options):
        caches.append(options.get("rdcc_nbytes"))
        return opened(path, **options)

    monkeypatch.setattr(h5py, "File", noted)
    monkeypatch.setattr("iprnn_tf.data.arrays._SMALL_CACHE", 0)
    videos = list(_read(tmp_path / "one.h5").values())
    np.testing.assert_array_equal(np.reshape(videos, shape), frames)
    assert set(filter(None, caches)) == {20 * 64 * 96 * 2}  # One layer: all that a frame touches.
