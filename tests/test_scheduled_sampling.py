import numpy as np
import pytest

from iprnn_tf.scheduled_sampling import LinearSampling


def test_training_starts_with_the_truth_and_ends_with_predictions():
    schedule = LinearSampling(span=100)
    assert schedule.probability(0) == 1.0
    assert schedule.probability(100) == 0.0


@pytest.mark.parametrize(("start", "end"), [(1.0, 0.0), (0.5, 1.0), (0.2, 0.2)])
def test_the_probability_moves_along_a_straight_line(start, end):
    schedule = LinearSampling(span=4, start=start, end=end)
    expected = [start, 0.75 * start + 0.25 * end, 0.5 * (start + end), 0.25 * start + 0.75 * end]
    received = [float(schedule.probability(step)) for step in range(4)]
    np.testing.assert_allclose(received, expected, rtol=1e-6)


def test_it_stays_at_its_end():
    schedule = LinearSampling(span=10, start=0.5, end=0.9)
    assert schedule.probability(10) == schedule.probability(10_000) == np.float32(0.9)


def test_without_a_span_it_is_at_its_end_at_once():
    assert LinearSampling(span=0).probability(0) == 0.0


def test_many_steps_are_asked_for_at_once():
    probabilities = LinearSampling(span=4).probability(np.array([[0, 2], [4, 6]]))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities, [[1.0, 0.5], [0.0, 0.0]])


@pytest.mark.parametrize(
    "arguments",
    [
        {"span": -1},
        {"span": 10, "start": 1.1},
        {"span": 10, "start": -0.1},
        {"span": 10, "end": 1.1},
        {"span": 10, "end": -0.1},
    ],
    ids=str,
)
def test_what_is_no_count_of_steps_or_no_probability_is_refused(arguments):
    with pytest.raises(ValueError, match=r"(?s)probabilities. Received: .*Use span >= 0"):
        LinearSampling(**arguments)
