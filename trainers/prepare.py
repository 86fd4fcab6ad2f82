r"""Prepares real video: from files of any kind to TFRecords of frames of one size.

    python -m trainers.prepare --dataset=video --data_dir=my_videos/ --output=prepared/mine
    python -m trainers.prepare --dataset=video --data_dir=clips/ --fps=10 --image_size=128x160 \
        --output=prepared/clips --skip_bad_files
    python -m trainers.prepare --dataset=kitti --data_dir=data/ --output=prepared/kitti
    python -m trainers.train --dataset=kitti --data_dir=prepared/kitti

trainers.train does the same by itself, below runs/prepared/, where --data_dir holds videos. An
interrupted preparation goes on when it is asked for again; a finished one is checked. How the
videos of each data set lie in their folder: docs/video.md.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path

from absl import flags

from iprnn_tf.data import FOOTAGE
from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.prepared import PreparedVideo
from programs import command_line
from programs.commands import command
from programs.console import console
from programs.tables import aligned
from trainers.configuration.footage import FootageSettings, find, prepare
from trainers.configuration.settings import define_flags, given_settings


def main(arguments: Sequence[str]) -> None:
    """Prepares as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    settings = FootageSettings(**given_settings(FootageSettings, values))
    if settings.dataset not in FOOTAGE or not values.output:
        raise ValueError(
            f"--dataset (one of {', '.join(FOOTAGE)}), --data_dir and --output are needed. "
            f"Received: --dataset={settings.dataset} --output={values.output}. See --help."
        )
    cut = FOOTAGE[settings.dataset].cut(settings.cut())
    videos = find(settings.dataset, settings.data_dir)
    output = Path(values.output)
    command_line.check_folder(output)
    source = str(Path(settings.data_dir).resolve())
    ready = prepare(settings.dataset, source, videos, cut, output, settings.skip_bad_files)
    console.conclude(
        _report(ready),
        output,
        command("trainers.train", dataset=settings.dataset, data_dir=output),
    )


def _define_flags(values: flags.FlagValues) -> None:
    settings = [field.name for field in dataclasses.fields(FootageSettings)]
    define_flags(FootageSettings, values, [name for name in settings if name != "dataset"])
    flags.DEFINE_enum("dataset", None, list(FOOTAGE), "Whose videos.", flag_values=values)
    flags.DEFINE_string("output", None, "Folder to write.", flag_values=values)


def _report(ready: PreparedVideo) -> str:
    height, width, channels = ready.records.shape
    rows = [["", "videos", "frames"]] + [
        [split, f"{len(ready.videos(split)):,}", f"{ready.frames(split):,}"] for split in SPLITS
    ]
    megabytes = sum(file.stat().st_size for file in ready.folder.glob("*.tfrecord")) / 2**20
    return (
        f"{aligned(rows)}\n\nFrames of {height} x {width} x {channels}, {ready.records.dtype}, "
        f"{megabytes:,.0f} MiB."
    )


if __name__ == "__main__":
    command_line.run(main)
