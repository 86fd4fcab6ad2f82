"""What the pages on export and serving show is true."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from export.inputs.source import Source
from export.saved_model import save_model
from export.tflite import save_tflite
from iprnn_tf import IPRNN, STGRUCell

pytestmark = pytest.mark.slow

DOCS = Path(__file__).parent.parent / "docs"


def test_the_lines_that_follow_a_live_video_run(tmp_path, monkeypatch):
    model = IPRNN((64, 64, 1), STGRUCell(2), num_layers=1)
    save_tflite(Source("tiny", model, 10, {}, {}), tmp_path / "exported" / "iprnn.tflite")
    [block] = re.findall(r"^```python\n(.*?)^```", (DOCS / "export.md").read_text(), re.M | re.S)
    monkeypatch.chdir(tmp_path)
    names: dict = {}
    exec(block, names)
    assert names["prediction"].shape == (1, 64, 64, 1)
    assert names["surprise"] > 0


def test_the_signatures_on_the_page_are_those_of_the_preset(tmp_path):
    version = save_model(Source.load("iprnn_small_moving_mnist"), tmp_path, warm_up_batches=())
    tool = Path(sys.executable).with_name("saved_model_cli")
    command = [tool, "show", "--dir", version, "--all"]
    shown = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    [block] = re.findall(
        r"^```text\n(signature_def.*?)^```", (DOCS / "serving.md").read_text(), re.M | re.S
    )
    assert block.strip() in shown
