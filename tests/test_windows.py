"""From windows to batches: what is context, what is target, and what the draws depend on."""

import numpy as np
import pytest
import tensorflow as tf

from iprnn_tf.data.windows import TrainingWindows, evaluation_batches
from iprnn_tf.scheduled_sampling import LinearSampling

COUNT, LENGTH, CONTEXT = 24, 7, 3


@pytest.fixture(scope="module", name="windows")
def _windows():
    shape = (COUNT, LENGTH, 5, 6, 1)
    return np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)


@pytest.fixture(name="frames")
def _frames(windows):
    return tf.data.Dataset.from_tensor_slices(windows)


def pipeline(**kwargs):
    settings = {"context_frames": CONTEXT, "batch_size": 4, "teacher_sampling": LinearSampling(4)}
    return TrainingWindows(**{**settings, **kwargs})


def test_training_splits_windows_into_inputs_and_next_frames(frames, windows):
    inputs, targets = next(pipeline().batches(frames, 0, 6).as_numpy_iterator())
    expected = windows[:4] / np.float32(255)
    np.testing.assert_allclose(inputs["context"], expected[:, :CONTEXT])
    np.testing.assert_allclose(inputs["teacher"], expected[:, CONTEXT:-1])
    np.testing.assert_allclose(targets, expected[:, 1:])
    assert inputs["use_teacher"].shape == (4, LENGTH - CONTEXT - 1)
    assert inputs["use_teacher"].dtype == bool
    assert set(inputs) == {"context", "teacher", "use_teacher"}


def test_evaluation_splits_windows_and_keeps_the_last_batch(frames, windows):
    batches = list(evaluation_batches(frames, CONTEXT, 10).as_numpy_iterator())
    assert [len(context) for context, _ in batches] == [10, 10, 4]
    whole = np.concatenate([np.concatenate(pair, axis=1) for pair in batches])
    np.testing.assert_allclose(whole, windows / np.float32(255))


def test_shapes_are_known_before_any_window_is_read(frames):
    inputs, targets = pipeline().batches(frames, 0, 6).element_spec
    assert tuple(inputs["context"].shape) == (4, CONTEXT, 5, 6, 1)
    assert tuple(inputs["use_teacher"].shape) == (4, LENGTH - CONTEXT - 1)
    assert tuple(targets.shape) == (4, LENGTH - 1, 5, 6, 1)


def test_the_truth_is_fed_less_and_less(frames):
    inputs = [inputs for inputs, _ in pipeline().batches(frames, 0, 6)]
    assert np.all(inputs[0]["use_teacher"])
    assert not np.any(inputs[4]["use_teacher"])
    assert not np.any(inputs[5]["use_teacher"])


def test_draws_are_one_per_sample_and_step(frames):
    half = pipeline(batch_size=12, teacher_sampling=LinearSampling(0, end=0.5))
    draw = next(half.batches(frames, 0, 2).as_numpy_iterator())[0]["use_teacher"]
    assert 0.2 < draw.mean() < 0.8
    assert len({tuple(row) for row in draw}) > 2
    assert len({tuple(column) for column in draw.T}) > 1


def test_draws_depend_on_the_seed_and_the_step_alone(frames):
    half = {
        "teacher_sampling": LinearSampling(0, end=0.5),
        "context_sampling": LinearSampling(0, end=0.5),
    }

    def draws(start=0, **kwargs):
        batches = pipeline(**half, **kwargs).batches(frames.skip(start * 4), start, 6)
        return [
            np.concatenate([inputs["use_teacher"], inputs["use_context"]], axis=1)
            for inputs, _ in batches.as_numpy_iterator()
        ]

    np.testing.assert_array_equal(draws()[2:], draws(start=2))
    assert (np.array(draws()) != np.array(draws(seed=1))).any()
    first, second = draws()[:2]
    assert (first != second).any()


def test_reverse_sampling_hides_context_frames_after_the_first(frames):
    reverse = pipeline(context_sampling=LinearSampling(4, start=0.0, end=1.0))
    inputs = [inputs for inputs, _ in reverse.batches(frames, 0, 6).as_numpy_iterator()]
    assert inputs[0]["use_context"].shape == (4, CONTEXT - 1)
    assert not inputs[0]["use_context"].any()
    assert inputs[4]["use_context"].all()


def test_batches_end_with_the_last_step(frames):
    assert len(list(pipeline().batches(frames, 1, 4))) == 3
