"""Makes colab/quickstart.ipynb from colab/quickstart.py, which is what people edit.

    make notebook

The notebook is run from top to bottom in a fresh kernel, and written with its outputs.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbclient import NotebookClient

SOURCE = Path(__file__).with_name("quickstart.py")
NOTEBOOK = SOURCE.with_suffix(".ipynb")
WORK = SOURCE.with_name("quickstart")  # Where the notebook writes unless it is told otherwise.
LONGEST_CELL = 1800  # Seconds.

# What LiteRT writes to stderr when it starts, whatever it is told.
NOTES = re.compile(r"(INFO: Created TensorFlow Lite XNNPACK.*\n)*")


def main() -> None:
    """Runs the source, and writes the notebook."""
    shutil.rmtree(WORK, ignore_errors=True)
    notebook = execute(read_source(), SOURCE.parent)
    for cell in tagged(notebook, "tensorboard"):
        cell.outputs = []  # A window into a server that is gone.
    nbformat.write(notebook, NOTEBOOK)
    print(
        f"{NOTEBOOK.name}: {len(notebook.cells)} cells, {NOTEBOOK.stat().st_size / 2**20:.1f} MiB"
    )


def read_source() -> Any:
    """Returns the notebook that the source describes, without outputs."""
    notebook = jupytext.read(SOURCE)
    del notebook.metadata["jupytext"]
    for index, cell in enumerate(notebook.cells):
        cell.id = f"cell-{index:02}"  # The same each time, so that changes can be read.
    return notebook


def tagged(notebook: Any, tag: str) -> list[Any]:
    """Returns the cells with a tag."""
    return [cell for cell in notebook.cells if tag in cell.metadata.get("tags", [])]


def execute(notebook: Any, folder: Path, parameters: str = "", **environment: str) -> Any:
    """Runs a notebook in a fresh kernel, and leaves nothing running behind.

    Args:
        notebook: gets its outputs.
        folder: where it runs.
        parameters: assignments that follow those of its parameter cell.
        **environment: variables of the kernel.

    Raises:
        CellExecutionError: if a cell fails.
    """
    if parameters:
        [given] = tagged(notebook, "parameters")
        injected = nbformat.v4.new_code_cell(parameters)
        notebook.cells.insert(notebook.cells.index(given) + 1, injected)
    client = NotebookClient(
        notebook,
        timeout=LONGEST_CELL,
        resources={"metadata": {"path": str(folder)}},
        record_timing=False,
        coalesce_streams=True,
    )
    with _temporary_folder() as temporary:
        client.execute(env=_fresh_environment() | {"TMPDIR": temporary} | environment)
    remove_notes(notebook)
    return notebook


def remove_notes(notebook: Any) -> None:
    """Removes outputs on stderr that hold nothing but `NOTES`."""
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [out for out in cell.outputs if not _is_notes(out)]


def _is_notes(output: Any) -> bool:
    return output.get("name") == "stderr" and bool(NOTES.fullmatch(output.text))


def _fresh_environment() -> dict[str, str]:
    """What a reader's kernel has: a program that has loaded TensorFlow leaves marks of it."""
    return {name: value for name, value in os.environ.items() if not name.startswith("TF_")}


@contextmanager
def _temporary_folder() -> Iterator[str]:
    """A folder for temporary files; a TensorBoard that is noted there ends with it."""
    with tempfile.TemporaryDirectory() as folder:
        try:
            yield folder
        finally:
            for note in Path(folder).glob(".tensorboard-info/pid-*.info"):
                with suppress(ProcessLookupError):
                    os.kill(int(note.stem.removeprefix("pid-")), signal.SIGTERM)
                note.unlink(missing_ok=True)


if __name__ == "__main__":
    main()
