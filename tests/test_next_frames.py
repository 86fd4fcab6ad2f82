"""Next-frame prediction along a sequence: each frame from the true ones before it."""

import keras
import numpy as np
import pytest
from tiny_models import contexts, tiny

from iprnn_tf import CopyLastFrame
from iprnn_tf.models import NextFrames


def test_each_frame_is_predicted_from_the_true_ones_before_it():
    model, frames = tiny(), contexts()
    predictions = NextFrames(model, frames.shape[1]).predict(frames, verbose=0)
    assert predictions.shape == frames.shape
    for k in range(1, frames.shape[1] + 1):
        alone = keras.ops.convert_to_numpy(model.rollout(frames[:, :k], horizon=1))[:, 0]
        np.testing.assert_allclose(predictions[:, k - 1], alone, atol=1e-5)


def test_no_other_horizon_is_promised():
    with pytest.raises(ValueError, match="horizon=7"):
        NextFrames(tiny(), 3).rollout(contexts(), horizon=7)


def test_copying_returns_the_frames_themselves():
    frames = contexts()
    copies = NextFrames(CopyLastFrame(frames.shape[2:]), frames.shape[1]).predict(frames, verbose=0)
    np.testing.assert_array_equal(copies, frames)


def test_it_keeps_the_weights_it_shows(tmp_path):
    model, frames = tiny(), contexts()
    view = NextFrames(model, frames.shape[1])
    assert view.count_params() == model.count_params()
    view.save(tmp_path / "view.keras")
    loaded = keras.saving.load_model(tmp_path / "view.keras")
    np.testing.assert_array_equal(
        loaded.predict(frames, verbose=0), view.predict(frames, verbose=0)
    )
