"""Weights of sequences and frames mean the same to the loss and the metrics."""

import numpy as np
import pytest

from iprnn_tf import IPRNN, FrameError, SquaredError, STGRUCell

BATCH, TIME, HORIZON, HEIGHT, WIDTH = 3, 4, 2, 6, 5
FRAMES = np.zeros((BATCH, TIME, HEIGHT, WIDTH, 1), "float32")
ERRORS = np.arange(1.0, 1 + BATCH * TIME).reshape(BATCH, TIME)  # Of each frame, summed.


def predictions():
    wrong = FRAMES.copy()
    wrong[..., 2, 3, 0] = np.sqrt(ERRORS)
    return wrong


def loss(weights):
    return float(FrameError()(FRAMES, predictions(), sample_weight=weights))


def metric(weights, horizon=HORIZON):
    measured = SquaredError(horizon, clip=False)
    measured.update_state(FRAMES, predictions(), sample_weight=weights)
    return [float(value) for value in measured.per_lead_time()]


def test_a_sequence_without_weight_has_no_error():
    wrong_in_others = predictions()
    wrong_in_others[0] = 0
    assert float(FrameError()(FRAMES, wrong_in_others, sample_weight=[1, 0, 0])) == 0
    metric = SquaredError(TIME)
    metric.update_state(FRAMES, wrong_in_others, sample_weight=[1, 0, 0])
    assert float(metric.result()) == 0


@pytest.mark.parametrize("weights", [[2.0, 0.0, 0.5], np.linspace(0, 2, 12).reshape(3, 4)], ids=str)
def test_the_loss_is_the_mean_of_the_weighted_errors(weights):
    each = np.broadcast_to(np.reshape(weights, (BATCH, -1)), ERRORS.shape)
    assert loss(weights) == pytest.approx((each * ERRORS).mean(), rel=1e-5)


@pytest.mark.parametrize("weights", [[2.0, 0.0, 0.5], np.linspace(0, 2, 12).reshape(3, 4)], ids=str)
def test_a_metric_is_the_weighted_mean_of_each_lead_time(weights):
    each = np.broadcast_to(np.reshape(weights, (BATCH, -1)), ERRORS.shape)[:, -HORIZON:]
    expected = (each * ERRORS[:, -HORIZON:]).sum(axis=0) / each.sum(axis=0)
    assert metric(weights) == pytest.approx(list(expected), rel=1e-5)


def test_a_lead_time_without_weight_counts_nothing():
    weights = np.ones((BATCH, TIME))
    weights[:, -1] = 0
    assert metric(weights) == pytest.approx([ERRORS[:, -2].mean(), 0.0], rel=1e-5)


@pytest.mark.parametrize("shape", [(2,), (3, 1), (3, 2), (4, 3), (3, 4, 6, 5, 1), ()], ids=str)
@pytest.mark.parametrize("use", [loss, metric])
def test_weights_of_another_shape_are_refused(use, shape):
    with pytest.raises(ValueError, match=r"\(B,\), or for each frame, \(B, T\)") as error:
        use(np.ones(shape))
    assert f"Received: sample_weight of shape {shape} for frames with (B, T) = (3, 4)" in str(
        error.value
    )


def test_one_compiled_model_takes_both_kinds_of_weights():
    model = IPRNN((HEIGHT, WIDTH, 1), STGRUCell(2, 3), num_layers=1, horizon=HORIZON)
    model.compile("sgd", FrameError(), weighted_metrics=[SquaredError(HORIZON)])
    context, targets = FRAMES[:, :2], predictions()[:, :HORIZON]
    results = [
        model.evaluate(context, targets, sample_weight=np.ones(shape, "float32"), verbose=0)
        for shape in ((BATCH,), (BATCH, HORIZON), (BATCH,))
    ]
    assert results[1] == pytest.approx(results[0])
    assert results[2] == pytest.approx(results[0])


@pytest.mark.parametrize("per_frame", [False, True])
def test_a_model_is_trained_and_measured_with_weights(per_frame):
    model = IPRNN((HEIGHT, WIDTH, 1), STGRUCell(2, 3), num_layers=1, horizon=HORIZON)
    model.compile("sgd", FrameError(), weighted_metrics=[SquaredError(HORIZON, clip=False)])
    rng = np.random.default_rng(0)
    context, targets = (
        rng.uniform(size=(BATCH, time, HEIGHT, WIDTH, 1)).astype("float32") for time in (2, HORIZON)
    )
    weights = np.array([0.0, 1.0, 3.0], "float32")
    given = np.repeat(weights[:, None], HORIZON, axis=1) if per_frame else weights
    predicted = model.predict(context, verbose=0)
    errors = np.square(predicted - targets).sum(axis=(2, 3, 4)).mean(axis=1)
    values = model.evaluate(context, targets, sample_weight=given, verbose=0)
    assert values == pytest.approx(
        [(weights * errors).mean(), (weights * errors).sum() / 4], rel=1e-4
    )
    fitted = model.fit(context, targets, sample_weight=given, verbose=0).history
    assert fitted["loss"] == pytest.approx([(weights * errors).mean()], rel=1e-4)
