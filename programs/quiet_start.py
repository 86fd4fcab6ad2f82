"""TensorFlow without the lines it writes about itself while it starts."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import tempfile
from collections.abc import Iterator

LEVEL = "TF_CPP_MIN_LOG_LEVEL"
_STDERR = 2


def import_tensorflow() -> None:
    """Imports TensorFlow and lets it look for devices, which is when it writes most.

    Some of its notes obey no setting, so what it writes meanwhile is kept, and shown only where
    the import fails. Who sets the level to 0 or 1 sees everything.
    """
    # By default nothing: its optimiser of graphs calls what it can't improve an error, and what
    # does go wrong comes as an exception.
    if os.environ.setdefault(LEVEL, "3") < "2":
        return
    with _kept_unless_it_fails():
        import tensorflow as tf

        tf.config.list_physical_devices()
    # Every program calls a model in several ways; that each is traced once is no news.
    tf.get_logger().setLevel(logging.ERROR)


@contextlib.contextmanager
def _kept_unless_it_fails() -> Iterator[None]:
    """Keeps what is written to stderr, by C++ too."""
    sys.stderr.flush()
    shown = os.dup(_STDERR)
    with tempfile.TemporaryFile() as kept:
        os.dup2(kept.fileno(), _STDERR)
        try:
            yield
        except BaseException:
            os.dup2(shown, _STDERR)
            kept.seek(0)
            os.write(_STDERR, kept.read())
            raise
        finally:
            os.dup2(shown, _STDERR)
            os.close(shown)
