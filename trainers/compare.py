"""Trains the same net with one memory after another, and sets them side by side.

    python -m trainers.compare --max_minutes=10       # every memory, some two hours
    python -m trainers.compare --memories=stgru,conv_lstm,st_lstm --steps=400
    python -m trainers.compare --memories=stgru,conv_lstm --filters=4 --steps=50 --nocosts  # a try
    python -m trainers.compare --config=paper --notrain   # what a step costs, alone
    python -m trainers.compare --kind=as_published --filters=32 --max_minutes=10  # whole systems

All have the recipe, data, seed and length of training of the configuration; a memory's own settings
are the configuration's too, not its constructor's defaults. What a memory costs is measured in a
process of its own, which takes a minute or more each; --nocosts leaves that out. Systems as
published have their own architecture and width besides. Ctrl-C loses the epoch it is in: the same
command goes on. The output holds a run directory for each, the table as CSV, JSON and Markdown, and
pictures: errors over training time, lead time and cost, and one sequence as all foretell it.
"""

from __future__ import annotations

import dataclasses
import json
import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np
from absl import flags

from iprnn_tf.cells import CELLS
from iprnn_tf.data import DRAWN
from iprnn_tf.files import write_json
from iprnn_tf.models import load_model
from programs import command_line
from programs.commands import again, command
from programs.console import console
from trainers.configuration.recipes import CONFIGS, usual_where_foreign
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.systems import OF_ONE_WIDTH, ON_REQUEST, SYSTEMS
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.cost import costs_of
from trainers.fitting.curves import read_rows
from trainers.fitting.ingredients import TooLittleTimeError, steps_in
from trainers.fitting.training import train
from trainers.measuring.comparison import REPORTED, Comparison, Memory, reported
from trainers.measuring.machine import fastest_precision
from trainers.measuring.operations import multiply_adds_per_step
from trainers.measuring.training_report import examples, measured

# The settings of each row, by the kind of comparison.
KINDS: dict[str, dict[str, dict[str, Any]]] = {
    "memory_swap": {name: {"cell": name} for name in CELLS},
    "as_published": SYSTEMS,
}
_LENGTHS = {"steps", "steps_per_epoch", "steps_per_execution"}
BEGUN = "length.json"  # In the output: what was asked for at first.
# The processes that measure costs begin beside this one, which would take all memory.
_SHARING_A_GPU = {"TF_FORCE_GPU_ALLOW_GROWTH": "true", "XLA_PYTHON_CLIENT_PREALLOCATE": "false"}


def main(arguments: Sequence[str]) -> None:
    """Compares as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    names = _memories(values.memories, values.kind)
    if values.steps and values.max_minutes:
        raise ValueError(
            "--steps and --max_minutes both fix the length of a training. Received: "
            f"--steps={values.steps} --max_minutes={values.max_minutes:g}. Give one of them."
        )
    output = Path(values.output)
    command_line.check_folder(output)
    for variable, value in _SHARING_A_GPU.items():
        os.environ.setdefault(variable, value)
    base = _base(values, output)
    begun = _begun(output, values)
    configs = [_config(base, name, output, values) for name in names]
    memories = [_described(name, config) for name, config in zip(names, configs, strict=True)]
    output.mkdir(parents=True, exist_ok=True)
    write_json(output / BEGUN, begun)
    settings = {"kind": values.kind, **_settings(base)}
    comparison = Comparison(settings, memories, _shown(base))
    with command_line.when_interrupted(f"Go on with: {again('trainers.compare', values)}"):
        for memory, config in zip(memories, configs, strict=True):
            _measure(memory, config, output, values)
            comparison.write(output)  # So that what comes later can't lose it.
    trained = [memory.name for memory in memories if "mse" in memory.row]
    if values.train and not trained:
        raise ValueError(
            "A comparison needs a memory that could be trained. Received: "
            f"--memories={','.join(names)}, of which none could: see above. Give more time, or "
            "others."
        )
    console.conclude(
        comparison,
        output,
        command("trainers.evaluate", model=output / trained[0])
        if trained
        else again("trainers.compare", values, train=True, max_minutes=10),
        contents="a table and pictures, and a run of each",
    )


def _define_flags(values: flags.FlagValues) -> None:
    drawn = [name for name, config in CONFIGS.items() if config.dataset in DRAWN]
    flags.DEFINE_enum(
        "kind",
        "memory_swap",
        list(KINDS),
        "Other memories in the same net, or whole systems.",
        flag_values=values,
    )
    flags.DEFINE_list(
        "memories",
        ["all"],
        f"Which: all, or {', '.join(CELLS)}; as published, {', '.join(SYSTEMS)}.",
        flag_values=values,
    )
    flags.DEFINE_enum("config", "small", drawn, "Recipe and size.", flag_values=values)
    flags.DEFINE_integer(
        "filters",
        None,
        "Width, if not the configuration's or, as published, the system's; CrevNet's is fixed.",
        1,
        flag_values=values,
    )
    flags.DEFINE_float(
        "max_minutes", None, "Of training for each memory.", 0.01, 1e6, flag_values=values
    )
    flags.DEFINE_integer("steps", None, "Of training for each memory.", 1, flag_values=values)
    flags.DEFINE_integer("seed", 0, "Of weights and data.", 0, flag_values=values)
    flags.DEFINE_bool("train", True, "Train, beside what costs are measured.", flag_values=values)
    flags.DEFINE_bool("costs", True, "Measure what a step costs.", flag_values=values)
    flags.DEFINE_string("output", "runs/memories", "Folder to write.", flag_values=values)


def _memories(names: list[str], kind: str) -> list[str]:
    known = KINDS[kind]
    if names == ["all"]:
        return [name for name in known if name not in ON_REQUEST]
    unknown = [name for name in names if name not in known]
    if unknown or not names:
        raise ValueError(
            f"--memories of --kind={kind} are all, or among {', '.join(known)}. Received: "
            f"{', '.join(names)}."
        )
    return list(dict.fromkeys(names))


def _base(values: flags.FlagValues, output: Path) -> TrainingConfig:
    """What all rows build on, in the precision in which the first of them was begun, if one was."""
    config = dataclasses.replace(CONFIGS[values.config], seed=values.seed, **_width(values))
    begun = [run for run in map(RunDirectory, sorted(output.glob("*"))) if run.config_file.exists()]
    if begun:
        return dataclasses.replace(config, mixed_precision=begun[0].read_config().mixed_precision)
    if config.mixed_precision == "auto":
        return dataclasses.replace(config, mixed_precision=fastest_precision())
    return config


def _width(values: flags.FlagValues) -> dict[str, Any]:
    return {"filters": values.filters, "encoder_filters": None} if values.filters else {}


def _config(
    base: TrainingConfig, name: str, output: Path, values: flags.FlagValues
) -> TrainingConfig:
    """The settings of one row; those with which it was begun, if it was, must be the same."""
    width = {} if name in OF_ONE_WIDTH else _width(values)
    settings = {**KINDS[values.kind][name], **width}
    config = dataclasses.replace(base, **{**usual_where_foreign(base, settings), **settings})
    run = RunDirectory(output / name)
    begun = _settings(run.read_config()) if run.config_file.exists() else _settings(config)
    different = [option for option, value in _settings(config).items() if value != begun[option]]
    if different:
        raise ValueError(
            "A comparison goes on with the settings it began with. Received: "
            f"{_told(_settings(config), different)}, and {run.path} was trained with "
            f"{_told(begun, different)}. Choose another --output."
        )
    return config


def _told(settings: dict[str, Any], names: Sequence[str]) -> str:
    return ", ".join(f"{name}={settings[name]}" for name in names)


def _settings(config: TrainingConfig) -> dict[str, Any]:
    """All settings but the length of the training."""
    settings = dataclasses.asdict(config)
    return {name: value for name, value in settings.items() if name not in _LENGTHS}


def _asked(values: flags.FlagValues) -> dict[str, Any]:
    """What doesn't change as a comparison goes on; a length is that of trainings."""
    length = {"steps": values.steps, "minutes": values.max_minutes} if values.train else {}
    return {"kind": values.kind, **length}


def _begun(output: Path, values: flags.FlagValues) -> dict[str, Any]:
    """What was asked for at first, and is now; memories beside systems, or several lengths, aren't.

    Raises:
        ValueError: if the two differ.
    """
    path, asked = output / BEGUN, _asked(values)
    begun = {"kind": "memory_swap", **json.loads(path.read_text())} if path.exists() else {}
    different = [name for name in asked if name in begun and begun[name] != asked[name]]
    if different:
        raise ValueError(
            "A comparison goes on with the kind and length of training it began with. Received: "
            f"{', '.join(f'{name} {asked[name]}' for name in different)}, and {path} has "
            f"{', '.join(f'{name} {begun[name]}' for name in different)}. Choose another --output."
        )
    return begun | asked


def _described(name: str, config: TrainingConfig) -> Memory:
    """What a memory is, before anything is measured; a size that it can't have is refused."""
    model = config.build_model()
    return Memory(
        name,
        {
            "memory": name,
            "weights": model.count_params(),
            "gflop_per_frame": 2 * multiply_adds_per_step(model) / 1e9,
            **reported(name if name in REPORTED else config.cell),
        },
    )


def _measure(
    memory: Memory, config: TrainingConfig, output: Path, values: flags.FlagValues
) -> None:
    """Measures one memory, and trains it where that is wanted; what is there isn't done again."""
    console.say(f"\n{memory.name}")
    memory.row |= costs_of(
        config, _settings(config), output / f"{memory.name}.cost.json", measure=values.costs
    )
    if not values.train:
        return
    try:
        _train(memory, config, RunDirectory(output / memory.name), values)
    except (FloatingPointError, TooLittleTimeError) as error:
        console.say(f"{memory.name} has no errors in the table: {error}")


def _train(
    memory: Memory, config: TrainingConfig, run: RunDirectory, values: flags.FlagValues
) -> None:
    keras.utils.clear_session()
    if run.config_file.exists():
        config = run.read_config()
    else:
        steps = steps_in(config, 60 * values.max_minutes) if values.max_minutes else values.steps
        config = dataclasses.replace(config, steps=steps or config.steps).in_whole_epochs()
        run.path.mkdir(parents=True, exist_ok=True)
        run.create(config)
    if not run.metrics_file.exists():
        training = train(config, run)
        console.say("Testing it ...")
        measured(config, run, training)
    found = json.loads(run.metrics_file.read_text())
    own = next(iter(found["results"].values()))
    memory.row |= {
        "minutes": found["training"]["seconds"] / 60,
        "steps": found["training"]["steps"],
        "mse": own["mse"]["mean"],
        "ssim": own["ssim_skimage"]["mean"],
        "psnr": own["psnr"]["mean"],
    }
    memory.errors = own["mse"]["per_lead_time"]
    memory.validations = [
        (float(row["seconds"]) / 60, float(row["val_mse"]))
        for row in read_rows(run.learning_file)
        if row["val_mse"]
    ]
    context, _ = examples(config, "test", 1)
    model = load_model(run.path)
    memory.predictions = model.predict(context, verbose=0)[0]


def _shown(config: TrainingConfig) -> tuple[np.ndarray, np.ndarray]:
    context, targets = examples(config, "test", 1)
    return context[0], targets[0]


if __name__ == "__main__":
    command_line.run(main)
