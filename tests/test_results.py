"""Measuring and printing results."""

import numpy as np
import pytest
import tensorflow as tf

from iprnn_tf.models import BlackFrames
from trainers.measuring import results


def test_predictors_are_compared_on_the_same_frames():
    generator = np.random.default_rng(0)
    windows = generator.integers(0, 256, (5, 4, 12, 10, 1), dtype=np.uint8)
    context, targets = np.split(windows / np.float32(255), 2, axis=1)
    frames = tf.data.Dataset.from_tensor_slices(windows)
    evaluation = results.evaluate(
        BlackFrames((12, 10, 1), 2), frames, "noise", 2, ["skimage"], batch_size=3
    )
    assert evaluation.sequences == 5
    assert "noise: 5 sequences, 2 frames given" in str(evaluation)
    measured = evaluation.rows
    copied = ((targets - context[:, -1:]) ** 2).sum((2, 3, 4)).mean(0)
    assert measured["CopyLastFrame"]["mse"]["per_lead_time"] == pytest.approx(copied, rel=1e-5)
    assert measured["CopyLastFrame"]["mse"]["mean"] == pytest.approx(copied.mean(), rel=1e-5)
    black = (targets**2).sum((2, 3, 4)).mean()
    assert measured["BlackFrames"]["mse"]["mean"] == pytest.approx(black, rel=1e-5)


def test_tables_align_their_columns():
    row = {"mse": {"mean": 123.456}, "ssim_skimage": {"mean": 0.98765}}
    assert results.table({"A model": row, "B": row}).splitlines() == [
        "            mse  ssim_skimage",
        "A model  123.46        0.9877",
        "B        123.46        0.9877",
    ]


def test_the_lead_time_table_has_a_column_for_each_frame():
    row = {"psnr": {"mean": 15.0, "per_lead_time": [20.0, 10.0]}}
    assert results.lead_time_table(row).splitlines() == [
        "lead time      1      2",
        "psnr       20.00  10.00",
    ]
    assert results.lead_time_table(row, "frame").startswith("frame ")


@pytest.mark.parametrize(
    ("frame_shape", "sequences"), [((64, 64, 1), 50), ((128, 160, 3), 3), ((2000, 2000, 3), 1)]
)
def test_fewer_sequences_of_large_frames_are_measured_at_once(frame_shape, sequences):
    assert results.batch_size_for(frame_shape) == sequences


def test_a_baseline_that_is_far_off_leaves_the_curves_room(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(results, "error_curve", lambda curves, *_: drawn.append(list(curves)))
    monkeypatch.setattr(results, "save_png", lambda *_: None)
    for black in (30.0, 300.0):
        errors = {"IPRNN": 10.0, "CopyLastFrame": 20.0, "BlackFrames": black}
        rows = {name: {"mse": {"mean": e, "per_lead_time": [e, e]}} for name, e in errors.items()}
        results.Evaluation("", 1, 1, rows).draw(tmp_path)
    assert drawn == [["IPRNN", "CopyLastFrame", "BlackFrames"], ["IPRNN", "CopyLastFrame"]]


def test_the_model_is_drawn_however_its_error_lies_over_time(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(results, "error_curve", lambda curves, *_: drawn.append(list(curves)))
    monkeypatch.setattr(results, "save_png", lambda *_: None)
    errors = {"IPRNN": [0.1] * 9 + [50.0], "CopyLastFrame": [0.1] * 9 + [55.0]}
    rows = {name: {"mse": {"per_lead_time": curve}} for name, curve in errors.items()}
    results.Evaluation("", 1, 1, rows).draw(tmp_path)
    assert drawn == [["IPRNN", "CopyLastFrame"]]


def test_frames_smaller_than_the_window_of_an_ssim_are_measured_without_it(capsys):
    frames = tf.data.Dataset.from_tensors(np.zeros((4, 8, 10, 1), np.uint8))
    evaluation = results.evaluate(
        BlackFrames((8, 10, 1), 2), frames, "small", 2, ["skimage", "gaussian"]
    )
    assert list(evaluation.rows["BlackFrames"]) == ["mse", "mae", "psnr", "ssim_skimage"]
    assert "ssim_gaussian is left out: its window is larger" in capsys.readouterr().out


@pytest.mark.parametrize(("own", "copying", "beaten"), [(3.0, 2.0, True), (1.0, 2.0, False)])
def test_a_model_that_copying_beats_is_told_so(own, copying, beaten):
    rows = {"IPRNN": {"mse": {"mean": own}}, "CopyLastFrame": {"mse": {"mean": copying}}}
    assert results.is_beaten(rows) == beaten
    assert not results.is_beaten({})
