"""The README's Python is true: it runs, and its comments hold."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [
    ROOT / "README.md",
    ROOT / "CHANGELOG.md",
    ROOT / "CONTRIBUTING.md",
    *(ROOT / "docs").glob("*.md"),
]
BLOCKS = re.findall(r"^```python\n(.*?)^```", (ROOT / "README.md").read_text(), re.M | re.S)


def test_the_models_lines_run():
    names: dict = {}
    exec(BLOCKS[0], names)
    assert names["predictions"].shape == (2, 10, 64, 64, 1)
    assert tuple(names["longer"].shape) == (2, 30, 64, 64, 1)
    assert tuple(names["frame"].shape) == (2, 64, 64, 1)


def test_the_layers_lines_run():
    names: dict = {}
    exec(BLOCKS[1], names)
    assert names["features"].shape == (None, None, 16, 16, 32)


def test_the_lines_of_training_run():
    names: dict = {}
    exec(BLOCKS[0] + BLOCKS[2], names)
    assert set(names["model"].history.history) == {"loss", "mse"}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_file_that_is_linked_is_there(page):
    links = re.findall(r"\]\((?!http)([^)#]+)\)", page.read_text())
    assert links
    assert [link for link in links if not (page.parent / link).exists()] == []
