"""The precision of a layer, applied to all its sublayers, which Keras leaves as they are."""

from __future__ import annotations

from typing import Any

import keras


def compute_in(layer: keras.layers.Layer, dtype: Any) -> None:
    """Sets the dtype policy of a layer, and of those of its sublayers that had the same as it.

    Args:
        layer: what to change; sublayers of a precision of their own keep it.
        dtype: a policy, or the name of one.

    Raises:
        ValueError: if there are weights already, of another dtype than they would have.
    """
    before, policy = layer.dtype_policy, keras.dtype_policies.get(dtype)
    if layer.weights and policy.variable_dtype != before.variable_dtype:
        raise ValueError(
            f"A layer keeps its weights in the dtype that it was built with. Received: "
            f"dtype={policy.name!r} for {layer.name!r}, whose weights are {before.variable_dtype}. "
            "Create it with this dtype."
        )
    for part in layer._flatten_layers():  # Keras has no public way to list all layers of a layer.
        if part.dtype_policy == before:
            part.dtype_policy = policy
