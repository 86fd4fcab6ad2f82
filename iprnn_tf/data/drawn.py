"""Sequences that are drawn as they are needed, not read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.data.digits import check_split

NUM_SEQUENCES = {"validation": 1_000, "test": 3_000}  # Training sequences never end.
HELD_OUT_SEED = 2021  # Validation and test sequences are the same whatever the seed.
SPLIT_STREAMS = {"train": 0, "validation": 1, "test": 2}

# Random numbers are drawn for this many sequences at once, from (seed, block): sequence i is the
# same whatever the batch size and wherever reading starts.
BLOCK = 64

Seed = tuple[int, "tf.Tensor"]  # What `tf.random.stateless_uniform` takes.


class DrawnSequences:
    """A data set that a generator draws, as a graph of `tf.data`.

    Training sequences are fresh and never end, validation and test sequences are fixed. Sequence
    i of a split depends on the seed and on i alone. A data set defines `protocols` and `drawing`.

    Args:
        protocol: one of `protocols`.
        image_shape: (H, W, C).
        num_frames: T, the length of a sequence.
        seed: of the training sequences. Validation and test sequences don't depend on it.

    Raises:
        ValueError: if an argument is out of range.
    """

    protocols: tuple[str, ...] = ()

    def __init__(
        self, protocol: str, image_shape: tuple[int, int, int], num_frames: int, seed: int
    ) -> None:
        if protocol not in self.protocols:
            raise ValueError(
                f"`protocol` must be one of {', '.join(self.protocols)}. "
                f"Received: protocol={protocol!r}. Leave it out for the first."
            )
        if num_frames < 2:
            raise ValueError(
                "A sequence needs a frame to see and one to predict. "
                f"Received: num_frames={num_frames}. Most papers use 20."
            )
        self.image_shape = image_shape
        self.num_frames = num_frames
        self.seed = seed

    def drawing(self, split: str) -> Callable[[Seed], tf.Tensor]:
        """Returns what draws sequences of a split from a seed, uint8 `(BLOCK, T, H, W, C)`.

        It runs in a graph, and draws all its random numbers from the seed, statelessly.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `drawing`.")

    def material(self, split: str) -> Any:
        """Returns the arrays that `draw_on_device` draws from, such as digits."""
        raise NotImplementedError(f"{type(self).__name__} must define `material`.")

    def draw_on_device(self, material: Any, key: Any, count: int) -> Any:
        """Draws sequences with JAX alone, within its programs: by the same rules, but others.

        Args:
            material: that of the split.
            key: as `jax.random.key` makes them.
            count: N.

        Returns:
            uint8 `(N, T, H, W, C)`.
        """
        raise NotImplementedError(f"{type(self).__name__} must define `draw_on_device`.")

    def frames(self, split: str, start: int = 0) -> tf.data.Dataset:
        """Returns the sequences of a split, each uint8 `(T, H, W, C)`.

        Args:
            split: "train", "validation" or "test".
            start: index of the first sequence; an interrupted run goes on from there.
        """
        check_split(split)
        draw = self.drawing(split)
        seed = self.seed if split == "train" else HELD_OUT_SEED

        def draw_block(block: tf.Tensor) -> tf.Tensor:
            sequences = draw((SPLIT_STREAMS[split] + 3 * seed, block))
            return tf.ensure_shape(sequences, (BLOCK, self.num_frames, *self.image_shape))

        first_block, offset = divmod(start, BLOCK)
        blocks = tf.data.Dataset.range(first_block, np.iinfo(np.int64).max)
        sequences = blocks.map(draw_block, num_parallel_calls=tf.data.AUTOTUNE).unbatch()
        sequences = sequences.skip(offset)
        if split == "train":
            return sequences
        count = max(NUM_SEQUENCES[split] - start, 0)
        return sequences.take(count).apply(tf.data.experimental.assert_cardinality(count))
