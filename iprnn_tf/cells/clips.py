"""Clips of frames, folded into the channels of images, and the stack that shows them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.arguments import integer
from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.cells.zigzag import ZigzagCells


def as_images(clips: Tensor) -> Tensor:
    """Folds clips `(B, D, h, w, F)` to images `(B, h, w, D * F)`, frame after frame."""
    batch, depth, height, width, filters = ops.shape(clips)
    images = ops.transpose(clips, (0, 2, 3, 1, 4))
    return ops.reshape(images, (batch, height, width, depth * filters))


def as_clips(images: Tensor, depth: int) -> Tensor:
    """Unfolds images `(B, h, w, D * F)` to clips `(B, D, h, w, F)`."""
    batch, height, width, channels = ops.shape(images)
    clips = ops.reshape(images, (batch, height, width, depth, channels // depth))
    return ops.transpose(clips, (0, 3, 1, 2, 4))


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ClipCells(ZigzagCells):
    """A zigzag stack of memories of clips, which are shown the last steps at once.

    The features of a step follow those of the D - 1 steps before it, which are a state; folded
    into the channels, these D go to the bottom cell. What leaves the top is a clip, too.

    Args:
        cells: memories that take clips of D frames, their `clip_length`, from the bottom up.
        channels: C of the features, since their past is kept.
        **kwargs: as those of `StackedCells`.

    Call arguments:
        features: `(B, h, w, C)`.
        states: the features of the D - 1 steps before, oldest first, folded into the channels;
            then those of `ZigzagCells`.

    Raises:
        ValueError: as `ZigzagCells`, and if the cells take no clips of one length, or the features
            have other channels.
    """

    def __init__(self, cells: Sequence[Cell], channels: int, **kwargs: Any) -> None:
        super().__init__(cells, **kwargs)
        self.channels = integer("channels", channels, "It is the number of those of the features.")
        lengths = {cell.clip_length for cell in self.cells}
        self.clip_length = lengths.pop()
        if lengths or self.clip_length == 1:
            raise ValueError(
                "All cells of a stack of clips take clips of one length. Received: "
                f"cells={self.cells}. Create each with clips=True and the same depth."
            )

    @property
    def state_size(self) -> list[int]:
        return [(self.clip_length - 1) * self.channels, *super().state_size]

    def build(self, input_shape: Sequence[int | None]) -> None:
        if input_shape[-1] != self.channels:
            raise ValueError(
                "A stack of clips was told the channels of its features. Received: features of "
                f"shape {tuple(input_shape)} with channels={self.channels}. Give "
                f"channels={input_shape[-1]}."
            )
        super().build(self.seen_shape(input_shape))

    def seen_shape(self, input_shape: Sequence[int | None]) -> tuple[int | None, ...]:
        """Returns the shape of what the bottom cell is given, for features of a shape."""
        return (*input_shape[:-1], self.clip_length * self.channels)

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        clip = ops.concatenate([states[0], features], axis=-1)
        features, states = self.seen(clip, states[1:])
        return features, [clip[..., self.channels :], *states]

    def seen(self, clip: Tensor, states: States) -> tuple[Tensor, States]:
        """Steps with a whole clip, `(B, h, w, D * C)`."""
        return self._climb(self.cells, clip, states)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "channels": self.channels}
