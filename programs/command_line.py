"""What every program here does with its command line and its errors."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence

import keras
import tensorflow as tf
from absl import flags

USER_MISTAKE, FAILURE, INTERRUPTED = 2, 1, 130  # Exit statuses.


class Failure(Exception):
    """What a program was rightly asked and couldn't do; its message is for the user."""


def parse(
    description: str, define: Callable[[flags.FlagValues], None], arguments: Sequence[str]
) -> flags.FlagValues:
    """Parses the arguments of one program, into flags of its own.

    Args:
        description: what `--help` shows above the flags.
        define: defines the program's flags on the given values.
        arguments: as in `sys.argv[1:]`.

    Raises:
        ValueError: if an argument isn't understood.
        SystemExit: after `--help`.
    """
    values = flags.FlagValues()
    define(values)
    flags.DEFINE_bool("help", False, "Show this help.", short_name="h", flag_values=values)
    try:
        rest = values(["", *arguments])[1:]
    except flags.Error as error:
        raise ValueError(f"{error} See --help.") from error
    if keras.backend.backend() != "tensorflow":
        # TensorFlow only prepares data then; it must not take the memory of the accelerator.
        tf.config.set_visible_devices([], "GPU")
    if values.help:
        print(f"{description}\n{values.get_help()}")
        raise SystemExit(0)
    if rest:
        raise ValueError(
            f"Settings are given as --name=value. Received: {' '.join(rest)}. See --help."
        )
    return values


def progress() -> int:
    """Keras's verbosity: a moving bar on a terminal, else a line when it is done."""
    return 1 if sys.stdout.isatty() else 2


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a program and ends the process, with one line where something went wrong."""
    try:
        main(sys.argv[1:])
    except ValueError as error:
        _fail(error, USER_MISTAKE)
    except (Failure, OSError, FloatingPointError, MemoryError, tf.errors.OpError) as error:
        _fail(str(error) or "out of memory. Try a smaller model or --batch_size.", FAILURE)
    except KeyboardInterrupt as interrupt:
        _fail(f"interrupted. {interrupt}", INTERRUPTED)


def _fail(message: object, status: int) -> None:
    print(f"\nerror: {' '.join(str(message).split())}", file=sys.stderr)
    sys.exit(status)
