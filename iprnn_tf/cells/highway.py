"""A stack with a gradient highway between its first two cells."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import Cell, States, Tensor
from iprnn_tf.cells.convolutional import ConvolutionalCell, ProjectingCell
from iprnn_tf.cells.zigzag import ZigzagCells

_SHARED = ("filters", "kernel_size", "use_bias", "normalization")  # With the bottom cell.


@keras.saving.register_keras_serializable(package="iprnn_tf")
class GradientHighwayCell(ProjectingCell):
    """A memory without an inner non-linear path, through which gradients reach far back.

        p  = tanh(Wpx * x + Wpz * z)
        s  = sigmoid(Wsx * x + Wsz * z)
        z' = s . p + (1 - s) . z

    where `*` is a convolution and `.` the product of elements. On the last axis of both kernels
    the candidate p precedes the switch s.

    Args:
        filters: F, the channels of the state.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether candidate and switch have biases.
        normalization: a Keras layer, copied for both fused convolutions, or None.

    Call arguments:
        features: x, `(B, h, w, C)`.
        states: `[z]`, `(B, h, w, F)`.

    Returns:
        `(z', [z'])`.

    Reference:
        Wang et al., PredRNN++: Towards A Resolution of the Deep-in-Time Dilemma in Spatiotemporal
        Predictive Learning, ICML 2018.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = False,
        normalization: keras.layers.Layer | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.from_features = self.convolution("from_features", 2 * filters)
        self.from_state = self.convolution("from_state", 2 * filters, use_bias=False)

    @property
    def state_size(self) -> list[int]:
        return [self.filters]

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        self.from_features.build(input_shape)
        self.from_state.build((*input_shape[:3], self.filters))

    def transition(
        self, features: Tensor, projected: Tensor, states: States
    ) -> tuple[Tensor, States]:
        [state] = states
        candidate, switch = ops.split(projected + self.from_state(state), 2, axis=-1)
        switch = ops.sigmoid(switch)
        state = switch * ops.tanh(candidate) + (1 - switch) * state
        return state, [state]


@keras.saving.register_keras_serializable(package="iprnn_tf")
class HighwayCells(ZigzagCells):
    """A zigzag stack in which a gradient highway lies between the first two cells.

    What the bottom cell returns passes a `GradientHighwayCell` of the same filters, kernel size,
    biases and normalisation before it reaches the second. A stack of one cell has none. The
    highway's state precedes those of `ZigzagCells`.

    Args:
        cells: `ConvolutionalCell`s from the bottom up, whose memories have as many channels.
        **kwargs: as those of `StackedCells`.

    Call arguments:
        features: `(B, h, w, C)`.
        states: that of the highway, the cells' own in the order of the cells, then the memory.

    Raises:
        ValueError: as `ZigzagCells`.

    Reference:
        Wang et al., PredRNN++: Towards A Resolution of the Deep-in-Time Dilemma in Spatiotemporal
        Predictive Learning, ICML 2018.
    """

    def __init__(self, cells: Sequence[Cell], **kwargs: Any) -> None:
        super().__init__(cells, **kwargs)
        self.highway = None
        if not isinstance(self.cells[0], ConvolutionalCell):
            raise ValueError(
                "A highway is as wide as the bottom cell, a `ConvolutionalCell`. Received: "
                f"cells={self.cells}. Pass `CausalLSTMCell`s, or make a `ZigzagCells`."
            )
        if len(self.cells) > 1:
            bottom = self.cells[0].get_config()
            self.highway = GradientHighwayCell.from_config(
                {
                    "name": "highway",
                    "dtype": self.dtype_policy,
                    **{key: bottom[key] for key in _SHARED},
                }
            )

    @property
    def state_size(self) -> list[int]:
        highway = [] if self.highway is None else self.highway.state_size
        return [*highway, *super().state_size]

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        if self.highway is not None and not self.highway.built:
            self.highway.build((*input_shape[:-1], self.cells[0].output_size))

    def call(self, features: Tensor, states: States) -> tuple[Tensor, States]:
        if self.highway is None:
            return super().call(features, states)
        own = len(self.cells[0].state_size) - 1
        highway, bottom, above = states[:1], states[1 : 1 + own], states[1 + own :]
        features, [*bottom, memory] = self.cells[0](features, [*bottom, states[-1]])
        features, highway = self.highway(features, highway)
        features, above = self._climb(self.cells[1:], features, [*above[:-1], memory])
        return features, [*highway, *bottom, *above]
