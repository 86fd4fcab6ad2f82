"""The two-way autoencoder: what it takes it gives back, and what a block adds is its equation."""

import numpy as np
import pytest
from keras import ops
from test_rival_cells import convolve_clips

from iprnn_tf.cells import (
    BijectiveGRUCell,
    ClipCells,
    E3DLSTMCell,
    ReversiblePredictiveCell,
    STLSTMCell,
)
from iprnn_tf.models import IPRNN, CrevNet
from iprnn_tf.reversible import ReversibleAutoencoder, ReversibleBlock

CLIPS = (2, 3, 8, 4, 4)  # (B, D, h, w, C)


def noise(*shape, seed=1):
    return np.random.default_rng(seed).normal(size=shape).astype("float32")


def built(layer, shape, randomize):
    layer.build(shape)
    return randomize(layer)


def test_features_give_back_the_clip_that_they_were_made_of(randomize):
    autoencoder = built(ReversibleAutoencoder(4, [2, 2]), CLIPS, randomize)
    clips = noise(*CLIPS)
    halves = autoencoder(clips)
    assert [tuple(half.shape) for half in halves] == [(2, 3, 4, 2, 8)] * 2
    np.testing.assert_allclose(
        ops.convert_to_numpy(autoencoder.inverse(halves)), clips, rtol=1e-4, atol=1e-4
    )


@pytest.mark.parametrize("first", [True, False])
def test_a_block_adds_to_one_half_what_follows_from_the_other(first, randomize):
    block = built(ReversibleBlock(4, first=first), [CLIPS, CLIPS], randomize)
    changed, kept = noise(*CLIPS, seed=1), noise(*CLIPS, seed=2)
    received = block((changed, kept))
    added = kept
    norms = [None] * first + block.norms
    for norm, convolution in zip(norms, block.convolutions, strict=True):
        if norm is not None:
            gamma, beta, mean, variance = map(ops.convert_to_numpy, norm.weights)
            added = np.maximum((added - mean) / np.sqrt(variance + 1e-5) * gamma + beta, 0)
        added = convolve_clips(added, ops.convert_to_numpy(convolution.kernel))
    np.testing.assert_array_equal(ops.convert_to_numpy(received[0]), kept)
    np.testing.assert_allclose(ops.convert_to_numpy(received[1]), changed + added, atol=1e-4)


def test_crevnet_has_as_many_weights_as_its_authors_count():
    model = CrevNet((64, 64, 1))  # OpenSTL's table has 5.0 M.
    assert sum(np.prod(weight.shape) for weight in model.trainable_weights) == 4_997_444
    frames = model.initial_states(1)
    assert [tuple(state.shape[1:]) for state in frames[:2]] == [(32, 32, 8), (8, 8, 96)]


def test_a_stack_of_clips_remembers_the_features_of_the_steps_before():
    cells = ClipCells([E3DLSTMCell(2, kernel_size=3, history=2, clips=True, depth=3)], channels=1)
    cells.build((2, 6, 5, 1))
    first, second = noise(2, 6, 5, 1, seed=1), noise(2, 6, 5, 1, seed=2)
    _, states = cells(first, cells.get_initial_state(2))
    _, states = cells(second, states)
    expected = np.concatenate([first, second], axis=-1)
    np.testing.assert_array_equal(ops.convert_to_numpy(states[0]), expected)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ReversibleAutoencoder(3, [1]), "halves the channels.*channels=3. Give an even"),
        (lambda: ReversibleAutoencoder(4, [1, 0]), r"Received: blocks\[1\]=0"),
        (lambda: ReversibleAutoencoder(4, []), r"at least one. Received: blocks=\[\]"),
        (lambda: CrevNet(blocks=[]), r"at least one. Received: blocks=\[\]"),
        (lambda: ReversibleBlock(4, stride=3), "stride=3. Give 1 or 2"),
        (lambda: ReversibleBlock(4).build([(*CLIPS[:-1], 1)] * 2), "Use filters=1"),
        (lambda: ClipCells([STLSTMCell(2)], 4), "take clips of one length.*clips=True"),
        (lambda: E3DLSTMCell(2, clips=True).build((1, 4, 4, 3)), "2 frames.*multiple of 2"),
        (lambda: IPRNN(cell=E3DLSTMCell(4, clips=True)), "features of one frame.*PatchRNN"),
        (lambda: IPRNN(cell=BijectiveGRUCell(4, pooled=True)), "as large as.*FoldedRNN"),
        (lambda: CrevNet(cell=STLSTMCell(64)), "reversible, and of clips.*--cell=rpm --clips"),
        (lambda: CrevNet(cell=E3DLSTMCell(64, clips=True)), "reversible, and of clips"),
        (
            lambda: CrevNet(cell=ReversiblePredictiveCell(32, 3, clips=True)),
            "64 for 4 channels halved 2 times. Received: filters=32. Use filters=64",
        ),
    ],
)
def test_what_makes_no_reversible_network_is_refused(make, message):
    with pytest.raises(ValueError, match=f"(?s){message}"):
        make()


def test_training_moves_the_averages_of_its_normalisation():
    cell = ReversiblePredictiveCell(16, 3, clips=True)
    model = CrevNet((8, 16, 1), cell, num_layers=1, blocks=[1, 1], horizon=1)
    model.compile("adam", "mse", run_eagerly=True)
    before = model.get_weights()
    model.fit(noise(2, 3, 8, 16, 1), noise(2, 1, 8, 16, 1), verbose=0)
    assert all((a != b).any() for a, b in zip(before, model.get_weights(), strict=True))
    predictions = model.rollout(noise(1, 3, 8, 16, 1))
    assert np.isfinite(ops.convert_to_numpy(predictions)).all()


@pytest.mark.parametrize(
    ("image_shape", "memories"), [((16, 8, 1), 2 * 1), ((18, 7, 1), 3 * 1), ((None, None, 1), 1)]
)
def test_convolutions_are_counted_at_the_scale_that_they_work_on(image_shape, memories):
    cell = ReversiblePredictiveCell(64, 3, clips=True)
    model = CrevNet(image_shape, cell, num_layers=1, blocks=[1, 1, 1])
    counted = model.convolutions()
    depth, blocks = 3, 2 * 3 * 3  # Two ways, three blocks of three convolutions.
    finest, coarsest = 16 * memories * depth, memories * depth
    assert [pixels for _, pixels in counted[:9:3]] == [finest, finest // 4, coarsest]
    assert [pixels for _, pixels in counted[blocks:]] == [coarsest] * 8
