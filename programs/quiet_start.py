"""A start without noise: no lines of TensorFlow's about itself, no traceback after Ctrl-C."""

from __future__ import annotations

import contextlib
import functools
import importlib.machinery
import importlib.util
import logging
import os
import sys
import tempfile
import types
from collections.abc import Callable, Iterator, Sequence

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_STDERR = 2


def quieten_tensorflow() -> None:
    """Makes TensorFlow start without its notes, when it is imported; who never does pays nothing.

    Some of the notes obey no setting, so what it writes while it is imported is kept, and shown
    only where that fails. Who sets the level to 0 or 1 sees everything.
    """
    # By default nothing: its optimiser of graphs calls what it can't improve an error, and what
    # does go wrong comes as an exception.
    if os.environ.setdefault(LEVEL, "3") >= "2" and "tensorflow" not in sys.modules:
        sys.meta_path.insert(0, _QuietFinder())


def quieten_interrupts() -> None:
    """Has Ctrl-C end a program in one line while it loads, as `command_line.run` does later."""
    if sys.argv[0] == "-m":  # So Python calls a program that it is still looking for.
        sys.excepthook = _end


def _end(
    kind: type[BaseException], error: BaseException, traceback: types.TracebackType | None
) -> None:
    if issubclass(kind, KeyboardInterrupt):
        print("interrupted: Nothing was begun.", file=sys.stderr)
    else:
        sys.__excepthook__(kind, error, traceback)


class _QuietFinder:
    """Finds TensorFlow as all others do, and has it loaded without notes."""

    def __init__(self) -> None:
        self._asking = False

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: types.ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "tensorflow" or self._asking:
            return None
        self._asking = True
        try:
            spec = importlib.util.find_spec(name)
        finally:
            self._asking = False
        if spec is not None and spec.loader is not None:
            spec.loader.exec_module = functools.partial(  # type: ignore[method-assign]
                self._load, spec.loader.exec_module
            )
        return spec

    def _load(self, load: Callable[[types.ModuleType], None], module: types.ModuleType) -> None:
        sys.meta_path.remove(self)
        with without_notes():
            load(module)
            module.config.list_physical_devices()  # It writes most while it looks.
        # Every program calls a model in several ways; that each is traced once is no news.
        module.get_logger().setLevel(logging.ERROR)


@contextlib.contextmanager
def without_notes() -> Iterator[None]:
    """Keeps what is written to stderr, by C++ too, and shows it only if there is an error."""
    try:
        shown = os.dup(_STDERR)
    except OSError:  # It is closed: there is nobody to spare.
        yield
        return
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        except Exception:
            os.dup2(shown, _STDERR)
            kept.seek(0)
            os.write(_STDERR, kept.read())
            raise
        finally:
            os.dup2(shown, _STDERR)
            os.close(shown)
