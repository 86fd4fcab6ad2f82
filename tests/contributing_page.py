"""The files that CONTRIBUTING.md shows, as modules."""

import functools
import re
from pathlib import Path
from types import SimpleNamespace

PAGE = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text()
FILES = dict(re.findall(r"^```python\n# (\S+)\n(.*?)^```", PAGE, re.M | re.S))


@functools.cache  # A cell is registered by its name, so there is one class of it.
def shown(path):
    """Runs the file that the page shows under a path, and returns what it defines."""
    names = {"__name__": path.removesuffix(".py").replace("/", ".")}
    exec(compile(FILES[path], f"CONTRIBUTING.md, {path}", "exec"), names)
    return SimpleNamespace(**names)
