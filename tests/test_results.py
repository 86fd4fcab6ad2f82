"""Measuring and printing results."""

import numpy as np
import pytest
import tensorflow as tf

from iprnn_tf.models import CopyLastFrame
from trainers import results


def test_predictors_are_compared_on_the_same_frames():
    generator = np.random.default_rng(0)
    context, targets = generator.random((2, 5, 2, 12, 10, 1), dtype=np.float32)
    batches = tf.data.Dataset.from_tensor_slices((context, targets)).batch(3)
    measured = results.compare(CopyLastFrame((12, 10, 1), 2), batches, ["skimage"])
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
