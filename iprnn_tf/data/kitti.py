"""KITTI raw: video from a car, 10 frames a second, in drives."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath

from iprnn_tf.data import caltech_pedestrian
from iprnn_tf.data.footage import PAPER_SIZE, Footage, at_rate
from iprnn_tf.data.recordings import Video
from iprnn_tf.data.videos import find_videos

# The drives of each category, as the data set's site lists them. Campus, person and calibration
# are left out, as by PredNet.
CATEGORIES = {
    "city": {
        "2011_09_26": "0001 0002 0005 0009 0011 0013 0014 0017 0018 0048 0051 0056 0057 0059 "
        "0060 0084 0091 0093 0095 0096 0104 0106 0113 0117",
        "2011_09_28": "0001 0002",
        "2011_09_29": "0026 0071",
    },
    "residential": {
        "2011_09_26": "0019 0020 0022 0023 0035 0036 0039 0046 0061 0064 0079 0086 0087",
        "2011_09_30": "0018 0020 0027 0028 0033 0034",
        "2011_10_03": "0027 0034",
    },
    "road": {
        "2011_09_26": "0015 0027 0028 0029 0032 0052 0070 0101",
        "2011_09_29": "0004",
        "2011_09_30": "0016",
        "2011_10_03": "0042 0047",
    },
}
VALIDATION_DRIVES = ("2011_09_26_drive_0005",)
TEST_DRIVES = ("2011_09_26_drive_0104", "2011_09_26_drive_0079", "2011_09_26_drive_0070")
DRIVES = frozenset(
    f"{date}_drive_{number}"
    for dates in CATEGORIES.values()
    for date, numbers in dates.items()
    for number in numbers.split()
)
FRAMES_PER_SECOND = 10.0
_CAMERA = re.compile(r"(?:^|/)(\d{4}_\d\d_\d\d_drive_\d{4})_[a-z]+/(image_0[23])/data$")


def find_drives(folder: Path) -> list[Video]:
    """Returns the drives below a folder, one colour camera of each.

    A drive is `2011_09_26/2011_09_26_drive_0001_sync/image_03/data/*.png`. The right camera, 03,
    is taken, as by PredNet, and 02 where there is no other. Where test sets of Caltech
    Pedestrian lie below the same folder they come too, at 10 frames a second, in the place of
    PredNet's three test drives: the paper trains on the one and tests on the other.

    Raises:
        ValueError: if there is no drive.
    """
    videos = find_videos(folder)
    tests = [
        at_rate(video, caltech_pedestrian.FRAMES_PER_SECOND)
        for video in caltech_pedestrian.recordings(videos)
        if caltech_pedestrian.split_of(video.name) == "test"
    ]
    drives: dict[str, Video] = {}
    for video in sorted(videos, key=lambda video: PurePosixPath(video.name).parts[-2:]):
        # Camera 03 comes after 02.
        drive = _drive(video.name)
        if drive in DRIVES and not (tests and drive in TEST_DRIVES):
            drives[drive] = video
    if not drives:
        raise ValueError(
            "KITTI raw is a folder with 2011_09_26/2011_09_26_drive_0001_sync/image_03/data/*.png "
            "and more such drives of the categories city, residential and road. "
            f"Received: {folder} with none. Unpack the drives there, with these folders."
        )
    return [*(drives[name] for name in sorted(drives)), *tests]


def split_by_drive(names: Sequence[str]) -> dict[str, str]:
    """Puts each drive into a split as PredNet does; Caltech Pedestrian is the test.

    Reference:
        Lotter et al., Deep Predictive Coding Networks for Video Prediction and Unsupervised
        Learning, 2017; Chang et al., section 3.2.
    """
    return {name: _split(name) for name in names}


def _split(name: str) -> str:
    drive = _drive(name)
    if drive in TEST_DRIVES or not drive:
        return "test"
    return "validation" if drive in VALIDATION_DRIVES else "train"


def _drive(name: str) -> str:
    match = _CAMERA.search(name)
    return match[1] if match else ""


KITTI = Footage(find_drives, split_by_drive, PAPER_SIZE, recorded_fps=FRAMES_PER_SECOND)
