"""Anyone's own footage: a folder of videos, frame folders and arrays."""

from __future__ import annotations

import random
from collections.abc import Sequence
from pathlib import PurePosixPath

from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.footage import Footage
from iprnn_tf.data.videos import find_videos

HELD_OUT_PART = 10  # One in so many videos is for validation, and another for the test.


def split_by_file(names: Sequence[str]) -> dict[str, str]:
    """Puts each video into a split: by the folders `train`, `validation`, `test`, or by chance.

    By chance means: one in ten for validation and for the test, one each at least, always the
    same for the same names. Of fewer than three videos none gets a split.
    """
    folders = {name: PurePosixPath(name).parts[0] for name in names}
    if set(folders.values()) == set(SPLITS):
        return folders
    if len(names) < len(SPLITS):
        return {}
    shuffled = sorted(names)
    random.Random(len(shuffled)).shuffle(shuffled)
    held_out = max(len(shuffled) // HELD_OUT_PART, 1)
    parts = {"validation": shuffled[:held_out], "test": shuffled[held_out : 2 * held_out]}
    parts["train"] = shuffled[2 * held_out :]
    return {name: split for split, members in parts.items() for name in members}


VIDEO_FOLDER = Footage(find_videos, split_by_file)
