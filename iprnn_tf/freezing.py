"""Frozen parts of a model: `trainable=False` applied to all sublayers, and kept in configs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import keras


def freeze_sublayers_of(layer: keras.layers.Layer) -> None:
    """Freezes what a layer is made of where it was created with `trainable=False`.

    Keras itself does so only when `trainable` is changed later.
    """
    for part in layer._layers if not layer.trainable else ():
        part.trainable = False


def updated_variables(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns what a layer changes by itself in training, as moving averages and seeds are.

    Frozen weights, which Keras counts as not trainable too, aren't among them.
    """
    weights = {
        id(weight) for part in layer._flatten_layers() for weight in part._trainable_variables
    }
    return [variable for variable in layer.non_trainable_variables if id(variable) not in weights]


def frozen_parts(model: keras.Model) -> list[str]:
    """Returns the paths, below the model, of all layers whose `trainable` is False."""
    return [path for path, layer in _parts(model) if not layer.trainable]


def freeze(model: keras.Model, paths: Iterable[str]) -> None:
    """Sets `trainable` of all layers below the model as `frozen_parts` found it.

    Raises:
        ValueError: if the model has no such part.
    """
    frozen = set(paths)
    parts = list(_parts(model))
    if unknown := frozen - {path for path, _ in parts}:
        raise ValueError(
            "`frozen` names layers of the model by their paths. "
            f"Received: {', '.join(sorted(unknown))}, which {model.name!r} doesn't have. "
            f"It has {', '.join(path for path, _ in parts)}."
        )
    for path, layer in parts:  # From the top: what holds a layer sets it too.
        layer.trainable = path not in frozen


def _parts(layer: keras.layers.Layer, above: str = "") -> Iterator[tuple[str, keras.layers.Layer]]:
    for part in layer._layers:  # Keras has no public way to list the layers of a layer.
        path = f"{above}{part.name}"
        yield path, part
        yield from _parts(part, f"{path}/")
