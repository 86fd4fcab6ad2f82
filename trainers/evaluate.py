"""Measures a predictor on held-out sequences, next to the trivial baselines.

    python -m trainers.evaluate --preset=iprnn_small_moving_mnist
    python -m trainers.evaluate --preset=iprnn_small_moving_mnist --protocol=svg
    python -m trainers.evaluate --model=runs/mnist-small-...
    python -m trainers.evaluate --model=model.keras --split=validation
    python -m trainers.evaluate --model=runs/... --data_file=mnist_test_seq.npy

MSE and MAE are summed over a frame; PSNR and SSIM are means of per-frame values. Predictions are
clipped to [0, 1] first. The model is meant to be chosen on validation data, so read the test
split once.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf
from absl import flags

from iprnn_tf.data.toronto import load_toronto_test_set
from iprnn_tf.metrics import SSIM_MODES
from iprnn_tf.models import VideoPredictor, load_model
from iprnn_tf.presets import PRESETS, is_preset
from programs import command_line
from trainers import results
from trainers.config import TrainingConfig
from trainers.run_directory import config_of

HELD_OUT = ("validation", "test")


def main(arguments: Sequence[str]) -> None:
    """Measures as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    source = _source(values)
    unknown = [name for name in values.ssim_modes if name not in SSIM_MODES]
    if unknown:
        raise ValueError(
            f"--ssim_modes are among {', '.join(SSIM_MODES)}. Received: {', '.join(unknown)}."
        )
    model = load_model(source)
    config = _protocol(values, source, model)
    frames, data = _frames(values, config)
    evaluation = results.evaluate(
        model, frames, data, config.context_frames, values.ssim_modes, values.batch_size
    )
    output = Path(values.output or _default_output(values, source))
    evaluation.write(output)
    print(f"\n{evaluation}\n\nWritten to {output}")


def _define_flags(values: flags.FlagValues) -> None:
    define_string = flags.DEFINE_string
    define_string("model", None, "Run directory, .keras file or preset.", flag_values=values)
    define_string("preset", None, "Pretrained model, by name.", flag_values=values)
    flags.DEFINE_enum("split", "test", HELD_OUT, "Split of the data set.", flag_values=values)
    define_string(
        "data_file",
        None,
        "Measure on mnist_test_seq.npy instead (see README).",
        flag_values=values,
    )
    define_string("protocol", None, "Generator, by default the run's.", flag_values=values)
    flags.DEFINE_integer(
        "context_frames", None, "Observed frames, by default the run's.", flag_values=values
    )
    flags.DEFINE_list(
        "ssim_modes", list(SSIM_MODES), "Which of the field's SSIMs.", flag_values=values
    )
    flags.DEFINE_integer(
        "batch_size", results.BATCH_SIZE, "Sequences at once.", lower_bound=1, flag_values=values
    )
    define_string(
        "output",
        None,
        "JSON file, by default in the run directory or runs/presets/.",
        flag_values=values,
    )


def _source(values: flags.FlagValues) -> str:
    if bool(values.model) == bool(values.preset):
        raise ValueError(
            "--model (a run directory, .keras file or preset) or --preset (by name) is needed. "
            f"Received: {'both' if values.model else 'neither'}. Give one; presets are "
            f"{', '.join(PRESETS)}."
        )
    if values.preset and values.preset not in PRESETS:
        raise ValueError(
            f"--preset is one of {', '.join(PRESETS)}. Received: {values.preset}. "
            "Give folders and addresses as --model."
        )
    return str(values.model or values.preset)


def _protocol(values: flags.FlagValues, source: str, model: VideoPredictor) -> TrainingConfig:
    """What the model was trained on, or the paper's 10 to 10 where nothing tells."""
    given: dict[str, Any] = {
        name: values[name].value
        for name in ("protocol", "context_frames")
        if values[name].value is not None
    }
    config = config_of(source) or TrainingConfig()
    return dataclasses.replace(config, horizon=model.horizon, **given)


def _frames(values: flags.FlagValues, config: TrainingConfig) -> tuple[tf.data.Dataset, str]:
    if values.data_file is None:
        frames = config.build_dataset().frames(values.split)
        return frames, f"{config.dataset} ({config.protocol}), {values.split} split"
    if values.protocol or values["split"].present:
        raise ValueError(
            "--data_file names all there is to measure on. Received: --data_file with --split or "
            "--protocol. Leave them out."
        )
    frames = load_toronto_test_set(values.data_file)
    available, needed = frames.element_spec.shape[0], config.context_frames + config.horizon
    if needed > available:
        raise ValueError(
            f"A sequence must be as long as context and horizon together. Received: {available} "
            f"frames in {values.data_file}, {config.context_frames} + {config.horizon} needed. "
            "Give fewer --context_frames, or a model of a shorter horizon."
        )
    return frames.map(lambda sequence: sequence[:needed]), str(values.data_file)


def _default_output(values: flags.FlagValues, source: str) -> Path:
    model = Path(source)
    folder = model if model.is_dir() else model.parent
    if is_preset(source):  # Maybe inside the package, or no path at all.
        folder = Path("runs") / "presets" / model.name.partition("#")[0].removesuffix(".zip")
    data = Path(values.data_file).stem if values.data_file else values.split
    name = "-".join(filter(None, ["evaluation", data, values.protocol])) + ".json"
    return folder / name


if __name__ == "__main__":
    command_line.run(main)
