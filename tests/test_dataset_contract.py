"""What every data set promises, checked for each row of one table."""

import functools
import itertools

import numpy as np
import pytest
from contributing_page import shown
from prepared_videos import prepare

from iprnn_tf.data import DATASETS, MovingMNIST, VideoWindows

SMALL = {"num_frames": 4, "image_size": (34, 40)}
SHAPE = (4, 34, 40, 1)


def drawn(data, **settings):
    """A row of drawn sequences: how to create it, and the sizes of its held-out splits."""
    return lambda folder: (functools.partial(data, **SMALL, **settings), (1000, 3000))


def footage(protocol, sizes):
    """A row of real video, of three recordings of 43 frames."""

    def create(folder):
        noise = np.random.default_rng(0).integers(0, 256, (3, 43, *SHAPE[1:]), np.uint8)
        prepare(folder, dict(zip("abc", noise, strict=True)))
        return functools.partial(VideoWindows, folder, protocol=protocol, num_frames=4), sizes

    return create


ROWS = {
    "canonical": drawn(MovingMNIST, protocol="canonical"),
    "svg": drawn(MovingMNIST, protocol="svg"),
    "three digits": drawn(MovingMNIST, num_digits=3),
    "that of CONTRIBUTING": drawn(shown("iprnn_tf/data/gratings.py").DriftingGratings),
    "video, paper": footage("paper", (40, 40)),
    "video, prednet": footage("prednet", (10, 10)),
    "video, openstl": footage("openstl", (10, 10)),
}


@pytest.fixture(scope="module", params=ROWS, name="row")
def _row(request, tmp_path_factory):
    return ROWS[request.param](tmp_path_factory.mktemp("prepared"))


@pytest.fixture(name="create")
def _create(row):
    return row[0]


def first(frames, count):
    return np.stack(list(frames.take(count).as_numpy_iterator()))


def test_every_data_set_has_a_row(tmp_path):
    rows = [create(tmp_path / name)[0] for name, create in ROWS.items()]
    assert {row.func for row in rows} >= set(DATASETS.values())


def test_windows_are_uint8_frames_of_the_declared_shape(create):
    dataset = create()
    frames = dataset.frames("train")
    assert frames.element_spec.dtype == "uint8"
    assert tuple(frames.element_spec.shape) == (4, *dataset.image_shape) == SHAPE
    window = next(frames.as_numpy_iterator())
    assert all(frame.max() > 100 for frame in window)


def test_a_window_depends_on_its_index_alone(create):
    whole = first(create().frames("train"), 135)
    for start in (1, 63, 64, 130):
        np.testing.assert_array_equal(first(create().frames("train", start), 3), whole[start:][:3])
    batched = next(create().frames("train").batch(7).as_numpy_iterator())
    np.testing.assert_array_equal(batched, whole[:7])


def test_windows_differ_from_each_other(create):
    windows = first(create().frames("train"), 10)
    assert len({window.tobytes() for window in windows}) == 10


def test_the_seed_changes_training_windows_alone(create):
    assert (first(create().frames("train"), 9) != first(create(seed=1).frames("train"), 9)).any()
    for split in ("validation", "test"):
        held_out = [first(create(seed=seed).frames(split), 3) for seed in (0, 1)]
        np.testing.assert_array_equal(*held_out)


def test_held_out_splits_have_a_size_and_training_never_ends(row):
    create, sizes = row
    splits = [create().frames(split) for split in ("validation", "test")]
    assert tuple(int(frames.cardinality()) for frames in splits) == sizes
    assert sum(1 for _ in create().frames("test", start=sizes[1] - 10)) == 10
    assert sum(1 for _ in itertools.islice(create().frames("train"), 1100)) == 1100


def test_splits_are_different(create):
    splits = [
        first(create().frames(split), 2).tobytes() for split in ("train", "validation", "test")
    ]
    assert len(set(splits)) == 3


def test_an_unknown_split_is_answered_with_the_known_ones(create):
    with pytest.raises(ValueError, match=r"train, validation, test.*'dev'"):
        create().frames("dev")


def test_an_unknown_protocol_is_answered_with_the_known_ones(create):
    with pytest.raises(ValueError, match=f"{', '.join(create().protocols)}.*'mine'"):
        create(protocol="mine")
