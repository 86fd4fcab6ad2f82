"""The notebook for the first ten minutes runs, and what it claims holds."""

import json
import re
import shutil
from pathlib import Path

import nbformat
import pytest
from moving_scene import moving_scene

from colab.build import NOTEBOOK, execute, read_source, tagged
from iprnn_tf.visualization import save_mp4

ROOT = Path(__file__).parent.parent
PIP = """
import pathlib, sys

pathlib.Path({note!r}).write_text(" ".join(sys.argv[1:]))
"""
REPORT = """
import json

differences = {name: float(np.abs(out - outputs["Keras"]).max()) for name, out in outputs.items()}
tested = {name: float(mse(frames, targets).mean()) for name, frames in two.items()}
kept = {name: float(errors[0]) for name, errors in detail.items()}
print(json.dumps([differences, tested, kept, losses]))
"""


@pytest.fixture(name="committed", scope="module")
def _committed():
    return nbformat.read(NOTEBOOK, as_version=4)


def outputs_of(notebook, kind):
    return [out for cell in notebook.cells for out in cell.get("outputs", []) if kind(out)]


def is_noise(output):
    return output.output_type == "error" or output.get("name") == "stderr"


def is_animation(output):
    return "data:image/gif;base64," in output.get("data", {}).get("text/html", "")


def contents(notebook):
    return [(cell.cell_type, cell.metadata.get("tags"), cell.source) for cell in notebook.cells]


def test_the_notebook_is_what_its_source_says(committed):
    assert contents(committed) == contents(read_source()), "Run: make notebook"


def test_the_committed_outputs_are_whole_and_clean(committed):
    run = [cell for cell in committed.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in run] == list(range(1, len(run) + 1))
    assert len(tagged(committed, "parameters")) == 1
    assert len(outputs_of(committed, is_animation)) == 4
    assert outputs_of(committed, is_noise) == []
    assert NOTEBOOK.stat().st_size < 3 * 2**20


def test_the_committed_outputs_name_no_place_of_the_machine(committed):
    texts = [out.text for out in outputs_of(committed, lambda out: "text" in out)]
    assert texts
    assert [text for text in texts if re.search(r"(?<![\w.:/])/[a-z]+/\w", text)] == []


def test_the_address_is_named_in_one_cell_beside_the_badge(committed):
    named = [cell for cell in committed.cells if "iprnn/iprnn_tf" in cell.source]
    assert [cell.cell_type for cell in named] == ["markdown", "code"]
    assert named[1:] == tagged(committed, "parameters")


def test_what_it_installs_is_all_that_it_exports_with(committed):
    named = re.findall(r'"([a-z,]+)" \+ \(",cuda"', "".join(c.source for c in committed.cells))
    assert [set(extras.split(",")) for extras in named] == [{"litert", "serving", "video"}]


def test_the_pages_to_go_on_with_are_there(committed):
    pages = re.findall(r'^    "([\w./]+\.md)":', committed.cells[-1].source, re.M)
    assert len(pages) == 4
    assert [page for page in pages if not (ROOT / page).exists()] == []


@pytest.mark.slow
def test_the_notebook_runs_from_a_checkout_and_what_it_claims_holds(tmp_path):
    notebook = read_source()
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    settings = f"WORK = {str(tmp_path / 'w')!r}\nSKIPS_STEPS = 80\nFINE_TUNE_MINUTES = 1"
    execute(notebook, NOTEBOOK.parent, settings, PYTHONPATH="")
    assert outputs_of(notebook, is_noise) == []
    assert len(outputs_of(notebook, is_animation)) == 4
    assert [out for cell in tagged(notebook, "tensorboard") for out in cell.outputs]
    differences, tested, kept, losses = json.loads(notebook.cells[-1].outputs[0].text)
    assert differences.keys() == {"Keras", "SavedModel", "LiteRT"}
    assert max(differences.values()) < 1e-4
    assert tested["after"] < 0.5 * tested["before"]
    assert kept["skips"] < kept["no skips"]
    assert losses["validation"][-1] < losses["validation"][0]
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("git") is None, reason="needs git")
def test_elsewhere_it_clones_and_installs_and_takes_a_video_of_the_readers(tmp_path):
    note, fake = tmp_path / "pip.txt", tmp_path / "fake" / "pip"
    fake.mkdir(parents=True)
    (fake / "__init__.py").touch()  # Or else the real one would come first, and install.
    (fake / "__main__.py").write_text(PIP.format(note=str(note)))
    save_mp4(tmp_path / "mine.mp4", moving_scene(150, 48, 64, seed=0), frames_per_second=10)
    notebook = read_source()
    end = next(i for i, cell in enumerate(notebook.cells) if "prepare.main(" in cell.source)
    notebook.cells[end + 1 :] = [nbformat.v4.new_code_cell("print(trainers.__file__)")]
    settings = f"REPOSITORY = {str(ROOT)!r}\nOWN_VIDEO = 'mine.mp4'\n"
    execute(notebook, tmp_path, settings, PYTHONPATH=str(fake.parent), PIP_DRY_RUN="1")
    clone = tmp_path / "quickstart" / "iprnn_tf"
    assert notebook.cells[-1].outputs[0].text.strip() == str(clone / "trainers" / "__init__.py")
    assert note.read_text().split()[-1].startswith(f"{clone}[litert,serving,video")
    assert outputs_of(notebook, is_noise) == []
    splits = notebook.cells[-2].outputs[0].text
    assert re.search(r"train +1 +\d+\nvalidation +1 +\d+\ntest +1 +\d+", splits)
