"""What every program here does with its command line and its errors."""

from __future__ import annotations

import contextlib
import os
import signal
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from absl import flags

from programs.console import console, styled_error
from programs.help_text import help_text

# Exit statuses.
USER_MISTAKE, FAILURE, INTERRUPTED, PIPE_CLOSED, TERMINATED = 2, 1, 130, 141, 143
EVERYWHERE = "In every program"
REPEAT = "What is finished is kept. Go on with the same command."


class Failure(Exception):
    """What a program was rightly asked and couldn't do; its message is for the user."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which schedulers send before they take a machine away; it ends what Ctrl-C ends."""


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
    _define_common_flags(values)
    try:
        rest = values(["", *arguments])[1:]
    except flags.Error as error:
        message = str(error).replace(" ?", "?").strip()
        raise ValueError(f"{message}{'' if message[-1] in '.?' else '.'} See --help.") from error
    if values.help:
        print(help_text(description, values), flush=True)
        raise SystemExit(0)
    if rest:
        raise ValueError(
            f"Settings are given as --name=value. Received: {' '.join(rest)}. See --help."
        )
    console.quiet = values.quiet
    return values


def _define_common_flags(values: flags.FlagValues) -> None:
    quiet = "For scripts: print only where the results are, and errors."
    flags.DEFINE_bool("quiet", False, quiet, flag_values=values, module_name=EVERYWHERE)
    flags.DEFINE_bool(
        "help", False, "Show this.", short_name="h", flag_values=values, module_name=EVERYWHERE
    )


def check_file(output: str | os.PathLike[str]) -> None:
    """Says before any work whether a file of this name could be written.

    Raises:
        ValueError: if not.
    """
    if Path(output).is_dir():
        raise ValueError(
            f"--output must be a file. Received: {output}, which is a folder. Name a file in it."
        )
    _check_place(output, Path(output).absolute().parent)


def check_folder(output: str | os.PathLike[str]) -> None:
    """Says before any work whether something could be written at this place.

    Raises:
        ValueError: if not.
    """
    _check_place(output, Path(output).absolute())


def _check_place(output: str | os.PathLike[str], path: Path) -> None:
    folder = next(parent for parent in (path, *path.parents) if parent.exists())
    if not folder.is_dir() or not os.access(folder, os.W_OK | os.X_OK):
        raise ValueError(
            f"--output must be a place that can be written to. Received: {output}, but {folder} "
            f"{'is no folder' if not folder.is_dir() else 'is read-only'}. Choose another."
        )


@contextlib.contextmanager
def when_interrupted(advice: str) -> Iterator[None]:
    """Tells who presses Ctrl-C meanwhile, or closes the pipe it speaks to, how to go on."""
    try:
        yield
    except KeyboardInterrupt as interrupt:
        raise type(interrupt)(f"{interrupt} {advice}".strip()) from None
    except BrokenPipeError:
        raise KeyboardInterrupt(advice) from None


def run(main: Callable[[Sequence[str]], None]) -> None:
    """Runs a program and ends the process, with one line where something went wrong."""
    sys.excepthook = sys.__excepthook__  # From here on this function answers Ctrl-C.
    signal.signal(signal.SIGTERM, _terminate)
    try:
        main(sys.argv[1:])
        sys.stdout.flush()
    except BrokenPipeError:  # Who reads the output has seen enough, as in `| head`.
        _forget_stdout()
        sys.exit(PIPE_CLOSED)
    except ValueError as error:
        _fail("error", error, USER_MISTAKE)
    except _failures() as error:
        reason = str(error) or "out of memory. Try a smaller model or --batch_size."
        _fail("error", reason, FAILURE)
    except KeyboardInterrupt as interrupt:
        terminated = isinstance(interrupt, Terminated)
        kind, status = ("terminated", TERMINATED) if terminated else ("interrupted", INTERRUPTED)
        _fail(kind, str(interrupt) or "Nothing half-written is left.", status)


def _terminate(*_: object) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)  # What is being saved is saved whole.
    raise Terminated


def _failures() -> tuple[type[Exception], ...]:
    """What ends a program in one line, with what TensorFlow and JAX raise if they were imported."""
    failures: list[type[Exception]] = [Failure, OSError, FloatingPointError, MemoryError]
    for module, error in (("tensorflow", "OpError"), ("jax", "JaxRuntimeError")):
        if sys.modules.get(module):
            failures.append(getattr(sys.modules[module].errors, error))
    return tuple(failures)


def _forget_stdout() -> None:
    """So that Python doesn't complain about it at its end."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _fail(kind: str, message: object, status: int) -> None:
    try:
        console.stop()
        sys.stdout.flush()
    except BrokenPipeError:
        _forget_stdout()
    text = " ".join(str(message).split())
    if sys.stderr is not None and sys.stderr.isatty():
        print(file=sys.stderr)  # Below what the program said, and ^C.
    print(f"{styled_error(f'{kind}:')} {text}", file=sys.stderr)
    sys.exit(status)
