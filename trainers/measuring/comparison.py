"""Several memories side by side: one table and its pictures."""

from __future__ import annotations

import csv
import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from iprnn_tf.files import replacing, write_json
from iprnn_tf.visualization import (
    bubble_chart,
    comparison_strip,
    error_curve,
    learning_curve,
    save_png,
)
from programs.provenance import provenance
from programs.tables import aligned

# The paper's Table 1, on Moving MNIST, by the memories of these systems.
REPORTED: dict[str, tuple[str, float, float, int, int]] = {
    "stgru": ("IPRNN", 9.80, 0.965, 14, 782),
    "conv_lstm": ("ConvLSTM", 103.3, 0.707, 15, 801),
    "bijective_gru": ("FRNN", 68.4, 0.819, 23, 910),
    "st_lstm": ("PredRNN", 56.8, 0.869, 24, 926),
    "causal_lstm": ("PredRNN++", 46.5, 0.898, 33, 1345),
    "e3d_lstm": ("E3D-LSTM", 41.3, 0.910, 67, 2695),
    "rpm": ("CrevNet", 22.3, 0.949, 20, 883),
    "vpn": ("VPN", 70.0, 0.870, 102, 5206),
}
_HEADINGS = {
    "memory": "memory",
    "weights": "weights",
    "gflop_per_frame": "convolution GFLOP",
    "frame_ms": "ms/frame",
    "fifty_steps_seconds": "s/50 steps",
    "peak_megabytes": "peak MB",
    "minutes": "minutes",
    "steps": "steps",
    "mse": "MSE",
    "ssim": "SSIM",
    "psnr": "PSNR",
    "reported_as": "in the paper",
    "reported_mse": "its MSE",
    "reported_ssim": "its SSIM",
    "reported_seconds": "its s/50",
    "reported_megabytes": "its MB",
}
_REPORTED_WHERE = (
    '"In the paper" names the system of the paper\'s Table 1, or the one there that has this '
    "memory. Its figures are of its own size, and of long training."
)
_COSTS = ("weights", "gflop_per_frame", "frame_ms", "fifty_steps_seconds", "peak_megabytes")


@dataclasses.dataclass
class Memory:
    """What is known of one memory; what wasn't measured is left out.

    Args:
        name: of the memory, or of the system that it is the memory of.
        row: figures by the keys of the table's columns.
        validations: pairs of minutes of training and validation MSE.
        errors: squared error per lead time, on the test split.
        predictions: of the sequence that is shown, `(K, H, W, C)`.
    """

    name: str
    row: dict[str, Any]
    validations: list[tuple[float, float]] = dataclasses.field(default_factory=list)
    errors: list[float] = dataclasses.field(default_factory=list)
    predictions: np.ndarray | None = None


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Memories that were trained alike.

    Args:
        settings: what all of them have in common.
        memories: in the order of the table.
        shown: context and targets of the sequence that is shown, `(T, H, W, C)` each.
    """

    settings: dict[str, Any]
    memories: list[Memory]
    shown: tuple[np.ndarray, np.ndarray] | None = None

    @property
    def columns(self) -> list[str]:
        """The columns that some memory has a figure for."""
        return [key for key in _HEADINGS if any(key in memory.row for memory in self.memories)]

    def cells(self) -> list[list[str]]:
        """The table as text, its heading first."""
        rows = [[_text(memory.row.get(key)) for key in self.columns] for memory in self.memories]
        return [[_HEADINGS[key] for key in self.columns], *rows]

    def ratios(self) -> list[list[str]]:
        """What each costs as a multiple of what the first does, as text."""
        unit = self.memories[0].row
        costs = [key for key in _COSTS if unit.get(key)]  # Some allocators tell no memory.
        rows = [
            [m.name, *(f"{m.row[key] / unit[key]:.2f}" if key in m.row else "" for key in costs)]
            for m in self.memories
        ]
        return [[f"against {self.memories[0].name}", *(_HEADINGS[key] for key in costs)], *rows]

    def __str__(self) -> str:
        return f"{aligned(self.cells())}\n\n{aligned(self.ratios())}"

    def write(self, folder: Path) -> None:
        """Writes `comparison.json`, `.csv` and `.md`, and the pictures that there are figures for.

        Raises:
            OSError: if they can't be written.
        """
        rows = [memory.row for memory in self.memories]
        write_json(
            folder / "comparison.json", {"settings": self.settings, "rows": rows, **provenance()}
        )
        with (
            replacing(folder / "comparison.csv") as path,
            path.open("w", newline="", encoding="utf-8") as file,
        ):
            writer = csv.DictWriter(file, self.columns)
            writer.writeheader()
            writer.writerows(rows)
        with replacing(folder / "comparison.md") as path:
            parts = [markdown(self.cells()), markdown(self.ratios())]
            if "reported_as" in self.columns:
                parts.append(f"{_REPORTED_WHERE}\n")
            path.write_text("\n".join(parts), encoding="utf-8")
        self._draw(folder)

    def _draw(self, folder: Path) -> None:
        whole = self.settings.get("kind") == "as_published"
        title = "Systems as published" if whole else "The same net with other memories"
        trained = [memory for memory in self.memories if memory.errors]
        if not trained:
            return
        learned = {memory.name: memory.validations for memory in trained}
        save_png(
            folder / "learning.png",
            learning_curve(learned, title, "validation MSE", "minutes of training"),
        )
        save_png(
            folder / "error.png",
            error_curve({m.name: m.errors for m in trained}, title, "squared error per frame"),
        )
        costs = {
            m.name: (m.row["frame_ms"], m.row["mse"], m.row["weights"])
            for m in trained
            if "frame_ms" in m.row
        }
        if costs:
            save_png(
                folder / "cost.png",
                bubble_chart(costs, title, "MSE; area: weights", "milliseconds a frame"),
            )
        futures = {m.name: m.predictions for m in trained if m.predictions is not None}
        if futures and self.shown:
            save_png(folder / "predictions.png", comparison_strip(*self.shown, futures))


def reported(name: str) -> dict[str, Any]:
    """Returns what the paper reports for the system that a memory is of, as cells of a row."""
    keys = [key for key in _HEADINGS if key.startswith("reported")]
    return dict(zip(keys, REPORTED.get(name, ()), strict=False))


def markdown(cells: list[list[str]]) -> str:
    """Returns rows of text as a table of Markdown."""
    heading, *rows = [f"| {' | '.join(row)} |" for row in cells]
    rule = f"|---|{'---:|' * (len(cells[0]) - 1)}"
    return "\n".join([heading, rule, *rows, ""])


def _text(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.3g}" if abs(value) < 1 else f"{value:,.1f}"
    return f"{value:,}" if isinstance(value, int) else str(value)
