"""What forecasts along a video came to: the files beside them, and a text for people."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.files import write_json
from iprnn_tf.visualization import error_curve, save_png
from programs.media import STRIPS
from programs.provenance import provenance
from trainers.measuring.lead_times import LeadTimeErrors
from trainers.measuring.results import BEATEN, Row, is_beaten, lead_time_table, table


def write_report(output: Path, facts: dict[str, Any], errors: LeadTimeErrors) -> str:
    """Writes the numbers and the curve beside the predictions.

    Args:
        output: where the predictions are: `out.gif` gets `out.error.json` and `out.error.png`.
            Where there was no truth there is no curve.
        facts: how the forecasts were made; `input` and `context_frames` are among them.
        errors: of all of them.

    Returns:
        What to tell: the tables, and where they are.

    Raises:
        OSError: if a file can't be written.
    """
    rows, counts = errors.rows(), [int(count) for count in errors.counts]
    numbers, curve = output.with_suffix(".error.json"), output.with_suffix(".error.png")
    measured = {"forecasts": errors.forecasts, "forecasts_with_truth": counts, "clipped": True}
    write_json(numbers, {**facts, **measured, "results": rows, **provenance()})
    title = f"{Path(facts['input']).name}: {errors.forecasts:,} forecasts"
    lines = [f"\n{title} of {len(counts)} frames after {facts['context_frames']}."]
    if output.suffix.lower() == ".png" and errors.forecasts > STRIPS:
        lines.append(f"The picture shows the first {STRIPS} of them.")
    if rows:
        curves = {name: row["mse"]["per_lead_time"] for name, row in rows.items()}
        save_png(curve, error_curve(_finite(curves), title, "squared error per frame"))
        lines += [_tables(rows, counts), f"\nError over lead time: {curve}"]
    else:
        lines.append("\nThe input ends with the context: there is no truth to compare with.")
    if is_beaten(rows):
        lines.append(f"\n{BEATEN}")
    return "\n".join([*lines, f"Numbers: {numbers}"])


def _finite(curves: dict[str, list[float]]) -> dict[str, list[float]]:
    return {name: curve for name, curve in curves.items() if np.isfinite(curve).all()}


def _tables(rows: dict[str, Row], counts: list[int]) -> str:
    name = next(iter(rows))
    parts = [
        "Predictions are clipped to [0, 1]; mse and mae are sums over a frame.",
        table(rows),
        f"{name} per lead time:\n\n{lead_time_table(rows[name])}",
    ]
    if len(set(counts)) > 1:
        runs = [(count, len([*same])) for count, same in itertools.groupby(counts)]
        ends = itertools.accumulate(length for _, length in runs)
        known = [f"{count:,} up to {end}" for (count, _), end in zip(runs, ends, strict=True)]
        parts.append(f"Forecasts with a truth, by lead time: {', '.join(known)}.")
    return "\n\n".join(parts)
