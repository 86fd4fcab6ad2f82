"""How an LSTM writes to a memory, for cells that have several."""

from __future__ import annotations

from keras import ops

from iprnn_tf.cells.cell import Tensor


def parted(gates: Tensor, filters: int) -> list[Tensor]:
    """Splits fused gates after every third, `(..., 3F)` each; the last part may have fewer."""
    places = list(range(3 * filters, gates.shape[-1], 3 * filters))
    parts: list[Tensor] = ops.split(gates, places, axis=-1) if places else [gates]
    return parts


def written(gates: Tensor, memory: Tensor, forget_bias: float) -> Tensor:
    """Returns a memory after input, forget and candidate, `(..., 3F)`, have written to it."""
    into, forget, candidate = ops.split(gates, 3, axis=-1)
    kept = ops.sigmoid(forget + forget_bias) * memory
    return kept + ops.sigmoid(into) * ops.tanh(candidate)
