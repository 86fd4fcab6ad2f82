"""Arguments as the library keeps them, and the errors for wrong ones."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from typing import Any

ImageShape = tuple[int | None, int | None, int]


def integer(name: str, value: Any, hint: str, least: int = 1) -> int:
    """Returns an argument as a Python integer; NumPy's are integers too.

    Args:
        name: of the argument.
        value: what was given.
        hint: a sentence that helps to choose another.
        least: the smallest that will do.

    Raises:
        ValueError: if it is no integer, or a smaller one.
    """
    try:
        number = None if isinstance(value, bool) else operator.index(value)
    except TypeError:
        number = None
    if number is None or number < least:
        rule = "a positive integer" if least == 1 else f"an integer of at least {least}"
        raise ValueError(f"`{name}` must be {rule}. Received: {name}={value!r}. {hint}")
    return number


def agree(sizes: Sequence[int | None], others: Sequence[int | None]) -> bool:
    """Whether sizes are as many as others, and equal to them where both are known."""
    return len(sizes) == len(others) and all(
        own is None or other is None or own == other
        for own, other in zip(sizes, others, strict=True)
    )


def checked_image_shape(image_shape: Sequence[int | None]) -> ImageShape:
    """Returns (H, W, C) of frames; H and W may be None.

    Raises:
        ValueError: if it is no such shape.
    """
    try:
        height, width, channels = image_shape
        height, width = (
            None if side is None else integer("side", side, "") for side in (height, width)
        )
        return height, width, integer("channels", channels, "")
    except (TypeError, ValueError):
        raise ValueError(
            "`image_shape` must be (height, width, channels), positive integers or, for height "
            f"and width, None. Received: image_shape={image_shape!r}. "
            "Grey Moving MNIST is (64, 64, 1)."
        ) from None


def checked_value_range(value_range: Sequence[float] | None) -> tuple[float, float] | None:
    """Returns (low, high), what 0 and 1 in a frame stand for, or None.

    Raises:
        ValueError: if it is no such range.
    """
    if value_range is None:
        return None
    limits = tuple(map(float, value_range))
    if len(limits) != 2 or not -math.inf < limits[0] < limits[1] < math.inf:
        raise ValueError(
            "`value_range` is (low, high), the values that 0 and 1 stand for, or None for "
            f"pictures. Received: value_range={value_range!r}. Radar in dBZ may be (0, 70)."
        )
    return limits
