"""Real video for the programs here: its settings, and its preparation before the first use."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
import threading
from pathlib import Path
from typing import ClassVar, TypeVar

from iprnn_tf.data import DATASETS, FOOTAGE
from iprnn_tf.data.footage import Cut
from iprnn_tf.data.preparation import Preparation
from iprnn_tf.data.prepared import INDEX, PreparedVideo
from iprnn_tf.data.recordings import Video
from iprnn_tf.data.shaping import CONVERTIBLE_CHANNELS
from iprnn_tf.data.videos import kinds
from programs import command_line
from programs.commands import command
from programs.console import console
from trainers.configuration.settings import check_settings, recorded, setting

CACHE = Path("runs") / "prepared"


@dataclasses.dataclass(frozen=True)
class FootageSettings:
    """What is trained or measured on; of videos also which, and how frames are taken from them."""

    title: ClassVar[str] = "Data"

    dataset: str = setting("mnist", "The data set.", choices=tuple(DATASETS))
    data_dir: str = setting("", "Folder of videos, or what trainers.prepare made of them.")
    image_size: str = setting(
        "", "HxW to scale and cut frames to; by default their own, at most 128x160."
    )
    channels: int = setting(
        0, "1 for grey, 3 for colour; 0 for the videos' own.", choices=(0, *CONVERTIBLE_CHANNELS)
    )
    fps: float = setting(
        None,
        "Frames a second to take, by time stamps; 0 for all, the default (--dataset=caltech: 10).",
        minimum=0.0,
        maximum=1000.0,
    )
    source_fps: float = setting(
        0.0, "Frames a second of videos without time stamps.", minimum=0.0, maximum=100000.0
    )
    value_range: str = setting(
        "", "low,high of arrays in other units than bytes or [0, 1], such as 0,70 for radar."
    )
    missing: float = setting(
        None, "Value that NaN in arrays becomes, in their units; told how often."
    )
    skip_bad_files: bool = setting(False, "Go on where a video can't be read, and list it.")
    source_dir: str = recorded()  # The videos that data_dir was prepared of.
    contents: str = recorded()  # A hash of which frames these are.

    def __post_init__(self) -> None:
        check_settings(self)
        self.cut()  # So that a size or range of another form is refused at once.

    @property
    def limits(self) -> tuple[float, float] | None:
        """What 0 and 1 stand for, or None for pictures.

        Raises:
            ValueError: if `value_range` is not two increasing numbers.
        """
        if not self.value_range:
            return None
        try:
            low, high = map(float, self.value_range.split(","))
            increasing = low < high
        except ValueError:
            increasing = False
        if not increasing:
            raise ValueError(
                "--value_range is two increasing numbers with a comma between them. "
                f"Received: {self.value_range!r}. Radar may be --value_range=0,70."
            )
        return low, high

    def cut(self) -> Cut:
        """Returns how frames are taken from videos.

        Raises:
            ValueError: if a setting has another form.
        """
        return Cut(
            image_size=_image_size(self.image_size),
            channels=self.channels or None,
            value_range=self.limits,
            fps=self.fps,
            source_fps=self.source_fps or None,
            missing=self.missing,
        )


def _image_size(text: str) -> tuple[int, int] | None:
    if not text:
        return None
    match = re.fullmatch(r"([1-9]\d{0,3})x([1-9]\d{0,3})", text)
    if not match:
        raise ValueError(
            "--image_size is height x width in pixels. "
            f"Received: {text!r}. The paper's is --image_size=128x160."
        )
    return int(match[1]), int(match[2])


Config = TypeVar("Config", bound=FootageSettings)


def with_footage(config: Config, cut: Cut | None = None) -> Config:
    """Returns a configuration that names prepared video, and tells what its frames are.

    Args:
        config: with a `dataset`.
        cut: how frames are taken; by default as the configuration says.

    Raises:
        ValueError: if the videos can't be prepared.
    """
    if config.dataset not in FOOTAGE:
        return config
    if config.source_dir and not Path(config.data_dir).exists():
        raise _gone(config)
    ready = prepared(config.dataset, config.data_dir, cut or config.cut(), config.skip_bad_files)
    height, width, _ = ready.records.shape
    limits = ready.settings["cut"]["value_range"]
    return dataclasses.replace(
        config,
        data_dir=str(ready.folder.resolve()),
        image_size=f"{height}x{width}",
        value_range=",".join(map(repr, limits or ())),
        fps=ready.settings["cut"]["fps"] or 0.0,
        source_dir=ready.source,
        contents=ready.contents,
    )


def _gone(config: FootageSettings) -> ValueError:
    """What to say where prepared video was moved or cleaned away."""
    usual = {field.name: field.default for field in dataclasses.fields(FootageSettings)}
    given = {name: value for name in usual if (value := getattr(config, name)) != usual[name]}
    given |= {"dataset": config.dataset, "data_dir": config.source_dir}
    del given["source_dir"], given["contents"]
    again = command("trainers.prepare", **given, output=config.data_dir)
    or_again = f", or prepare it again: {again}" if Path(config.source_dir).exists() else "."
    return ValueError(
        "The video that a model was trained on must be where it was, or lie as it did beside the "
        f"run. Received: {config.data_dir}, which isn't there. Give the folder of the videos now, "
        f"or of what was prepared of them, with --data_dir{or_again}"
    )


def find(dataset: str, data_dir: str) -> list[Video]:
    """Returns the videos of a data set.

    Raises:
        ValueError: if there are none.
    """
    if not data_dir:
        raise ValueError(
            f"--dataset={dataset} needs --data_dir, the folder of its videos. Received: none. "
            "docs/video.md says where to get them and how they lie."
        )
    videos = FOOTAGE[dataset].find(Path(data_dir))
    console.say(f"Found {kinds(videos)}.")
    return videos


def prepared(dataset: str, data_dir: str, cut: Cut, skip_bad_files: bool = False) -> PreparedVideo:
    """Returns a data set ready to be read, prepared on its first use.

    Args:
        dataset: a key of `FOOTAGE`.
        data_dir: a prepared folder, or the videos themselves, which are then prepared below
            `runs/prepared/`, once for the same files and settings.
        cut: how frames are taken from the videos.
        skip_bad_files: whether to go on where one can't be read.

    Raises:
        ValueError: if there are no videos, one can't be read, or a prepared folder is damaged,
            or of another kind than was asked for.
    """
    if is_prepared(data_dir):
        ready = PreparedVideo.read(data_dir)
        _check_same(ready, dataset, cut)
        ready.check()
        return ready
    videos = find(dataset, data_dir)
    cut = FOOTAGE[dataset].cut(cut)
    states = [(video.name, video.state()) for video in videos]
    source = str(Path(data_dir).resolve())
    key = json.dumps([dataset, cut.as_dict(), source, states])
    folder = CACHE / f"{dataset}-{hashlib.sha256(key.encode()).hexdigest()[:12]}"
    console.say(f"{'Checking' if is_prepared(folder) else 'Preparing'} {folder}")
    return prepare(dataset, source, videos, cut, folder, skip_bad_files)


def prepare(
    dataset: str, source: str, videos: list[Video], cut: Cut, folder: Path, skip_bad_files: bool
) -> PreparedVideo:
    """Prepares videos, with a line of progress, and names those that were skipped."""
    progress = _Progress(len(videos))
    split = FOOTAGE[dataset].split
    preparation = Preparation(videos, cut, split, folder, dataset, skip_bad_files, source)
    try:
        with command_line.when_interrupted(command_line.REPEAT):
            ready = preparation.run(progress.add)
    finally:
        progress.end()
    say_skipped(ready)
    for name, text in ready.remarks:
        say_note(name, text)
    return ready


def say_note(name: str, text: str) -> None:
    """Tells what people should know of a video."""
    console.say(f"Note: {name}: {text}.")


def say_skipped(ready: PreparedVideo) -> None:
    """Names the videos that were left out, if any."""
    if ready.skipped:
        console.say(f"Videos that were skipped: {len(ready.skipped):,}")
        for reason in ready.skipped.values():
            console.say(f"  {' '.join(reason.split())}")


def is_prepared(folder: str | Path) -> bool:
    """Whether this is a folder of prepared video, rather than of videos."""
    return bool(folder) and (Path(folder) / INDEX).is_file()


def _check_same(ready: PreparedVideo, dataset: str, cut: Cut) -> None:
    """Refuses settings that a prepared folder can't follow any more."""
    if ready.settings["dataset"] != dataset:
        raise ValueError(
            "Prepared video belongs to one data set. Received: "
            f"--dataset={dataset} with {ready.folder}, which was prepared as "
            f"{ready.settings['dataset']}. Give --dataset={ready.settings['dataset']}."
        )
    has = ready.settings["cut"] | {"image_size": ready.settings["frame_shape"][:2]}
    has["channels"] = ready.settings["frame_shape"][2]
    asked = {name: value for name, value in cut.as_dict().items() if value is not None}
    different = [
        name for name, value in asked.items() if (has.get(name) or None) != (value or None)
    ]
    if different:
        raise ValueError(
            "Prepared video keeps its settings. Received: "
            f"{', '.join(f'{name} {asked[name]}' for name in different)} with {ready.folder}, "
            f"where {', '.join(f'{name} is {has.get(name)}' for name in different)}. Leave "
            "them out, or give the folder of the videos themselves."
        )


class _Progress:
    """A bar over videos, which says the frames too; many threads add to it."""

    def __init__(self, videos: int) -> None:
        self._frames = 0
        self._lock = threading.Lock()
        self._bar = console.progress("Preparing", videos, "videos")

    def add(self, videos: int, frames: int) -> None:
        with self._lock:
            self._frames += frames
            self._bar.set_postfix_str(f"{self._frames:,} frames", refresh=False)
            self._bar.update(videos)

    def end(self) -> None:
        self._bar.close()
