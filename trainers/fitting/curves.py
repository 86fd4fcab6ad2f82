"""The learning curve of a run, as a table of plain text."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import keras

from trainers.fitting.callbacks import TrainingState

COLUMNS = ("epoch", "step", "seconds", "loss", "val_mse")
Row = dict[str, str]


class CurveFile(keras.callbacks.Callback):
    """Adds a line to a CSV file at the end of each epoch.

    An epoch that an interrupted run repeats has a second line, which counts.

    Args:
        path: the file.
        steps_per_epoch: of training.
        state: knows the seconds of training; before this one in the list of callbacks.
    """

    def __init__(self, path: Path, steps_per_epoch: int, state: TrainingState) -> None:
        super().__init__()
        self.path, self.steps_per_epoch, self.state = path, steps_per_epoch, state

    def on_epoch_end(self, epoch: int, logs: Any = None) -> None:
        is_new = not self.path.exists()
        row = {
            **(logs or {}),
            "epoch": epoch + 1,
            "step": (epoch + 1) * self.steps_per_epoch,
            "seconds": f"{self.state.trained_seconds:.2f}",
        }
        with self.path.open("a", newline="") as file:
            writer = csv.DictWriter(file, COLUMNS, extrasaction="ignore")
            if is_new:
                writer.writeheader()
            writer.writerow(row)


def read_rows(path: Path) -> list[Row]:
    """Reads what `CurveFile` wrote: the line that counts of each epoch, in order.

    Raises:
        OSError: if there is no such file.
        ValueError: if it is another kind of file.
    """
    with path.open(newline="") as file:
        reader = csv.DictReader(file)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise ValueError(
                f"A learning curve has the columns {', '.join(COLUMNS)}. Received: {path} with "
                f"{', '.join(reader.fieldnames or ('nothing',))}. Give a run directory of training."
            )
        rows = {int(row["epoch"]): row for row in reader}
    return [rows[epoch] for epoch in sorted(rows)]
