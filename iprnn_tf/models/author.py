"""Weights that were trained in PyTorch, in the layout of the public code of IPRNN's author."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from iprnn_tf.cells import STGRUCell
from iprnn_tf.models.iprnn import IPRNN
from iprnn_tf.models.state_dict import Arrays, array_of, fill, length_of, stripped

FIRST = "cell_list.0.conv_t.0.weight"  # Every state dict of this layout has it.


def from_author(state: Arrays, image_shape: Sequence[int | None] = (64, 64, 1)) -> IPRNN:
    """Creates the model that a state dict of STGRUs between the author's encoder and decoder is of.

    The author published no IPRNN, but both its parts: the encoder, the decoder and the 1x1
    convolution that merges the states, as in MAU, and the memory, as in STIP. Their names and
    shapes tell sizes, and whether the memories are normalised. The model predicts what these parts
    do there: in float32 the frames differ by rounding alone. That the decoder recalls the
    encoder's features ("recall" there) the names don't tell; here it does.

    Args:
        state: arrays by their names in PyTorch, such as "cell_list.0.conv_t.0.weight"; what
            stands before these names, as "module.", is ignored.
        image_shape: (H, W, C) of the frames that it was trained on.

    Returns:
        The model, with a linear output, in float32.

    Raises:
        ValueError: if the arrays aren't those of such a model, or of other frames.

    Reference:
        Chang et al., MAU: A Motion-Aware Unit for Video Prediction and Beyond, NeurIPS 2021;
        Chang et al., STIP: A SpatioTemporal Information-Preserving and Perception-Augmented Model
        for High-Resolution Video Prediction, 2022.
    """
    arrays = stripped(state, FIRST, "STGRUs in the layout of IPRNN's author")
    *scales, _ = (
        array_of(arrays, f"{name}.weight").shape[0]
        for name in _encoder_names(length_of(arrays, "encoders"))
    )
    _, filters, kernel_size, _ = arrays[FIRST].shape
    normalization = keras.layers.LayerNormalization(axis=(1, 2, 3), epsilon=1e-5)
    model = IPRNN(
        image_shape,
        STGRUCell(
            filters,
            kernel_size,
            use_bias=True,
            normalization=normalization if "cell_list.0.conv_t.1.weight" in arrays else None,
            update_bias=1.0,
        ),
        num_layers=length_of(arrays, "cell_list"),
        num_downsamplings=len(scales),
        encoder_filters=scales,
        pytorch_padding=True,
    )
    example = "the memories of MAU, for example, have convolutions that STGRUs don't"
    fill(_places(model), arrays, _is_unused, example)
    return model


def _encoder_names(count: int) -> list[str]:
    """The modules of the encoder: the first convolves pixels, each of the others halves."""
    halving = (f"encoders.{scale + 1}.encoder_t{scale}" for scale in range(count - 1))
    return ["encoders.0.encoder_t_conv-1", *halving]


def _is_unused(name: str) -> bool:
    return name.startswith("conv_last_sr.") or ".conv_last." in name


def _places(model: IPRNN) -> dict[str, keras.Variable]:
    """Which variable each array is for."""
    modules = dict(
        zip(
            _encoder_names(model.num_downsamplings + 1),
            [model.encoder.stem, *model.encoder.stages],
            strict=True,
        )
    )
    for index, stage in enumerate(model.decoder.stages):
        modules[f"decoders.{index}.c_decoder{index}"] = stage
    modules |= {"merge": model.merge, "srcnn.0": model.decoder.head}
    places: dict[str, keras.Variable] = {}
    for name, layer in modules.items():
        places |= {f"{name}.weight": layer.kernel, f"{name}.bias": layer.bias}
    for index, cell in enumerate(model.cell.cells):
        places |= _of_cell(f"cell_list.{index}", cell)
    return places


def _of_cell(name: str, cell: STGRUCell) -> dict[str, keras.Variable]:
    """Both have the gates in one order: update, reset, temporal candidate, spatial candidate."""
    places = {
        f"{name}.conv_t.0.weight": cell.recurrent_kernel,
        f"{name}.conv_t.0.bias": cell.recurrent_bias,
        f"{name}.conv_s.0.weight": cell.kernel,
        f"{name}.conv_s.0.bias": cell.bias,
    }
    norms = {"conv_t": cell.temporal_normalization, "conv_s": cell.spatial_normalization}
    for module, norm in norms.items():
        if norm is not None:
            places[f"{name}.{module}.1.weight"] = norm.gamma
            places[f"{name}.{module}.1.bias"] = norm.beta
    return places
