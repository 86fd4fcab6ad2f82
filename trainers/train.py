"""Trains a video predictor, and measures it on the test split at the end.

    python -m trainers.train --dataset=mnist                    # what suits this machine
    python -m trainers.train --dataset=mnist --max_minutes=10   # as long as you have
    python -m trainers.train --dataset=mnist --config=paper --seed=1
    python -m trainers.train --dataset=video --data_dir=my_videos/ --max_minutes=30
    python -m trainers.train --dataset=kitti --data_dir=data/   # KITTI, tested on Caltech
    python -m trainers.train --init_from=iprnn_small_moving_mnist --protocol=svg   # fine-tune
    python -m trainers.train --resume=runs/mnist-small-...      # go on after an interruption

A setting that is given replaces the configuration's value; those of two are shown. On a GPU
--config=auto is 'paper', else 'small'; for real video 'kitti' and 'small_video'. Ctrl-C leaves a
run that --resume goes on with.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Sequence
from pathlib import Path

import keras
from absl import flags

from iprnn_tf.data import FOOTAGE, VideoWindows
from iprnn_tf.data.digits import SPLITS
from iprnn_tf.data.lazy_tensorflow import is_installed
from iprnn_tf.data.prepared import summary
from programs import command_line, kernels
from programs.commands import command
from programs.console import console
from programs.tables import aligned
from trainers.configuration.footage import with_footage
from trainers.configuration.recipes import CONFIGS, resolve
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.settings import define_flags
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting import on_device
from trainers.fitting.fine_tuning import start_from
from trainers.fitting.ingredients import steps_in
from trainers.fitting.training import train
from trainers.measuring.machine import fastest_precision, has_gpu
from trainers.measuring.training_report import report

NVIDIA = Path("/proc/driver/nvidia")  # Where its driver tells of its devices.
SHOWN_VIDEOS = 5


def main(arguments: Sequence[str]) -> None:
    """Trains as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if values.resume is not None:
        run = RunDirectory(Path(values.resume))
        config = _config_to_resume(run, values)
    else:
        name = _config_name(values.config, values.dataset)
        config = resolve(name, values)
        if config.on_device:
            on_device.check(config)
        elif not is_installed():
            raise ValueError(
                "Pipelines of sequences need TensorFlow. Received: a Python without it. Install "
                "iprnn_tf, or train with KERAS_BACKEND=jax and --on_device."
            )
        run = RunDirectory(Path(values.output or _new_path(f"{config.dataset}-{name}")))
        run.check_new()
        command_line.check_folder(run.path)
        _check_length(values)
        config = with_footage(config)
        _print_splits(config)
        config = _suited_to_this_machine(config, values)
        if config.init_from:  # So that a wrong one leaves no run directory behind.
            start_from(config.init_from, config.build_model())
        run.create(config)
    with command_line.when_interrupted(_how_to_go_on(run)):
        report(config, run, train(config, run))


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_enum("config", "auto", ["auto", *CONFIGS], "Recipe and size.", flag_values=values)
    flags.DEFINE_string(
        "output", None, "New run directory, in runs/ by default.", flag_values=values
    )
    flags.DEFINE_string(
        "resume",
        None,
        "Run directory to go on with; --init_from starts another run where one has ended.",
        flag_values=values,
    )
    flags.DEFINE_float(
        "max_minutes",
        None,
        "Time a few steps and fix --steps so that training takes about this long (--on_device: go "
        "by the clock); the test at the end comes on top.",
        flag_values=values,
    )
    sizes = {name: CONFIGS[name] for name in ("small", "paper")}
    define_flags(TrainingConfig, values, configs=sizes)


def _config_name(name: str, dataset: str | None) -> str:
    if name != "auto":
        return name
    small, large = ("small_video", "kitti") if dataset in FOOTAGE else ("small", "paper")
    found, chosen = ("a", large) if has_gpu() else ("no", small)
    console.say(f"--config=auto: {found} GPU was found, so this is {chosen!r}.")
    if found == "no" and NVIDIA.exists():
        jax = keras.backend.backend() == "jax"
        libraries = '"jax[cuda13]"' if jax else '-e ".[cuda]"'
        console.say(
            f"There is an NVIDIA GPU, but {'JAX' if jax else 'TensorFlow'} can't use it. Its "
            f"libraries come with: pip install {libraries}"
        )
    return chosen


def _print_splits(config: TrainingConfig) -> None:
    data = config.build_dataset()
    if isinstance(data, VideoWindows):
        height, width, channels = data.image_shape
        console.say(
            f"{config.dataset} ({config.protocol}): frames of {height} x {width} x {channels}, "
            f"windows of {data.num_frames}.\n{aligned(summary(data))}"
        )
        for split in SPLITS[1:]:
            console.say(f"{split}: {_named(data.prepared.videos(split))}")
        for split in SPLITS:  # So that one without windows is refused before any work.
            data.frames(split)


def _named(videos: list[str]) -> str:
    others = len(videos) - SHOWN_VIDEOS
    shown = ", ".join(videos[:SHOWN_VIDEOS])
    return f"{shown} and {others} more" if others > 0 else shown


def _check_length(values: flags.FlagValues) -> None:
    minutes = values.max_minutes
    if minutes is not None and not 0 < minutes < float("inf"):
        raise ValueError(
            f"--max_minutes must be positive. Received: {minutes}. Ten are enough to learn."
        )
    if minutes is not None and values["steps"].present:
        raise ValueError(
            "--steps and --max_minutes both fix the length of the run. "
            f"Received: --steps={values.steps} --max_minutes={minutes}. Give one of them."
        )


def _suited_to_this_machine(config: TrainingConfig, values: flags.FlagValues) -> TrainingConfig:
    if keras.backend.backend() == "tensorflow" and not has_gpu() and kernels.in_use():
        console.say(kernels.in_use())
    if config.mixed_precision == "auto":
        config = dataclasses.replace(config, mixed_precision=fastest_precision())
        console.say(f"--mixed_precision=auto: {config.mixed_precision} suits this machine.")
    if values.max_minutes is not None and config.on_device:
        config = dataclasses.replace(config, minutes=values.max_minutes)
    elif values.max_minutes is not None:
        config = dataclasses.replace(config, steps=steps_in(config, values.max_minutes * 60))
    return config.in_whole_epochs()


def _config_to_resume(run: RunDirectory, values: flags.FlagValues) -> TrainingConfig:
    config = run.read_config()
    movable = {"data_dir"} if config.dataset in FOOTAGE else set()
    given = {name for name in values if values[name].present} - {"resume", "quiet"}
    if given - movable:
        raise ValueError(
            "A resumed run keeps its settings. Received: --resume with "
            f"{', '.join(f'--{name}' for name in sorted(given))}. Leave them out, or start a new "
            "run. Only video may lie elsewhere now: --data_dir."
        )
    with command_line.when_interrupted(_how_to_go_on(run)):
        if given:
            return _with_moved_footage(run, config, values.data_dir)
        found = with_footage(config)
        if config.contents not in ("", found.contents):
            console.say(f"The frames in {found.data_dir} are others than when the run began.")
        return found


def _with_moved_footage(run: RunDirectory, config: TrainingConfig, folder: str) -> TrainingConfig:
    moved = with_footage(dataclasses.replace(config, data_dir=folder, source_dir=""))
    if config.contents not in ("", moved.contents):
        raise ValueError(
            "A resumed run goes on with the video it began with. Received: "
            f"--data_dir={folder}, which holds other recordings, or other frames of them. Give "
            f"the same, or start another run: --init_from={run.path}."
        )
    run.update(moved)
    return moved


def _new_path(name: str) -> Path:
    return Path("runs") / f"{name}-{time.strftime('%Y%m%d-%H%M%S')}"


def _how_to_go_on(run: RunDirectory) -> str:
    return f"Go on with: {command('trainers.train', resume=run.path)}"


if __name__ == "__main__":
    command_line.run(main)
