"""State dicts of PyTorch: arrays by their names, and their places in a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import keras
import numpy as np

Arrays = Mapping[str, np.ndarray]

# Kernels (out, in, k, k), or (in, out, k, k) of transposed convolutions, become (k, k, in, out) and
# (k, k, out, in); what scales images element by element, (C, h, w), becomes (h, w, C).
_AXES = {4: (2, 3, 1, 0), 3: (1, 2, 0)}


def stripped(state: Arrays, first: str, models: str) -> dict[str, np.ndarray]:
    """Returns the arrays by their names within the model, below whatever was wrapped around it.

    Args:
        state: arrays by their names in PyTorch.
        first: the name of one that every state dict of this layout has.
        models: which models have the layout, for the error.

    Raises:
        ValueError: if there is no such array.
    """
    prefix = next((name[: -len(first)] for name in state if name.endswith(first)), None)
    if prefix is None:
        raise ValueError(
            f"A state dict of {models} has {first!r}. Received: "
            f"{', '.join(sorted(state)[:4]) or 'none'}, ... Give one of these."
        )
    if np.ndim(state[prefix + first]) != 4:
        raise ValueError(
            f"{first!r} is the kernel of a convolution, (out, in, k, k). Received: one of shape "
            f"{np.shape(state[prefix + first])}. Give a state dict of {models}."
        )
    return {
        name.removeprefix(prefix): np.asarray(array, "float32")
        for name, array in state.items()
        if name.startswith(prefix)
    }


def array_of(arrays: Arrays, name: str) -> np.ndarray:
    """Returns an array.

    Raises:
        ValueError: if it isn't there.
    """
    if name not in arrays:
        raise ValueError(
            f"A state dict of this kind has {name!r}. Received: one without it, with "
            f"{len(arrays)} arrays. Give a whole one."
        )
    return arrays[name]


def length_of(arrays: Arrays, modules: str) -> int:
    """Returns how many modules a list of them has.

    Args:
        arrays: by their names within the model.
        modules: the list's name.
    """
    numbers = (name.split(".")[1] for name in arrays if name.startswith(f"{modules}."))
    return 1 + max((int(number) for number in numbers if number.isdigit()), default=-1)


def fill(
    places: Mapping[str, keras.Variable],
    arrays: Arrays,
    is_unused: Callable[[str], bool],
    example: str,
) -> None:
    """Gives variables the values of arrays.

    Args:
        places: which variable each array is for.
        arrays: by their names within the model.
        is_unused: whether an array is of a module that is created there and never called.
        example: of arrays that have no place, for the error.

    Raises:
        ValueError: if an array is missing, has another shape or has no place.
    """
    left = [name for name in arrays if name not in places and not is_unused(name)]
    if left:
        raise ValueError(
            "Every array of a state dict has its place in the model. Received: "
            f"{', '.join(left[:4])}, for which there is none: {example}. Give the state dict of "
            "another version."
        )
    for name, variable in places.items():
        array = array_of(arrays, name)
        array = np.transpose(array, _AXES.get(array.ndim))
        if tuple(variable.shape) != array.shape:
            raise ValueError(
                f"{name!r} must have the shape {tuple(variable.shape)} here (height, width, in, "
                f"out). Received: {array.shape}. Layers of several widths, or frames of another "
                "size, don't fit."
            )
        variable.assign(array)
