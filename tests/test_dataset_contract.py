"""What every data set promises, checked for each row of one table."""

import itertools

import numpy as np
import pytest

from iprnn_tf.data import DATASETS, MovingMNIST

SMALL = {"num_frames": 4, "image_size": (34, 40)}
ROWS = {
    "canonical": lambda **kwargs: MovingMNIST("canonical", **SMALL, **kwargs),
    "svg": lambda **kwargs: MovingMNIST("svg", **SMALL, **kwargs),
    "three digits": lambda **kwargs: MovingMNIST(num_digits=3, **SMALL, **kwargs),
    "one digit": lambda **kwargs: MovingMNIST(num_digits=1, **SMALL, **kwargs),
}


@pytest.fixture(params=ROWS, name="create")
def _create(request):
    return ROWS[request.param]


def first(frames, count):
    return np.stack(list(frames.take(count).as_numpy_iterator()))


def test_every_data_set_has_a_row():
    assert {type(create()) for create in ROWS.values()} == set(DATASETS.values())


def test_windows_are_uint8_frames_of_the_declared_shape(create):
    dataset = create()
    frames = dataset.frames("train")
    assert frames.element_spec.dtype == "uint8"
    assert tuple(frames.element_spec.shape) == (4, *dataset.image_shape) == (4, 34, 40, 1)
    window = next(frames.as_numpy_iterator())
    assert all(frame.max() > 100 for frame in window)


def test_a_window_depends_on_its_index_alone(create):
    whole = first(create().frames("train"), 135)
    for start in (1, 63, 64, 130):
        np.testing.assert_array_equal(first(create().frames("train", start), 3), whole[start:][:3])
    batched = next(create().frames("train").batch(7).as_numpy_iterator())
    np.testing.assert_array_equal(batched, whole[:7])


def test_windows_differ_from_each_other(create):
    windows = first(create().frames("train"), 80)
    assert len({window.tobytes() for window in windows}) == 80


def test_the_seed_changes_training_windows_alone(create):
    assert (first(create().frames("train"), 3) != first(create(seed=1).frames("train"), 3)).any()
    for split in ("validation", "test"):
        held_out = [first(create(seed=seed).frames(split), 3) for seed in (0, 1)]
        np.testing.assert_array_equal(*held_out)


def test_held_out_splits_have_a_size_and_training_never_ends(create):
    sizes = {split: int(create().frames(split).cardinality()) for split in ("validation", "test")}
    assert sizes == {"validation": 1000, "test": 3000}
    assert sum(1 for _ in create().frames("test", start=2990)) == 10
    assert sum(1 for _ in itertools.islice(create().frames("train"), 1100)) == 1100


def test_splits_are_different(create):
    splits = [
        first(create().frames(split), 2).tobytes() for split in ("train", "validation", "test")
    ]
    assert len(set(splits)) == 3


def test_an_unknown_split_is_answered_with_the_known_ones(create):
    with pytest.raises(ValueError, match=r"train, validation, test.*'dev'"):
        create().frames("dev")
