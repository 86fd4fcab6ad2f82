"""Files and folders that appear whole or not at all."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

LOCK = ".lock"


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
        _flush(temporary)
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def new_folder(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Gives a folder to fill, which becomes `path` at the end.

    Whoever looks at `path` sees nothing or all of it, also when the program is killed or the
    disk is full. One that a kill left is written over.

    Args:
        path: a folder that isn't there yet, or is empty.

    Raises:
        OSError: if it can't be written, or `path` is there and not empty.
    """
    path = Path(path)
    temporary = path.with_name(f".unfinished.{path.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    try:
        yield temporary
        for file in temporary.rglob("*"):
            if file.is_file():
                _flush(file)
        os.rename(temporary, path)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


@contextlib.contextmanager
def locked(folder: str | os.PathLike[str], rule: str) -> Iterator[None]:
    """Keeps other processes out of a folder; the system forgets it if this one dies.

    Args:
        folder: is made if it isn't there.
        rule: the message of the error: that one process may be in it, which folder, what to do.

    Raises:
        ValueError: if another process is in it.
    """
    Path(folder).mkdir(parents=True, exist_ok=True)
    try:
        held = FileLock(Path(folder) / LOCK).acquire(blocking=False)
    except Timeout as error:
        raise ValueError(rule) from error
    with held:
        yield


def write_json(path: str | os.PathLike[str], content: dict[str, Any]) -> None:
    """Writes a file that people can read, in one piece.

    Raises:
        OSError: if it can't be written; an old file is then as it was.
    """
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(content, indent=2) + "\n")


def _flush(file: Path) -> None:
    with file.open("rb+") as stream:
        os.fsync(stream.fileno())
