"""How fast real video is prepared and delivered, and how much memory that takes."""

from __future__ import annotations

import itertools
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from iprnn_tf.data import FOOTAGE, VideoWindows
from iprnn_tf.data.footage import PAPER_SIZE, Cut
from iprnn_tf.data.preparation import Preparation
from iprnn_tf.data.recordings import Frame, Video
from programs.tables import aligned
from trainers.configuration.footage import find
from trainers.measuring.machine import peak_memory

FRAME_BYTES = PAPER_SIZE[0] * PAPER_SIZE[1] * 3
NUM_VIDEOS = 40
GROWTH = 10  # How much larger the second stream is.
READING_SECONDS = 5.0
WINDOW, BATCH = 20, 8


def measure(dataset: str, data_dir: str, gigabytes: float) -> str:
    """Measures the videos of a data set, or synthetic ones of a size and a tenth of it.

    Args:
        dataset: a key of `FOOTAGE`.
        data_dir: where its videos are; empty for synthetic ones.
        gigabytes: of synthetic frames, 128 x 160 x 3 bytes each.

    Returns:
        A table: frames decoded (where there is a codec), scaled and written per second; windows
        of 20 frames read in random order per second; and the process's peak memory so far.

    Raises:
        ValueError: if there are no videos.
    """
    if data_dir:
        cut = FOOTAGE[dataset].cut(Cut())
        rows = [_row(data_dir, find(dataset, data_dir), cut)]
    else:
        rows = [
            _row(f"synthetic, {size:g} GB", _synthetic_videos(size), Cut())
            for size in (gigabytes / GROWTH, gigabytes)
        ]
    return aligned([list(rows[0]), *(list(row.values()) for row in rows)])


def _row(name: str, videos: list[Video], cut: Cut) -> dict[str, str]:
    with tempfile.TemporaryDirectory(dir=".") as folder:
        begin = time.perf_counter()
        ready = Preparation(videos, cut, lambda names: dict.fromkeys(names, "train"), Path(folder))
        frames = ready.run().frames("train")
        prepared = frames / (time.perf_counter() - begin)
        delivered = _windows_per_second(VideoWindows(folder, num_frames=WINDOW))
    return {
        "": name,
        "frames": f"{frames:,}",
        "prepared/s": f"{prepared:,.0f}",
        "windows/s": f"{delivered:,.0f}",
        "peak memory, MiB": f"{peak_memory() / 2**20:,.0f}",
    }


def _windows_per_second(windows: VideoWindows) -> float:
    batches = iter(windows.frames("train").batch(BATCH))
    next(batches)
    begin, count = time.perf_counter(), 0
    while time.perf_counter() - begin < READING_SECONDS:
        next(batches)
        count += BATCH
    return count / (time.perf_counter() - begin)


def _synthetic_videos(gigabytes: float) -> list[Video]:
    """Views of one picture of noise that cost nothing to make, moved from frame to frame."""
    height, width = PAPER_SIZE
    noise = np.random.default_rng(0).integers(0, 256, (2 * height, 2 * width, 3), np.uint8)
    length = max(round(gigabytes * 1e9 / FRAME_BYTES / NUM_VIDEOS), WINDOW)

    def frames(first: int) -> Iterator[Frame]:
        for index in range(first, first + length):
            top, left = index % height, index % width
            yield Frame(noise[top : top + height, left : left + width], None)

    starts = itertools.count(0, length)
    return [
        Video(f"video {number}", lambda first=first: frames(first))  # type: ignore[misc]
        for number, first in zip(range(NUM_VIDEOS), starts, strict=False)
    ]
