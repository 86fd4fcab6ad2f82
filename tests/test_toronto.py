"""The loader of the standard test file, on small files of its layout."""

import hashlib

import numpy as np
import pytest

from iprnn_tf.data.toronto import load_toronto_test_set


@pytest.fixture(name="sequences")
def _sequences():
    return np.random.default_rng(0).integers(0, 256, (20, 3, 8, 6), dtype=np.uint8)


@pytest.fixture(name="path")
def _path(tmp_path, sequences):
    np.save(tmp_path / "mnist_test_seq.npy", sequences)
    return tmp_path / "mnist_test_seq.npy"


def test_sequences_come_in_order_with_time_first(path, sequences):
    frames = load_toronto_test_set(path, md5=hashlib.md5(path.read_bytes()).hexdigest())
    assert int(frames.cardinality()) == 3
    assert tuple(frames.element_spec.shape) == (20, 8, 6, 1)
    for index, sequence in enumerate(frames.as_numpy_iterator()):
        np.testing.assert_array_equal(sequence[..., 0], sequences[:, index])


def test_another_file_of_the_same_shape_is_not_taken_for_it(path):
    with pytest.raises(ValueError, match=r"be083ec986bfe91a449d63653c411eb2.*download it again"):
        load_toronto_test_set(path)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"Received: .*nowhere\.npy"):
        load_toronto_test_set(tmp_path / "nowhere.npy")


@pytest.mark.parametrize("size", [0, 5, 60, 500])
def test_a_cut_file_is_an_error(path, size):
    path.write_bytes(path.read_bytes()[:size])
    with pytest.raises(ValueError, match=r"Download mnist_test_seq\.npy again"):
        load_toronto_test_set(path)


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((20, 3, 8, 6), np.float32),
        np.zeros((19, 3, 8, 6), np.uint8),
        np.zeros((20, 8, 6), np.uint8),
    ],
)
def test_another_layout_is_named(tmp_path, array):
    np.save(tmp_path / "other.npy", array)
    with pytest.raises(ValueError, match=rf"{array.dtype} of shape"):
        load_toronto_test_set(tmp_path / "other.npy")


def test_the_archive_of_another_paper_is_not_taken_for_it(tmp_path, sequences):
    np.savez(tmp_path / "moving-mnist-test.npz", sequences)
    with pytest.raises(ValueError, match=r"must be a \.npy array"):
        load_toronto_test_set(tmp_path / "moving-mnist-test.npz")


def test_pickles_are_never_loaded(tmp_path):
    np.save(tmp_path / "pickle.npy", np.array([object()]), allow_pickle=True)
    with pytest.raises(ValueError, match=r"must be a \.npy array"):
        load_toronto_test_set(tmp_path / "pickle.npy")
