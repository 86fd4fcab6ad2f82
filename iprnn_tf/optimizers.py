"""An optimizer for networks of convolutions that have few steps to learn in."""

from __future__ import annotations

import math
import re
from typing import Any

import keras
from keras import ops

from iprnn_tf.cells.cell import Tensor


@keras.saving.register_keras_serializable(package="iprnn_tf")
class ConvMuon(keras.optimizers.Muon):
    """Muon for the kernels of convolutions, Adam for everything else.

    Muon replaces the update of a matrix by the nearest orthogonal one, so that all directions
    are learned at the same pace. Keras's own `Muon` does so for matrices alone; here the kernels
    of convolutions larger than one pixel take their place, and plain matrices get Adam:

        kernel (k, k, i, o)  ->  matrix (k * k * i, o)

    (of a transposed convolution, whose kernel is (k, k, o, i), the matrix is (k * k * o, i)).
    Its updates have the size of Adam's, so that learning rates carry over.

    Args:
        learning_rate: a number or a schedule, for both kinds of weights.
        **kwargs: the other arguments of `keras.optimizers.Muon`; weight decay is off by default.
            Kernels whose path matches one of `exclude_layers` get Adam too; embeddings are
            matrices and get it whatever `exclude_embeddings` says.

    Reference:
        Jordan et al., Muon: An optimizer for hidden layers in neural networks, 2024;
        Liu et al., Muon is scalable for LLM training, 2025 (the size of the updates).
    """

    def __init__(self, learning_rate: Any = 1e-3, **kwargs: Any) -> None:
        kwargs = {"weight_decay": None, "adam_weight_decay": None, **kwargs}
        super().__init__(learning_rate=learning_rate, **kwargs)

    def _should_use_adamw(self, variable: Any) -> bool:
        # Keras 3.15, to which the package is pinned, has no public way to say this.
        shape = variable.shape
        if len(shape) != 4 or shape[0] * shape[1] == 1:
            return True
        return any(re.search(keyword, variable.path) for keyword in self.exclude_layers)

    def zeropower_via_newtonschulz5(self, x: Tensor, steps: int) -> Tensor:
        """Returns nearly the nearest orthogonal matrix, by half the operations of Keras's own.

        Each step X <- X p(X'X), where p is a polynomial, multiplies X'X by p(X'X)^2. So the steps
        are done on that square, which is small where a kernel's matrix is long, and X is
        multiplied once by all of them.
        """
        matrix = ops.reshape(x, (-1, x.shape[-1]))
        is_long = matrix.shape[0] > matrix.shape[1]
        matrix = matrix if is_long else ops.transpose(matrix)
        matrix = matrix / (ops.norm(matrix) + 1e-7)  # No singular value is above one.
        square = ops.transpose(matrix) @ matrix
        identity = ops.eye(square.shape[0], dtype=square.dtype)
        product = identity
        for step in range(steps):
            factor = self.muon_a * identity + self.muon_b * square + self.muon_c * (square @ square)
            product = product @ factor if step else factor
            if step < steps - 1:
                square = factor @ square @ factor
        matrix = matrix @ product
        return ops.reshape(matrix if is_long else ops.transpose(matrix), x.shape)

    def lr_adjust(self, x: Tensor) -> Tensor:
        if self.rms_rate is None:
            return x
        longer_side = max(math.prod(x.shape[:-1]), x.shape[-1])
        return x * (self.rms_rate * math.sqrt(longer_side))
