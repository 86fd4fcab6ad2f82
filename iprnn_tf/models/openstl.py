"""Weights that were trained in PyTorch, in the layout of OpenSTL and predrnn-pytorch."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import keras
import numpy as np

from iprnn_tf.arguments import checked_image_shape
from iprnn_tf.cells import CausalLSTMCell, Cell, ConvLSTMCell, STLSTMCell
from iprnn_tf.models.patch_rnn import PatchRNN
from iprnn_tf.models.state_dict import Arrays, array_of, fill, length_of, stripped

FIRST = "cell_list.0.conv_x.0.weight"  # Every state dict of this layout has it.
# Modules that are created there and never called, in the cells and in the model.
_UNUSED = {"conv_lstm": {"conv_o", "conv_last"}, "causal_lstm": {"conv_o"}}
_UNUSED_BY_PREDICTION = "adapter."  # PredRNN-V2's, which its loss alone asks.


class _Source(NamedTuple):
    """Where a convolution's kernel comes from: a module, and its gates in our order (-1: none)."""

    module: str
    gates: Sequence[int] | None = None


_CONVOLUTIONS: dict[str, dict[str, _Source]] = {
    "conv_lstm": {"from_features": _Source("conv_x"), "from_hidden": _Source("conv_h")},
    "st_lstm": {
        "from_features": _Source("conv_x"),
        "from_hidden": _Source("conv_h"),
        "from_memory": _Source("conv_m"),
        "from_both": _Source("conv_o"),
        "merge": _Source("conv_last"),
    },
    "causal_lstm": {
        "from_features": _Source("conv_x"),
        "from_hidden": _Source("conv_h"),
        "from_cell": _Source("conv_c"),
        "from_new_cell": _Source("conv_c2m", (0, 2, 1, 3)),
        "from_memory": _Source("conv_m", (0, 1, -1, 2)),  # The candidate doesn't see it there.
        "from_new_memory": _Source("conv_om"),
        "merge": _Source("conv_last"),
    },
}
_CELLS: dict[str, Callable[..., Cell]] = {
    # Its forget gate has no constant; those of the others have 1, as here.
    "conv_lstm": lambda **kwargs: ConvLSTMCell(use_bias=False, forget_bias=0.0, **kwargs),
    "st_lstm": STLSTMCell,
    "causal_lstm": lambda **kwargs: CausalLSTMCell(hidden_to_output=True, **kwargs),
}


def from_openstl(state: Arrays, image_shape: Sequence[int | None] = (64, 64, 1)) -> PatchRNN:
    """Creates the model that a state dict of OpenSTL's ConvLSTM, PredRNN or PredRNN++ is of.

    Which of them it is, its size and whether it is normalised follow from names and shapes; the
    state dicts of predrnn-pytorch's PredRNN have the same, since its convolutions have no biases.
    The model predicts what the original does: in float32 their frames differ by rounding alone.

    Args:
        state: arrays by their names in PyTorch, such as "cell_list.0.conv_x.0.weight"; what
            stands before these names, as "module.", is ignored.
        image_shape: (H, W, C) of the frames that it was trained on.

    Returns:
        The model, with a linear output, in float32.

    Raises:
        ValueError: if the arrays aren't those of such a model, or of other frames.

    Reference:
        Tan et al., OpenSTL: A Comprehensive Benchmark of Spatio-Temporal Predictive Learning,
        NeurIPS 2023.
    """
    arrays = stripped(state, FIRST, "OpenSTL's ConvLSTM, PredRNN or PredRNN++")
    kind = _kind(arrays)
    filters = array_of(arrays, "conv_last.weight").shape[1]
    _, inputs, kernel_size, _ = arrays[FIRST].shape
    model = PatchRNN(
        image_shape,
        _CELLS[kind](
            filters=filters, kernel_size=kernel_size, normalization=_normalization(arrays, kind)
        ),
        num_layers=length_of(arrays, "cell_list"),
        patch_size=_patch_size(inputs, image_shape),
    )
    fill(
        _places(model, arrays, kind),
        _in_our_order(arrays, kind),
        lambda name: _is_unused(name, kind),
        "biases of convolutions, for example, these models don't have",
    )
    return model


def _patch_size(inputs: int, image_shape: Sequence[int | None]) -> int:
    """The side of the patches of which the first kernel takes so many channels."""
    channels = checked_image_shape(image_shape)[2]
    side = math.isqrt(inputs // channels)
    if side**2 * channels != inputs:
        raise ValueError(
            "The first kernel of a model on patches takes C * p * p channels. Received: one of "
            f"{inputs} with image_shape={tuple(image_shape)}. Give the shape of the frames that it "
            "was trained on."
        )
    return side


def _of_cells(name: str) -> bool:
    return name.startswith("cell_list.")


def _is_unused(name: str, kind: str) -> bool:
    unused = _UNUSED.get(kind, set())
    in_cell = _of_cells(name) and name.split(".")[2] in unused
    return in_cell or name.startswith(_UNUSED_BY_PREDICTION)


def _kind(arrays: Arrays) -> str:
    """The memory that the names are of."""
    modules = {name.split(".")[2] for name in arrays if _of_cells(name)}
    for kind, convolutions in _CONVOLUTIONS.items():
        wanted = {source.module for source in convolutions.values()}
        if wanted <= modules <= wanted | _UNUSED.get(kind, set()):
            return kind
    raise ValueError(
        "OpenSTL's ConvLSTM, PredRNN and PredRNN++ are known. Received: cells of "
        f"{', '.join(sorted(modules))}. Give the state dict of one of these."
    )


def _normalization(arrays: Arrays, kind: str) -> keras.layers.Layer | None:
    """What normalises a convolution there: over channels and image, with a scale for each."""
    if "cell_list.0.conv_x.1.weight" not in arrays:
        return None
    if kind == "causal_lstm":
        raise ValueError(
            "OpenSTL's PredRNN++ runs without normalisation alone. Received: the state dict of one "
            "with layer_norm. Give one without."
        )
    return keras.layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5)


def _places(model: PatchRNN, arrays: Arrays, kind: str) -> dict[str, keras.Variable]:
    """Which variable each array is for."""
    modules: dict[str, Any] = {
        f"cell_list.{layer}.{source.module}": getattr(cell, name)
        for layer, cell in enumerate(model.cell.cells)
        for name, source in _CONVOLUTIONS[kind].items()
    }
    highway: Any = getattr(model.cell, "highway", None)
    if highway is not None:
        modules["gradient_highway.x_concat"] = highway.from_features
        modules["gradient_highway.z_concat"] = highway.from_state
    places = {"conv_last.weight": model.decoder.head.kernel}
    for module, target in modules.items():
        # Some are a sequence of the convolution and what normalises it.
        own = f"{module}.0.weight" if f"{module}.0.weight" in arrays else f"{module}.weight"
        places[own] = target.convolution.kernel
        if target.normalization is not None:
            places[f"{module}.1.weight"] = target.normalization.gamma
            places[f"{module}.1.bias"] = target.normalization.beta
    return places


def _in_our_order(arrays: Arrays, kind: str) -> dict[str, np.ndarray]:
    """The arrays, with the gates of kernels as our cells have them."""
    gates = {source.module: source.gates for source in _CONVOLUTIONS[kind].values()}
    return {
        name: _reordered(array, gates.get(name.split(".")[2])) if _of_cells(name) else array
        for name, array in arrays.items()
    }


def _reordered(kernel: np.ndarray, gates: Sequence[int] | None) -> np.ndarray:
    count = 1 if gates is None else sum(gate >= 0 for gate in gates)
    if gates is None or len(kernel) % count:  # Which no cell has: its shape is refused.
        return kernel
    parts = np.split(kernel, count)  # (out, in, k, k)
    parts.append(np.zeros_like(parts[0]))
    return np.concatenate([parts[gate] for gate in gates])
