"""Compares recipes: the same data for each, and as many operations.

    python -m trainers.study --output=studies/recipe.json
    python -m trainers.study --output=studies/recipe.json --seeds=3   # goes on: adds the third
    python -m trainers.study --output=studies/long.json --sequences=10000 --only=baseline,optimizer
    python -m trainers.study --output=studies/paper.json --config=paper --filters=32   # wider

Each answer to a question differs from the baseline in that one thing. Runs that the output holds
already are not repeated, so Ctrl-C loses one run at most.
"""

from __future__ import annotations

import dataclasses
import json
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import keras
from absl import flags

from iprnn_tf.files import write_json
from programs import command_line
from programs.commands import command
from programs.console import console
from programs.provenance import provenance
from programs.tables import aligned
from trainers.configuration.study_arms import BASELINE, STUDIES, Arm
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting.callbacks import averaged_weights
from trainers.fitting.ingredients import (
    compile_for,
    compiled_model,
    held_out_batches,
    training_batches,
)
from trainers.measuring.machine import fastest_precision
from trainers.measuring.operations import operations_of_steps

Run = dict[str, Any]  # One line of the output: what was trained, and what it reached.

# Settings that change no weight.
PACE = (
    "steps_per_epoch",
    "steps_per_execution",
    "validation_every",
    "test_sequences",
    "checkpoint_seconds",
)


_COUNTED: dict[str, float] = {}  # Operations by configuration: counting builds a model.


def main(arguments: Sequence[str]) -> None:
    """Trains all that the output lacks, and shows the table."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    base, all_arms = STUDIES[values.config]
    arms = _chosen(all_arms, values.only)
    path = Path(values.output)
    command_line.check_file(path)
    runs = _finished(path)
    precision = next((run["precision"] for run in runs), None) or fastest_precision()
    configs = [
        (arm, _config(arm, base, values.filters, values.sequences, seed, precision))
        for seed in range(values.seeds)
        for arm in arms
    ]
    planned = [
        (arm, config, _plan(arm, config, precision, values.validation_sequences))
        for arm, config in configs
    ]
    for index, (arm, config, plan) in enumerate(planned, start=1):
        if not any(_is_of(plan, run, base) for run in runs):
            console.say(f"{index}/{len(planned)}  {arm.question}: {arm.answer}, seed {config.seed}")
            with command_line.when_interrupted(command_line.REPEAT):
                runs.append({**plan, **_train(config, values.validation_sequences)})
            write_json(path, {"runs": runs, **provenance()})
            console.say(f"    validation MSE {runs[-1]['mse']:.1f} in {runs[-1]['seconds']:.0f} s")
    shown = [run for run in runs if any(_is_of(plan, run, base) for *_, plan in planned)]
    console.conclude(table(shown), path, command("trainers.train", config=values.config))


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_string("output", "studies/recipe.json", "JSON file.", flag_values=values)
    flags.DEFINE_integer(
        "sequences", 2400, "Training sequences of a run.", lower_bound=80, flag_values=values
    )
    flags.DEFINE_integer("seeds", 2, "Runs of each arm.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("filters", 16, "Width of each memory.", lower_bound=1, flag_values=values)
    flags.DEFINE_integer("validation_sequences", 500, "To measure on.", 1, 1000, flag_values=values)
    flags.DEFINE_enum("config", "small", list(STUDIES), "Which in miniature.", flag_values=values)
    arms = [arm for study in STUDIES.values() for arm in study.arms]
    questions = ", ".join(dict.fromkeys(arm.question for arm in arms))
    flags.DEFINE_list("only", [], f"Questions, by default all: {questions}.", flag_values=values)


def _chosen(arms: Sequence[Arm], questions: list[str]) -> list[Arm]:
    known = {arm.question for arm in arms}
    if not set(questions) <= known:
        raise ValueError(
            f"--only takes questions of this study: {', '.join(sorted(known))}. "
            f"Received: {', '.join(questions)}. Leave it out for all."
        )
    return [arm for arm in arms if not questions or arm.question in {"baseline", *questions}]


def _finished(path: Path) -> list[Run]:
    if not path.exists():
        return []
    try:
        runs: list[Run] = json.loads(path.read_text())["runs"]
        table(runs)
    except (KeyError, TypeError, ValueError) as error:
        raise ValueError(
            "--output is a file of this program, or new. Received: "
            f"{path}, which can't be read ({type(error).__name__}: {error}). Choose another."
        ) from error
    return runs


def _plan(arm: Arm, config: TrainingConfig, precision: str, validation_sequences: int) -> Run:
    """What a run says of itself before it is measured."""
    return {
        "question": arm.question,
        "answer": arm.answer,
        "precision": precision,
        "validation_sequences": validation_sequences,
        "config": dataclasses.asdict(config),
    }


def _is_of(plan: Run, run: Run, base: TrainingConfig) -> bool:
    """Whether a run is what is planned, maybe by a version that had fewer settings."""
    made = {**dataclasses.asdict(base), **run["config"]}
    wanted = {**plan["config"], "fps": made["fps"]}  # Which digits don't have.
    return all(run[name] == plan[name] for name in plan if name != "config") and all(
        made[name] == wanted[name] for name in wanted if name not in PACE
    )


def _config(
    arm: Arm, whole: TrainingConfig, filters: int, sequences: int, seed: int, precision: str
) -> TrainingConfig:
    """A net of another width, trained with as many operations as the baseline."""
    usual: dict[str, Any] = {
        "filters": filters,
        "encoder_filters": whole.encoder_filters
        and [max(1, wide * filters // whole.filters) for wide in whole.encoder_filters],
        "mixed_precision": precision,
        "seed": seed,
        "steps_per_epoch": 1,  # So that stages end anywhere.
    }
    settings = {**usual, **arm.settings}
    if settings["mixed_precision"] == "other":
        settings["mixed_precision"] = {"bfloat16": "float32", "float32": "bfloat16"}[precision]
    usual_config = dataclasses.replace(whole, **usual)
    budget = sequences * _operations(usual_config) / usual_config.batch_size
    config = dataclasses.replace(whole, **settings)
    steps = max(round(budget / _operations(config)), 1)
    return dataclasses.replace(config, steps=steps)


def _operations(config: TrainingConfig) -> float:
    """Of a training step, on the mean over the run."""
    config = dataclasses.replace(config, steps=1000, seed=0)  # Which change nothing.
    key = repr(config)  # It has a list, so it is no key itself.
    if key not in _COUNTED:
        model = config.build_model()
        _COUNTED[key] = operations_of_steps(model, config, config.steps) / config.steps
    return _COUNTED[key]


def _train(config: TrainingConfig, validation_sequences: int) -> Run:
    keras.utils.clear_session()
    begin = time.perf_counter()
    model = compiled_model(config)
    begin_step = 0
    for stage, stop in config.stages():
        compile_for(stage, model, model.optimizer)
        batches = training_batches(stage, begin_step, config.sequences(begin_step))
        model.fit(batches, steps_per_epoch=stop - begin_step, verbose=0, shuffle=False)
        begin_step = stop
    batches = held_out_batches(config, "validation", validation_sequences)
    with averaged_weights(model):
        measured = model.evaluate(batches, verbose=0, return_dict=True)
    return {
        "mse": round(measured["mse"], 3),
        "seconds": round(time.perf_counter() - begin, 1),
    }


def table(runs: list[Run]) -> str:
    """Returns what each arm reached, and how far from the baseline of the same seed.

    Differences are means over seeds; with several of them the standard error stands beside.
    """
    baseline = {run["config"]["seed"]: run["mse"] for run in runs if _arm(run) == _key(BASELINE)}
    rows = [["question", "answer", "seeds", "MSE", "against baseline", "seconds"]]
    for key in dict.fromkeys(_arm(run) for run in runs):
        own = [run for run in runs if _arm(run) == key]
        errors = [run["mse"] for run in own]
        gains = [
            run["mse"] - baseline[run["config"]["seed"]]
            for run in own
            if run["config"]["seed"] in baseline
        ]
        rows.append(
            [
                *key,
                str(len(own)),
                f"{statistics.mean(errors):.1f}",
                _difference(gains),
                f"{statistics.median(run['seconds'] for run in own):.0f}",
            ]
        )
    return aligned(rows)


def _difference(gains: list[float]) -> str:
    if not gains:
        return ""
    mean = f"{statistics.mean(gains):+.1f}"
    if len(gains) == 1:
        return mean
    return f"{mean} ± {statistics.stdev(gains) / len(gains) ** 0.5:.1f}"


def _key(arm: Arm) -> tuple[str, str]:
    return arm.question, arm.answer


def _arm(run: Run) -> tuple[str, str]:
    return run["question"], run["answer"]


if __name__ == "__main__":
    command_line.run(main)
