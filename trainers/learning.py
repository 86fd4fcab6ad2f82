"""Draws the learning curves of runs in one picture, over the operations that they took.

    python -m trainers.learning --runs=runs/mnist-small-...,runs/mnist-small-...
    python -m trainers.learning --runs=runs/a,runs/b --labels="before,since" --output=learning.png

Operations are those of all convolutions, forward and backward: what a run costs on any machine.
A point is a validation; a run that begins with a short horizon has none before the whole one.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from iprnn_tf.visualization import MOST_CURVES, learning_curve, save_png
from programs import command_line
from programs.commands import command
from programs.console import console
from programs.tables import aligned
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.training_config import DATA_SETTINGS, TrainingConfig
from trainers.fitting.curves import Row, read_rows
from trainers.measuring.operations import operations_of_steps

# By what validation errors differ, whatever was learned.
_COMPARED = (
    *(name for name in DATA_SETTINGS if name not in ("data_dir", "source_dir")),
    *("horizon", "validation_sequences", "on_device"),
)
Curve = list[tuple[float, float]]


def main(arguments: Sequence[str]) -> None:
    """Draws as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    runs = [RunDirectory(Path(run)) for run in values.runs]
    labels = values.labels or [run.path.resolve().name for run in runs]
    if not 1 <= len(runs) <= MOST_CURVES or not len(labels) == len(set(labels)) == len(runs):
        raise ValueError(
            "--runs are one to ten folders of trainings, and --labels tell them apart. Received: "
            f"--runs={','.join(values.runs)} with the labels {', '.join(labels)}. Give one label "
            "for each, by default the folder's name."
        )
    output = Path(values.output)
    command_line.check_file(output)
    configs = [run.read_config() for run in runs]
    _check_comparable(configs)
    validations = [_validations(run) for run in runs]
    curves = {
        label: _over_operations(config, rows)
        for label, config, rows in zip(labels, configs, validations, strict=True)
    }
    title = f"{configs[0].dataset} {configs[0].context_frames} -> {configs[0].horizon}"
    save_png(output, learning_curve(curves, title, "validation MSE", "operations (PFLOP)"))
    best = [min(float(row["val_mse"]) for row in rows) for rows in validations]
    console.conclude(
        _table(curves, best, validations),
        output,
        command("trainers.evaluate", model=runs[best.index(min(best))].path),
    )


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_list("runs", [], "Run directories, ten at most.", flag_values=values)
    flags.DEFINE_list("labels", [], "What to call them.", flag_values=values)
    flags.DEFINE_string("output", "learning.png", "Picture to write.", flag_values=values)


def _check_comparable(configs: list[TrainingConfig]) -> None:
    for name in _COMPARED:
        found = {str(getattr(config, name)): None for config in configs}
        if len(found) > 1:
            raise ValueError(
                f"Errors are compared on the same sequences. Received: --{name} of "
                f"{' and '.join(found)}. Draw these runs apart."
            )


def _validations(run: RunDirectory) -> list[Row]:
    is_there = run.learning_file.exists()  # Versions before this one wrote none.
    rows = [row for row in read_rows(run.learning_file) if row["val_mse"]] if is_there else []
    if not rows:
        raise ValueError(
            "A learning curve is of a run that has been validated. Received: "
            f"{run.learning_file} without a validation. Let the run go on, by --resume={run.path}."
        )
    return rows


def _over_operations(config: TrainingConfig, rows: list[Row]) -> Curve:
    if config.minutes:
        raise ValueError(
            "Operations are counted for runs by steps. Received: a run on the device that went by "
            f"the clock for {config.minutes:g} minutes. Leave it out."
        )
    model = config.build_model()
    return [
        (operations_of_steps(model, config, int(row["step"])) / 1e15, float(row["val_mse"]))
        for row in rows
    ]


def _table(curves: dict[str, Curve], best: list[float], validations: list[list[Row]]) -> str:
    heading = ["run", "steps", "operations (PFLOP)", "seconds", "best validation MSE"]
    lines = [
        [
            label,
            f"{int(rows[-1]['step']):,}",
            f"{curve[-1][0]:.2f}",
            f"{float(rows[-1]['seconds']):,.0f}",
            f"{least:.2f}",
        ]
        for (label, curve), least, rows in zip(curves.items(), best, validations, strict=True)
    ]
    return aligned([heading, *lines])


if __name__ == "__main__":
    command_line.run(main)
