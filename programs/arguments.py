"""From settings, which are many, to the arguments that a class takes."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any


def taken_by(constructor: Callable[..., Any], settings: Mapping[str, Any]) -> dict[str, Any]:
    """Returns those of the settings that a constructor names among its arguments."""
    names = inspect.signature(constructor).parameters
    return {name: value for name, value in settings.items() if name in names}
