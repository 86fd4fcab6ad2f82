"""Who may import whom, and what a plain import does."""

import re
import subprocess
import sys
from pathlib import Path

import iprnn_tf

ROOT = Path(__file__).parent.parent


def test_the_layers_of_the_design_are_kept():
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


def test_the_version_is_the_packages():
    version = re.search(r"^version = (.*)$", (ROOT / "setup.cfg").read_text(), re.M)
    assert version
    assert version[1] == iprnn_tf.__version__
