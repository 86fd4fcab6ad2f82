"""The contract that every recurrent memory keeps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import keras
from keras import ops

from iprnn_tf.freezing import freeze_sublayers_of

Tensor = Any  # Whatever the backend's tensors are.
States = list[Tensor]


class Cell(keras.layers.Layer):
    """One step of a recurrent memory over image features.

    `cell(features, states) -> (features, states)`. The features travel up a stack of cells
    within a time step, the states travel along time; a stack of cells is itself a cell. States
    are a flat, ordered list of image tensors, of which `state_size` gives the channels alone:
    height and width belong to the features, so that one cell serves frames of any size.

    A memory defines `state_size`, `output_size`, `build` and `call`. It may also define

    * `readout`, where more than its features is worth decoding, with `readout_size`;
    * `unroll`, where part of the work waits for no earlier step and can be done for all
      steps at once;
    * `stack`, where cells of its kind hand on more than features: the class of the stack that
      they make, by default `StackedCells`;
    * `clip_length`, where its features are clips of so many frames, folded into the channels.

    Call arguments:
        features: `(B, h, w, C)`.
        states: list of tensors `(B, h, w, state_size[i])`.
    """

    stack: ClassVar[type[Cell] | None] = None
    clip_length: int = 1
    image_size: tuple[int | None, int | None] = (None, None)

    @property
    def state_size(self) -> list[int]:
        """Channels of each state tensor."""
        raise NotImplementedError(f"{type(self).__name__} must define `state_size`.")

    @property
    def output_size(self) -> int:
        """Channels of the features that the cell returns."""
        raise NotImplementedError(f"{type(self).__name__} must define `output_size`.")

    @property
    def readout_size(self) -> int:
        """Channels of `readout`."""
        return self.output_size

    def build(self, input_shape: Sequence[int | None]) -> None:
        if len(input_shape) != 4:
            raise ValueError(
                f"{type(self).__name__} steps over features of shape (batch, height, width, "
                f"channels). Received: input_shape={tuple(input_shape)}. "
                "For a whole sequence, wrap the cell in `ConvRNN`."
            )
        self.image_size = (input_shape[1], input_shape[2])
        freeze_sublayers_of(self)

    def get_initial_state(
        self,
        batch_size: int | Tensor | None = None,
        image_size: tuple[int | Tensor, int | Tensor] | None = None,
    ) -> States:
        """Returns zero states, a list of `(B, h, w, state_size[i])` tensors.

        Args:
            batch_size: B.
            image_size: (h, w) of the features; by default the size the cell was built for.

        Raises:
            ValueError: if neither the call nor `build` told the size.
        """
        height, width = image_size or self.image_size
        if height is None or width is None:
            raise ValueError(
                "The states of an image memory need a height and a width. Received: "
                f"image_size={image_size}, and {self.name!r} was built for {self.image_size}. "
                "Pass `image_size=(height, width)` of the features."
            )
        return [
            ops.zeros((batch_size, height, width, channels), dtype=self.compute_dtype)
            for channels in self.state_size
        ]

    def readout(self, features: Tensor, states: States) -> Tensor:
        """Returns what a decoder should see, `(B, h, w, readout_size)`; it has no weights."""
        del states
        return features

    def unroll(self, features: Sequence[Tensor], states: States) -> list[tuple[Tensor, States]]:
        """Steps over features that are all known, and returns what each step returned.

        Args:
            features: the input of each step, a list of `(B, h, w, C)` tensors.
            states: the states before the first step.

        Returns:
            A list of `(features, states)`, one pair for each step.
        """
        trajectory = []
        for step_features in features:
            step_features, states = self(step_features, states)
            trajectory.append((step_features, states))
        return trajectory
