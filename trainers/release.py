"""Makes a preset of a trained model: its weights in 16 bits, where they come from, what they reach.

    python -m trainers.release --model=runs/mnist-small-... --output=my_model
    python -m trainers.evaluate --model=my_model
    python -m trainers.release --model=runs/... --output=my_model --zip   # to put on a server

A preset is loaded by `from_preset` of the model's class, without a network, and takes a tenth of a
run directory. What is measured are the rounded weights, on the test split of every protocol of the
data set.
"""

from __future__ import annotations

import dataclasses
import json
import tempfile
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from absl import flags

from iprnn_tf.data import DATASETS, FOOTAGE
from iprnn_tf.metrics import SSIM_MODES, SquaredError
from iprnn_tf.models import VideoPredictor, load_model
from iprnn_tf.presets import METADATA, load_preset, pack, save_preset, zip_beside
from programs import command_line
from programs.commands import command
from programs.console import console
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.ingredients import held_out_batches
from trainers.measuring import results

CHECKED_SEQUENCES = 100  # Whose error tells in seconds whether a preset is what it was.


def main(arguments: Sequence[str]) -> None:
    """Writes a preset as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if not values.model or not values.output:
        raise ValueError(
            "A release takes --model (a run directory) and --output (a folder). Received: "
            f"--model={values.model} --output={values.output}. Give both."
        )
    run, output = RunDirectory(Path(values.model)), Path(values.output).resolve()
    _check_free(output, values.zip)
    command_line.check_folder(output)
    config = run.read_config()
    training = _training(run, config)
    protocols = values.protocols or _protocols(config)
    configs = [dataclasses.replace(config, protocol=protocol) for protocol in protocols]
    with tempfile.TemporaryDirectory() as temporary:
        # The weights are measured as they will be loaded: rounded.
        save_preset(load_model(run.path), Path(temporary), {})
        model = load_preset(temporary)
    metadata = {
        "name": output.name,
        "description": values.description,
        "license": values.license,
        "weights": model.count_params(),
        "training": training,
        "results": [_results(model, each, output.name, values.sequences) for each in configs],
        "check": _check(model, config, values.sequences),
    }
    save_preset(model, output, metadata)
    address = ""
    if values.zip:
        packed, digest = pack(output)
        address = f" To be loaded as https://.../{packed.name}#sha256={digest}: {packed}"
        Path(f"{packed}.sha256").write_text(f"{digest}  {packed.name}\n")
    console.conclude(
        f"A preset of {model.count_params():,} weights.{address}",
        output,
        command("trainers.evaluate", model=values.output),
    )


def _define_flags(values: flags.FlagValues) -> None:
    define_string = flags.DEFINE_string
    define_string("model", None, "Run directory.", flag_values=values)
    define_string("output", None, "Folder to write; its name is the preset's.", flag_values=values)
    define_string("description", "", "One line for people.", flag_values=values)
    define_string("license", "Apache-2.0", "Of the weights.", flag_values=values)
    flags.DEFINE_list(
        "protocols",
        [],
        "Protocols to measure by; by default all of moving digits, and the run's for video.",
        flag_values=values,
    )
    flags.DEFINE_integer(
        "sequences",
        None,
        "Test sequences to measure on, at most; by default all.",
        1,
        flag_values=values,
    )
    flags.DEFINE_bool("zip", False, "Also write a .zip file of it.", flag_values=values)


def _protocols(config: TrainingConfig) -> Sequence[str]:
    if config.dataset in FOOTAGE:
        return [config.protocol]
    return DATASETS[config.dataset].protocols


def _check_free(output: Path, with_zip: bool) -> None:
    if output.is_dir() and any(output.iterdir()) and not (output / METADATA).exists():
        raise ValueError(
            "--output must be a new or empty folder, or a preset to replace. "
            f"Received: {output}, which holds something else. Choose another."
        )
    packed = zip_beside(output)
    if with_zip and packed.exists() and not _is_packed(packed):
        raise ValueError(
            "--zip writes a new .zip file beside --output, or replaces that of a preset. "
            f"Received: {packed}, which is something else. Choose another --output, or move that."
        )


def _is_packed(file: Path) -> bool:
    """Whether this is the `.zip` file of a preset."""
    try:
        with zipfile.ZipFile(file) as archive:
            return METADATA in archive.namelist()
    except (OSError, zipfile.BadZipFile):
        return False


def _training(run: RunDirectory, config: TrainingConfig) -> dict[str, Any]:
    """How the run was made, and on what."""
    try:
        measured = json.loads(run.metrics_file.read_text())["training"]
    except (OSError, KeyError, ValueError) as error:
        raise ValueError(
            "A run is released when it is finished and measured. Received: "
            f"{run.path} ({type(error).__name__}: {error}). "
            f"Finish it: {command('trainers.train', resume=run.path)}"
        ) from error
    made = json.loads(run.config_file.read_text())
    # Where the videos lie on this machine is nobody's business.
    settings = dataclasses.asdict(config) | {"data_dir": Path(config.data_dir).name}
    settings["source_dir"] = ""
    made.pop("relative", None)
    return {**measured, **made, "config": settings}


def _results(
    model: VideoPredictor, config: TrainingConfig, name: str, sequences: int | None
) -> dict[str, Any]:
    evaluation = results.evaluate(
        model,
        config.build_dataset().frames("test").take(sequences or -1),
        f"{config.dataset} ({config.protocol}), test split",
        config.context_frames,
        SSIM_MODES,
        protocol=config.error_protocol,
    )
    console.say(f"\n{evaluation}\n")
    limit = f" --sequences={sequences}" if sequences else ""
    return {
        "protocol": config.protocol,
        "command": f"python -m trainers.evaluate --model={name} {_data_flags(config)}{limit}",
        **evaluation.as_dict(),
    }


def _data_flags(config: TrainingConfig) -> str:
    flags = f"--protocol={config.protocol}"
    if config.dataset in FOOTAGE:
        flags = f"--dataset={config.dataset} --data_dir=FOLDER {flags}"
    return flags


def _check(model: VideoPredictor, config: TrainingConfig, sequences: int | None) -> dict[str, Any]:
    count = min(CHECKED_SEQUENCES, sequences or CHECKED_SEQUENCES)
    batches = held_out_batches(config, "test", count)
    row = results.measure(model, batches, [SquaredError(model.horizon)], "the first sequences")
    return {"sequences": count, "mse": row["mse"]["mean"]}


if __name__ == "__main__":
    command_line.run(main)
