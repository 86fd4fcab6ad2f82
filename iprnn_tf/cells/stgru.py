"""The spatiotemporal gated recurrent unit of IPRNN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import States, Tensor
from iprnn_tf.cells.convolutional import ProjectingCell, check_mixed, copied


@keras.saving.register_keras_serializable(package="iprnn_tf")
class STGRUCell(ProjectingCell):
    """A convolutional GRU that carries a spatial state beside the temporal one.

    The spatial state S climbs the stack of cells within a time step and holds appearance; the
    temporal state T stays in its cell and holds motion. One update and one reset gate serve
    both, so that a cell needs two fused convolutions where an ST-LSTM needs four:

        U  = sigmoid(Wsz * S + Wtz * T + update_bias)
        R  = sigmoid(Wsr * S + Wtr * T)
        C  = tanh(Wtc * T + R . (Wsc * S))
        M  = tanh(Wsm * S + R . (Wtm * T))
        T' = (1 - U) . C + U . T
        S' = (1 - U) . M + U . S

    where `*` is a convolution, `.` the product of elements, S the features from the layer
    below and T the state from the step before. With `use_bias=False`, `normalization=None` and
    `update_bias=0.0` these are Eqs. 2 and 3 of the paper, term by term.

    On the last axis of both kernels the gates are ordered update, reset, temporal candidate C,
    spatial candidate M.

    Args:
        filters: F, the channels of both states. The features must have as many.
        kernel_size: side of the square convolutions, in pixels of the latent image.
        use_bias: whether each of the two fused convolutions adds a bias. The paper's equations
            have none; the author's later public code has both.
        normalization: a Keras layer, copied once for each fused convolution and applied to its
            4F outputs, or None. `keras.layers.GroupNormalization(groups=1, epsilon=1e-5)`
            normalises over the image and channels as the author's later code does, with
            parameters that don't depend on the image's size (a deviation: his scale and offset
            are one per element).
        update_bias: constant added inside the update gate; the author's later code has 1.0,
            which makes a new cell remember.

    Call arguments:
        features: the spatial state S, `(B, h, w, F)`.
        states: `[T]`, the temporal state, `(B, h, w, F)`.

    Returns:
        `(S', [T'])`, of the same shapes.

    Raises:
        ValueError: if the features don't have `filters` channels, or an argument is out of range.

    Reference:
        Chang et al., An Information-Preserving Model for Video Prediction using Spatiotemporal
        GRUs, ICIP 2021.
    """

    def __init__(
        self,
        filters: int,
        kernel_size: int = 5,
        use_bias: bool = False,
        normalization: keras.layers.Layer | None = None,
        update_bias: float = 0.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(filters, kernel_size, use_bias, normalization, **kwargs)
        self.update_bias = update_bias
        self.spatial_normalization, self.temporal_normalization = (
            copied(self.normalization, name, self.dtype_policy)
            for name in ("spatial_normalization", "temporal_normalization")
        )

    @property
    def state_size(self) -> list[int]:
        return [self.filters]

    @property
    def readout_size(self) -> int:
        return 2 * self.filters

    def build(self, input_shape: Sequence[int | None]) -> None:
        super().build(input_shape)
        check_mixed(self, input_shape)
        gates = 4 * self.filters
        kernel_shape = (self.kernel_size, self.kernel_size, self.filters, gates)
        self.kernel = self.add_weight(shape=kernel_shape, name="kernel")
        self.recurrent_kernel = self.add_weight(shape=kernel_shape, name="recurrent_kernel")
        self.bias = self.recurrent_bias = None
        if self.use_bias:
            self.bias = self.add_weight(shape=(gates,), initializer="zeros", name="bias")
            self.recurrent_bias = self.add_weight(
                shape=(gates,), initializer="zeros", name="recurrent_bias"
            )
        for layer in (self.spatial_normalization, self.temporal_normalization):
            if layer is not None and not layer.built:
                layer.build((None, *input_shape[1:3], gates))

    def readout(self, features: Tensor, states: States) -> Tensor:
        return ops.concatenate([states[0], features], axis=-1)  # Eq. 1: [T, S]

    def project(self, features: Tensor) -> Tensor:
        return self._convolved(features, self.kernel, self.bias, self.spatial_normalization)

    def transition(
        self, features: Tensor, projected: Tensor, states: States
    ) -> tuple[Tensor, States]:
        [temporal] = states
        from_temporal = self._convolved(
            temporal, self.recurrent_kernel, self.recurrent_bias, self.temporal_normalization
        )
        s_z, s_r, s_c, s_m = ops.split(projected, 4, axis=-1)
        t_z, t_r, t_c, t_m = ops.split(from_temporal, 4, axis=-1)

        update = ops.sigmoid(s_z + t_z + self.update_bias)
        reset = ops.sigmoid(s_r + t_r)
        temporal_candidate = ops.tanh(t_c + reset * s_c)
        spatial_candidate = ops.tanh(s_m + reset * t_m)

        replaced = 1 - update
        new_temporal = replaced * temporal_candidate + update * temporal
        new_spatial = replaced * spatial_candidate + update * features
        return new_spatial, [new_temporal]

    def _convolved(
        self, state: Tensor, kernel: Tensor, bias: Tensor | None, normalization: Any
    ) -> Tensor:
        # The weights are cast here since `unroll` runs outside of `__call__`.
        projected = ops.conv(
            state, ops.cast(kernel, self.compute_dtype), padding="same", data_format="channels_last"
        )  # (B, h, w, 4F)
        if bias is not None:
            projected = projected + ops.cast(bias, self.compute_dtype)
        return projected if normalization is None else normalization(projected)

    def get_config(self) -> dict[str, Any]:
        return {**super().get_config(), "update_bias": self.update_bias}
