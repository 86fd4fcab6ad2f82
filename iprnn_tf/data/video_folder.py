"""Anyone's own footage: a folder of videos, frame folders and arrays."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import PurePosixPath

from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.footage import Footage
from iprnn_tf.data.videos import find_videos

HELD_OUT_PART = 0.1  # Of the videos is for validation, and as much for the test.


def split_by_file(names: Sequence[str]) -> dict[str, str]:
    """Puts each video into a split: by the folders `train`, `validation`, `test`, or by chance.

    By chance means: about one in ten for validation and for the test, one each at least. A
    video's lot depends on its own name, so that others that join it later hardly change it. Of
    fewer than three videos none gets a split.

    Raises:
        ValueError: if there are folders of these names, but not all, or videos beside them.
    """
    folders = {name: "".join(PurePosixPath(name).parts[:1]) for name in names}
    if set(folders.values()) & set(SPLITS):
        _check_folders(folders)
        return folders
    if len(names) < len(SPLITS):
        return {}
    drawn = sorted(names, key=_lot)
    most = len(drawn) // len(SPLITS)
    validation = min(max(sum(_lot(name) < HELD_OUT_PART for name in drawn), 1), most)
    held_out = sum(_lot(name) < 2 * HELD_OUT_PART for name in drawn)
    end = validation + min(max(held_out - validation, 1), most)
    parts = {"validation": drawn[:validation], "test": drawn[validation:end], "train": drawn[end:]}
    return {name: split for split, members in parts.items() for name in members}


def _lot(name: str) -> float:
    """A number in [0, 1) that depends on the name alone."""
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:8]) / 2**64


def _check_folders(folders: dict[str, str]) -> None:
    outside = [name for name, folder in folders.items() if folder not in SPLITS]
    missing = set(SPLITS) - set(folders.values())
    if outside or missing:
        found = f"{outside[0]} outside of them" if outside else f"no {' and no '.join(missing)}"
        raise ValueError(
            f"Where a folder of videos has one called after a split, it has {', '.join(SPLITS)}, "
            f"and nothing beside them. Received: {found}. Move the videos, or rename the folders "
            "to have them split by chance."
        )


VIDEO_FOLDER = Footage(find_videos, split_by_file)
