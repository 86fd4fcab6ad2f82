"""Files that are replaced whole or not at all."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a path to write to, and puts what was written in the place of `path` at the end.

    Whoever reads `path` sees the old file or the new one, never half of one, also when the
    program is killed or the disk is full. The temporary file has the same suffixes and lies in
    the same folder, which is made if it isn't there. One that a kill left is written over.

    Args:
        path: the file to write or replace.

    Raises:
        OSError: if it can't be written; the old file is then as it was.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".unfinished.{path.name}")
    try:
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)
