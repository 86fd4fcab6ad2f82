"""What the programs say: what they do, how long it takes yet, and where the results are."""

from __future__ import annotations

import os
import sys
from typing import Any, TextIO

from tqdm import tqdm

SECONDS_BETWEEN_LINES = 30  # Of progress, where nothing can be redrawn.
_BAR = "{desc} {percentage:3.0f}% |{bar}| {n_fmt}/{total_fmt} {unit}, {remaining} left{postfix}"
_COUNT = "{desc}: {n_fmt} {unit} in {elapsed}{postfix}"
_LINE = "{desc}: {n_fmt} of {total_fmt} {unit}, {remaining} left{postfix}"
BOLD, _RED, _PLAIN = "\x1b[1m", "\x1b[31m", "\x1b[0m"


class Console:
    """Where the programs speak; with `quiet`, only of their results."""

    def __init__(self) -> None:
        self.quiet = False
        self._bar: tqdm[Any] | None = None

    @property
    def redraws(self) -> bool:
        """Whether bars move: on a terminal and in a notebook."""
        return sys.stdout.isatty() or type(sys.stdout).__module__.startswith("ipykernel")

    def say(self, text: object) -> None:
        """Prints lines for people, above a bar of progress if there is one."""
        if not self.quiet:
            tqdm.write(str(text), file=sys.stdout)
            sys.stdout.flush()

    def progress(self, name: str, total: int | None, unit: str, done: int = 0) -> tqdm[Any]:
        """Returns a bar with the time left, to be updated and closed.

        It is redrawn on a terminal and in a notebook; elsewhere a line is written now and then.

        Args:
            name: what is going on.
            total: how much there is to do, or None where nobody knows.
            unit: of what, in the plural.
            done: how much was done before.
        """
        self.stop()  # One whose work was interrupted.
        redrawn = self.redraws
        self._bar = tqdm(
            desc=name,
            total=total,
            unit=unit,
            initial=done,
            file=sys.stdout if redrawn else _Lines(sys.stdout),
            disable=self.quiet,
            bar_format=(_BAR if redrawn else _LINE) if total else _COUNT,
            mininterval=0.2 if redrawn else SECONDS_BETWEEN_LINES,
            delay=0 if redrawn else SECONDS_BETWEEN_LINES,
            miniters=1,
            dynamic_ncols=redrawn,
            colour="green" if _shows_colours(sys.stdout) else None,
        )
        return self._bar

    def stop(self) -> None:
        """Leaves the last bar as it is, where the work is interrupted."""
        if self._bar is not None:
            self._bar.close()

    def conclude(
        self, report: object, results: object | None, *commands: str, contents: str = ""
    ) -> None:
        """Ends a run: what it found, where its results are, and what to do next.

        Args:
            report: lines for people.
            results: the file or folder of the results, which is all that `quiet` leaves; None
                where the report is all there is.
            *commands: to go on with.
            contents: what the folder holds.
        """
        if self.quiet:
            print(report if results is None else results)
            return
        mark = "\n  " if len(commands) > 1 else " "
        self.say(f"\n{report}\n")
        if results is not None:
            held = f" ({contents})" if contents else ""
            self.say(f"{styled('Results:', BOLD)} {results}{held}")
        self.say(f"{styled('Next:', BOLD)}{mark}{mark.join(commands)}")


console = Console()


def styled_error(text: str) -> str:
    """Returns the text in red, where stderr shows colours."""
    return styled(text, _RED, sys.stderr)


def styled(text: str, style: str, stream: TextIO | None = None) -> str:
    """Returns the text in a style, where the stream (by default stdout) shows styles."""
    return f"{style}{text}{_PLAIN}" if _shows_colours(stream or sys.stdout) else text


def _shows_colours(stream: TextIO | None) -> bool:
    wanted = "NO_COLOR" not in os.environ and os.environ.get("TERM") != "dumb"
    return wanted and stream is not None and stream.isatty()


class _Lines:
    """Makes lines of what would be redrawn in place."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._last = ""

    def write(self, text: str) -> None:
        line = text.strip()
        if line not in ("", self._last):
            self._stream.write(f"{line}\n")
            self._last = line

    def flush(self) -> None:
        self._stream.flush()
