"""What people should know of videos before they train on them, and wouldn't see otherwise."""

from __future__ import annotations

import collections
import itertools
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from iprnn_tf.data.recordings import Frame

_NUMBERED = re.compile(r"(.*?)(\d+)(\D*)")
_SAME_RATE = 1.1  # Clips of 29.97 and 30 frames a second go together.


class Clock:
    """Passes frames through, and knows then how many a second they were."""

    def __init__(self) -> None:
        self._count, self._seconds = 0, 0.0

    def timed(self, frames: Iterator[Frame]) -> Iterator[Frame]:
        """Yields the frames."""
        for frame in frames:
            self._count, self._seconds = self._count + 1, frame.seconds or 0.0
            yield frame

    @property
    def rate(self) -> float:
        """Frames a second, 0 where they have no time."""
        return (self._count - 1) / self._seconds if self._seconds > 0 else 0.0


def of_gaps(files: Sequence[Path]) -> list[str]:
    """Tells of numbers that are left out in the names of ordered files."""
    matches = [_NUMBERED.fullmatch(file.stem) for file in files]
    if None in matches or len({(match[1], match[3]) for match in matches if match}) != 1:
        return []
    numbers = [int(match[2]) for match in matches if match]
    steps = [after - before for before, after in itertools.pairwise(numbers)]
    usual = min((step for step in steps if step > 0), default=0)
    gaps = [index for index, step in enumerate(steps) if step > usual]
    if not gaps:
        return []
    before, after = files[gaps[0]].name, files[gaps[0] + 1].name
    return [f"the numbers of its frames have gaps ({len(gaps):,}), first from {before} to {after}"]


def of_rates(rates: Mapping[str, float]) -> list[tuple[str, str]]:
    """Tells of videos at several rates, frames a second by name, where all frames are taken."""
    known = {name: rate for name, rate in rates.items() if rate > 0}
    if not known:
        return []
    slow, fast = (pick(known, key=known.__getitem__) for pick in (min, max))
    if known[fast] <= _SAME_RATE * known[slow]:
        return []
    told = f"has {known[slow]:g} frames a second, {fast} {known[fast]:g}; --fps makes them even"
    return [(slow, told)]


def of_copies(contents: Mapping[str, str], splits: Mapping[str, str]) -> list[tuple[str, str]]:
    """Tells of the same frames in several splits, whose measures then say nothing.

    Args:
        contents: a digest of the frames of each video, by name.
        splits: of the videos, by name.
    """
    copies = collections.defaultdict(list)
    for name, digest in contents.items():
        copies[digest].append(name)
    return [
        (
            names[0],
            f"is for {splits[names[0]]}, and has the same frames as {other} "
            f"for {splits[other]}: keep one",
        )
        for names in copies.values()
        for other in names[1:]
        if splits.get(names[0]) != splits.get(other)
    ]
