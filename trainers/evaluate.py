"""Measures a predictor on held-out sequences, next to the trivial baselines.

    python -m trainers.evaluate --preset=iprnn_small_moving_mnist
    python -m trainers.evaluate --preset=iprnn_small_moving_mnist --protocol=svg
    python -m trainers.evaluate --model=runs/mnist-small-...
    python -m trainers.evaluate --model=model.keras --split=validation
    python -m trainers.evaluate --model=runs/... --data_file=mnist_test_seq.npy
    python -m trainers.evaluate --model=runs/kitti-... --dataset=caltech --data_dir=caltech/
    python -m trainers.evaluate --model=runs/video-... --protocol=openstl --horizon=1

MSE and MAE are summed over a frame (behind them `_e-3`: means over pixels, times 1000); PSNR and
SSIM are means of per-frame values. Predictions are clipped to [0, 1] first, unless the protocol
says otherwise. Settings that aren't given are those of the run. The model is meant to be chosen
on validation data, so read the test split once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from iprnn_tf.data import DATASETS, FOOTAGE
from iprnn_tf.data import lazy_tensorflow as tf
from iprnn_tf.data.shaping import CONVERTIBLE_CHANNELS
from iprnn_tf.data.toronto import load_toronto_test_set
from iprnn_tf.metrics import SSIM_MODES
from iprnn_tf.models import VideoPredictor, load_model
from iprnn_tf.presets import is_preset
from programs import command_line
from programs.commands import export, predict
from programs.console import console
from trainers.configuration import sources
from trainers.configuration.footage import with_footage
from trainers.configuration.recipes import protocol_lengths
from trainers.configuration.run_directory import config_of
from trainers.configuration.settings import define_flags, given_settings
from trainers.configuration.training_config import (
    DATA_SETTINGS,
    TrainingConfig,
    check_data_settings,
)
from trainers.measuring import results

HELD_OUT = ("validation", "test")
_SETTINGS = (  # Of the run's, that may be replaced.
    "dataset",
    "protocol",
    "context_frames",
    "horizon",
    "window_stride",
    "data_dir",
    "fps",
    "source_fps",
    "missing",
    "skip_bad_files",
)
_OF_A_FILE = ("context_frames", "horizon")  # The settings that go with --data_file.
_OTHERWISE_NAMED = ("dataset", "protocol", "skip_bad_files")  # In the names of files, or not.


def main(arguments: Sequence[str]) -> None:
    """Measures as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    source = sources.from_flags(values)
    unknown = [name for name in values.ssim_modes if name not in SSIM_MODES]
    if unknown:
        raise ValueError(
            f"--ssim_modes are among {', '.join(SSIM_MODES)}. Received: {', '.join(unknown)}."
        )
    _check_data_file(values)
    output = Path(values.output or _default_output(values, source))
    command_line.check_file(output)
    model = load_model(source)
    config = _config(values, source, model)
    model.horizon = config.horizon
    frames, data = _frames(values, config)
    evaluation = results.evaluate(
        model,
        frames.take(values.sequences or -1),
        data,
        config.context_frames,
        values.ssim_modes,
        values.batch_size,
        config.error_protocol,
    )
    evaluation.write(output, model=source, settings=_measured(values, config))
    real = config.dataset in FOOTAGE
    following = predict(source, model.image_shape[-1]) if real else export(source)
    console.conclude(evaluation, output, following)


def _define_flags(values: flags.FlagValues) -> None:
    define_string = flags.DEFINE_string
    sources.define_flags(values)
    flags.DEFINE_enum("split", "test", HELD_OUT, "Split of the data set.", flag_values=values)
    define_string(
        "data_file",
        None,
        "Measure on mnist_test_seq.npy instead (docs/measuring.md).",
        flag_values=values,
    )
    define_flags(TrainingConfig, values, _SETTINGS)
    flags.DEFINE_integer(
        "sequences", None, "At most so many, of video a fair sample.", 1, flag_values=values
    )
    flags.DEFINE_list(
        "ssim_modes", list(SSIM_MODES), "Which of the field's SSIMs.", flag_values=values
    )
    flags.DEFINE_integer(
        "batch_size", None, "Sequences at once; fewer take less memory.", 1, flag_values=values
    )
    define_string(
        "output",
        None,
        "JSON file, by default in the run directory or runs/presets/.",
        flag_values=values,
    )


def _check_data_file(values: flags.FlagValues) -> None:
    """Refuses settings of a data set beside a file: they would change nothing."""
    others = [name for name in ("split", *_SETTINGS) if name not in _OF_A_FILE]
    given = [f"--{name}" for name in others if values[name].present]
    if values.data_file is not None and given:
        raise ValueError(
            "--data_file names all there is to measure on. Received: --data_file with "
            f"{', '.join(given)}. Leave that out: only --{' and --'.join(_OF_A_FILE)} go with it."
        )


def _config(values: flags.FlagValues, source: str, model: VideoPredictor) -> TrainingConfig:
    """What the model was trained on, or the paper's 10 to 10 where nothing tells, and the flags."""
    trained = config_of(source) or TrainingConfig()
    given = given_settings(TrainingConfig, values)
    dataset = given.get("dataset", trained.dataset)
    check_data_settings(given, dataset)
    changes: dict[str, Any] = {"dataset": dataset, "horizon": model.horizon}
    if dataset != trained.dataset:
        protocols = DATASETS[dataset].protocols
        known = trained.protocol in protocols
        changes["protocol"] = trained.protocol if known else protocols[0]
        changes["data_dir"], changes["source_fps"] = "", 0.0
        changes["fps"] = (dataset in FOOTAGE and FOOTAGE[dataset].fps) or trained.fps
    if dataset != trained.dataset or "data_dir" in given:
        changes["source_dir"] = changes["contents"] = ""  # Of what the model was trained on.
    if values.protocol or dataset != trained.dataset:
        changes["window_stride"] = 0
    changes |= protocol_lengths(values.protocol, trained) | given
    config = dataclasses.replace(trained, **changes)
    if values.data_file is not None:
        return config
    cut = config.cut().suited_to_model(model.image_shape, model.value_range)
    channels = cut.channels if cut.channels in CONVERTIBLE_CHANNELS else 0
    return with_footage(dataclasses.replace(config, channels=channels), cut)


def _measured(values: flags.FlagValues, config: TrainingConfig) -> dict[str, Any]:
    """Which sequences are measured on, as the settings that choose them."""
    if values.data_file is not None:
        lengths = {name: getattr(config, name) for name in _OF_A_FILE}
        return {"data_file": values.data_file, **lengths}
    settings = {name: getattr(config, name) for name in (*DATA_SETTINGS, "horizon")}
    return {"split": values.split, **settings}


def _frames(values: flags.FlagValues, config: TrainingConfig) -> tuple[tf.data.Dataset, str]:
    if values.data_file is None:
        frames = config.build_dataset().frames(values.split)
        return frames, f"{config.dataset} ({config.protocol}), {values.split} split"
    frames = load_toronto_test_set(values.data_file)
    available, needed = frames.element_spec.shape[0], config.context_frames + config.horizon
    if needed > available:
        raise ValueError(
            f"A sequence must be as long as context and horizon together. Received: {available} "
            f"frames in {values.data_file}, {config.context_frames} + {config.horizon} needed. "
            "Give fewer --context_frames or a shorter --horizon."
        )
    return frames.map(lambda sequence: sequence[:needed]), str(values.data_file)


def _default_output(values: flags.FlagValues, source: str) -> Path:
    model = Path(source)
    folder = model if model.is_dir() else model.parent
    if is_preset(source):  # Maybe inside the package, or no path at all.
        folder = Path("runs") / "presets" / model.name.partition("#")[0].removesuffix(".zip")
    data = Path(values.data_file).stem if values.data_file else values.split
    parts = ["evaluation", values.dataset, data, values.protocol]
    names = [name for name in (*_SETTINGS, "sequences") if name not in _OTHERWISE_NAMED]
    parts += [_part(name, values[name].value) for name in names if values[name].present]
    return folder / f"{'-'.join(filter(None, parts))}.json"


def _part(name: str, value: Any) -> str:
    """A setting in the name of a file; of a folder only its own name."""
    return f"{name}_{Path(value).resolve().name if name == 'data_dir' else value}"


if __name__ == "__main__":
    command_line.run(main)
