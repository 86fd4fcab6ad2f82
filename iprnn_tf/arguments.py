"""Arguments as the library keeps them, and the errors for wrong ones."""

from __future__ import annotations

import operator
from typing import Any


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
