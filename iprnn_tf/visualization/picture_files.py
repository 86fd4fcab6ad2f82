"""Pictures in files, which appear whole or not at all."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterable, Iterator
from fractions import Fraction

import numpy as np
from PIL import Image

from iprnn_tf.files import replacing
from iprnn_tf.pyav import import_av
from iprnn_tf.visualization.layout import HEIGHT, WHITE, WIDTH, Picture

Path = str | os.PathLike[str]
FASTEST_GIF = 50  # Pictures a second that browsers show.


def save_png(path: Path, picture: Picture) -> None:
    """Writes a picture; a file half written never takes the place of a good one."""
    [image] = _checked([picture])
    with replacing(path) as unfinished:
        Image.fromarray(image).save(unfinished, format="PNG")


def save_gif(path: Path, pictures: Iterable[Picture], frames_per_second: float = 5) -> None:
    """Writes pictures as an endless animation; a half-written file never replaces a good one.

    All pictures share one palette, so that what stands still doesn't flicker. GIFs count time in
    hundredths of a second: durations alternate where the pace is between two of them. All pictures
    are held in memory until the end: long animations are for `save_mp4`.
    """
    if not 0 < frames_per_second <= FASTEST_GIF:
        raise ValueError(
            f"frames_per_second must be above 0, and at most {FASTEST_GIF}, all that browsers "
            f"show. Received: frames_per_second={frames_per_second}. Leave pictures out instead."
        )
    first, *others = _of_one_palette(list(_checked(pictures)))
    ends = [round(100 * count / frames_per_second) for count in range(len(others) + 2)]
    pauses = [10 * (end - start) for start, end in itertools.pairwise(ends)]  # Milliseconds.
    with replacing(path) as unfinished:
        first.save(unfinished, "GIF", save_all=True, append_images=others, duration=pauses, loop=0)


def _of_one_palette(pictures: list[Picture]) -> list[Image.Image]:
    """Gives every colour the same nearest one of 256 in all pictures."""
    height = pictures[0].shape[HEIGHT]
    column = Image.fromarray(np.concatenate(pictures, HEIGHT)).quantize(dither=Image.Dither.NONE)
    tops = range(0, column.height, height)
    return [column.crop((0, top, column.width, top + height)) for top in tops]


def save_mp4(path: Path, pictures: Iterable[Picture], frames_per_second: float = 5) -> None:
    """Writes pictures as a video that browsers play: H.264 at half the resolution of colours.

    Pictures are taken one by one, and a few held at a time. Odd sides get a white line more.

    Args:
        path: the file; a half-written one never replaces a good one.
        pictures: all of one shape.
        frames_per_second: the pace.

    Raises:
        ValueError: If there are no pictures, they differ in shape, the pace isn't positive, or
            PyAV, the extra `video`, isn't installed.
    """
    av = import_av()
    if not 0 < frames_per_second < float("inf"):
        raise ValueError(
            "frames_per_second must be above 0. "
            f"Received: frames_per_second={frames_per_second}. Five is a slow video."
        )
    rate = Fraction(frames_per_second).limit_denominator(100_000)
    even = map(_even, _checked(pictures))
    first = next(even)
    with replacing(path) as unfinished, av.open(unfinished, "w", format="mp4") as file:
        stream = file.add_stream("libx264", rate=rate)
        stream.height, stream.width = first.shape[:2]
        stream.pix_fmt = "yuv420p"  # What browsers play.
        for picture in itertools.chain([first], even):
            file.mux(stream.encode(av.VideoFrame.from_ndarray(picture, format="rgb24")))
        file.mux(stream.encode(None))


def _even(picture: Picture) -> Picture:
    odd = [(0, picture.shape[axis] % 2) for axis in (HEIGHT, WIDTH)]
    return np.pad(picture, [*odd, (0, 0)], constant_values=WHITE)


def _checked(pictures: Iterable[Picture]) -> Iterator[Picture]:
    kinds: list[tuple[str | int, ...]] = []
    for picture in map(np.asarray, pictures):
        kinds = [*kinds[:1], (picture.dtype.name, *picture.shape)]
        fine = len(kinds[0]) == 4 and kinds[0][0] == "uint8" and kinds[0][3] == 3
        if not fine or 0 in kinds[0] or kinds[-1] != kinds[0]:
            raise _unfit(str(kinds[-1]))
        yield picture
    if not kinds:
        raise _unfit("0 pictures")


def _unfit(received: str) -> ValueError:
    return ValueError(
        "Pictures must be uint8, all of one shape (H, W, 3), and at least one. "
        f"Received: {received}. Draw frames first."
    )
