"""The loop over time, with a predictor whose truth is arithmetic."""

import numpy as np
import pytest
from keras import ops

from iprnn_tf import rollout
from iprnn_tf.rollout import UNROLLED_STEPS

BATCH, HEIGHT, WIDTH = 2, 4, 3


class Drift:
    """Adds 0.1 to a frame, counts its steps in the state and remembers what it was fed."""

    def __init__(self):
        self.fed = []
        self.states = None

    def initial_states(self, batch_size, image_size=None):
        return [ops.zeros((batch_size, *image_size, 1))]

    def step(self, frame, states):
        self.fed.append(levels(ops.expand_dims(frame, 1))[:, 0])
        self.states = [states[0] + 1]
        return frame + 0.1, self.states


def video(*rows):
    """Frames of one grey each: `video([1, 2], [3, 4])` are two sequences of two frames."""
    grey = np.array(rows, "float32")
    return np.ones((*grey.shape, HEIGHT, WIDTH, 1), "float32") * grey[..., None, None, None]


def levels(frames):
    """The grey of each frame `(B, T)`, which must be one all over."""
    frames = ops.convert_to_numpy(frames)
    assert frames.shape[2:] == (HEIGHT, WIDTH, 1)
    np.testing.assert_array_equal(frames, np.broadcast_to(frames[:, :, :1, :1], frames.shape))
    return frames[:, :, 0, 0, 0]


def equal(received, expected):
    np.testing.assert_allclose(received, expected, atol=1e-5)


CONTEXT = video([1, 2, 3], [4, 5, 6])
TEACHER = video([10, 20], [30, 40])


@pytest.mark.parametrize("horizon", [1, 2, 7])
def test_predictions_are_fed_back_for_any_horizon(horizon):
    drift = 0.1 * np.arange(1, horizon + 1)
    equal(levels(rollout(Drift(), CONTEXT, horizon)), [3 + drift, 6 + drift])


class Halving:
    """Halves a frame, which is exact."""

    def initial_states(self, batch_size, image_size=None):
        return [ops.zeros((batch_size, *image_size, 1))]

    def step(self, frame, states):
        return frame / 2, [states[0] + 1]


@pytest.mark.parametrize("horizon", [UNROLLED_STEPS, UNROLLED_STEPS + 1, UNROLLED_STEPS + 2, 70])
def test_a_horizon_may_be_long(horizon):
    halves = 0.5 ** np.arange(1, horizon + 1)
    equal(levels(rollout(Halving(), CONTEXT, horizon)), [3 * halves, 6 * halves])


def test_a_long_rollout_may_have_a_teacher():
    long, missing = UNROLLED_STEPS + 9, UNROLLED_STEPS + 6
    options = {
        "teacher": np.pad(TEACHER, ((0, 0), (0, missing), (0, 0), (0, 0), (0, 0))),
        "use_teacher": np.pad([[True, False], [False, True]], ((0, 0), (0, missing))),
        "return_warm_up": True,
    }
    halves = 0.5 ** np.arange(1, long - 1)
    taught = [[0.5, 1, 1.5, 5, *5 * halves], [2, 2.5, 3, 1.5, *40 * halves]]
    equal(levels(rollout(Halving(), CONTEXT, long, **options)), taught)


def test_the_whole_context_is_seen_and_then_what_was_predicted():
    predictor = Drift()
    rollout(predictor, CONTEXT, 3)
    equal(np.transpose(predictor.fed), [[1, 2, 3, 3.1, 3.2], [4, 5, 6, 6.1, 6.2]])


def test_states_start_at_the_size_of_the_frames_and_are_carried_through_every_step():
    predictor = Drift()
    rollout(predictor, CONTEXT, 3)
    [count] = predictor.states
    np.testing.assert_array_equal(ops.convert_to_numpy(count), np.full((2, HEIGHT, WIDTH, 1), 5.0))


def test_a_context_of_one_frame_is_enough():
    equal(levels(rollout(Drift(), CONTEXT[:, :1], 2)), [[1.1, 1.2], [4.1, 4.2]])


def test_the_teacher_replaces_only_the_chosen_frames():
    predictor = Drift()
    use_teacher = np.array([[True, False], [False, True]])
    predictions = rollout(predictor, CONTEXT, 3, teacher=TEACHER, use_teacher=use_teacher)
    equal(levels(predictions), [[3.1, 10.1, 10.2], [6.1, 6.2, 40.1]])
    equal(np.transpose(predictor.fed)[:, 3:], [[10, 10.1], [6.1, 40]])


def test_choices_may_be_numbers():
    use_teacher = np.array([[1.0, 0.0], [0.0, 1.0]], "float32")
    predictions = rollout(Drift(), CONTEXT, 3, teacher=TEACHER, use_teacher=use_teacher)
    equal(levels(predictions), [[3.1, 10.1, 10.2], [6.1, 6.2, 40.1]])


def test_a_teacher_that_is_never_chosen_changes_nothing():
    never = np.zeros((BATCH, 2), bool)
    predictions = rollout(Drift(), CONTEXT, 3, teacher=TEACHER, use_teacher=never)
    equal(levels(predictions), levels(rollout(Drift(), CONTEXT, 3)))


def test_context_frames_that_are_not_chosen_are_bridged_by_predictions():
    predictor = Drift()
    use_context = np.array([[False, True], [False, False]])
    predictions = rollout(predictor, CONTEXT, 2, use_context=use_context)
    equal(np.transpose(predictor.fed), [[1, 1.1, 3, 3.1], [4, 4.1, 4.2, 4.3]])
    equal(levels(predictions), [[3.1, 3.2], [4.3, 4.4]])


def test_context_and_teacher_are_chosen_side_by_side():
    predictor = Drift()
    rollout(
        predictor,
        CONTEXT,
        3,
        use_context=np.array([[True, False], [False, True]]),
        teacher=TEACHER,
        use_teacher=np.array([[False, True], [True, False]]),
    )
    equal(np.transpose(predictor.fed), [[1, 2, 2.1, 2.2, 20], [4, 4.1, 6, 30, 30.1]])


def test_choosing_the_whole_context_is_the_default():
    everything = np.ones((BATCH, 2), bool)
    received = rollout(Drift(), CONTEXT, 3, use_context=everything, return_warm_up=True)
    equal(levels(received), levels(rollout(Drift(), CONTEXT, 3, return_warm_up=True)))


@pytest.mark.parametrize("use_context", [None, np.ones((BATCH, 2), bool)], ids=["all", "chosen"])
@pytest.mark.parametrize("horizon", [1, 4])
def test_the_warm_up_is_returned_when_asked_for(use_context, horizon):
    predictions = rollout(Drift(), CONTEXT, horizon, use_context=use_context, return_warm_up=True)
    assert predictions.shape[1] == 3 + horizon - 1
    equal(levels(predictions)[:, :3], [[1.1, 2.1, 3.1], [4.1, 5.1, 6.1]])
    equal(levels(predictions)[:, 2:], levels(rollout(Drift(), CONTEXT, horizon)))


class Batching(Drift):
    """Knows its own way through a context."""

    def warm_up(self, context, return_all):
        frames = ops.unstack(context, axis=1)
        kept = frames if return_all else frames[-1:]
        return [100 + frame for frame in kept], [ops.zeros((BATCH, HEIGHT, WIDTH, 1))]


def test_a_predictor_may_warm_up_in_its_own_way():
    equal(levels(rollout(Batching(), CONTEXT, 2)), [[103, 103.1], [106, 106.1]])
    equal(
        levels(rollout(Batching(), CONTEXT, 2, return_warm_up=True)),
        [[101, 102, 103, 103.1], [104, 105, 106, 106.1]],
    )


def test_a_context_that_is_not_all_chosen_is_stepped_through():
    use_context = np.zeros((BATCH, 2), bool)
    equal(levels(rollout(Batching(), CONTEXT, 1, use_context=use_context)), [[1.3], [4.3]])


@pytest.mark.parametrize("context", [CONTEXT[0], CONTEXT[..., 0], CONTEXT[None]], ids=np.shape)
def test_a_context_of_another_rank_is_refused(context):
    with pytest.raises(ValueError, match=r"(?s)batch, time, height.*Received.*context\[None\]"):
        rollout(Drift(), context, 2)


def test_an_empty_context_is_refused():
    with pytest.raises(ValueError, match=r"(?s)known and positive.*Received.*static time"):
        rollout(Drift(), CONTEXT[:, :0], 2)


@pytest.mark.parametrize("horizon", [0, -1, 2.5, None])
def test_a_horizon_that_counts_no_frames_is_refused(horizon):
    with pytest.raises(ValueError, match=f"positive integer. Received: horizon={horizon}"):
        rollout(Drift(), CONTEXT, horizon)


@pytest.mark.parametrize("half", [{"teacher": TEACHER}, {"use_teacher": np.ones((2, 2), bool)}])
def test_half_a_teacher_is_refused(half):
    with pytest.raises(ValueError, match="come together"):
        rollout(Drift(), CONTEXT, 3, **half)


@pytest.mark.parametrize(
    "choices",
    [
        {"teacher": TEACHER, "use_teacher": np.ones((2, 3), bool)},
        {"teacher": TEACHER[:, :1], "use_teacher": np.ones((2, 1), bool)},
        {"use_context": np.ones((2, 3), bool)},
    ],
)
def test_choices_that_would_be_shifted_are_refused(choices):
    with pytest.raises(ValueError, match=r"horizon - 1 steps.*Received.*Give 2 steps"):
        rollout(Drift(), CONTEXT, 3, **choices)
