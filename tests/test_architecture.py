"""Who may import whom, and what a plain import does."""

import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_layers_of_the_design_are_kept():
    lint = Path(sys.executable).with_name("lint-imports")
    found = subprocess.run([lint], cwd=ROOT, capture_output=True, text=True, check=False)
    assert found.returncode == 0, found.stdout


# These start other backends, or run programs and documents, by themselves.
BY_THEMSELVES = {"backends", "quickstart", "readme_commands", "result_tables"}


def test_every_test_that_needs_no_tensorflow_runs_on_every_backend():
    """What `make test-backends` runs is a list in the Makefile; it may hold others too."""
    makefile = (ROOT / "Makefile").read_text().replace("\\\n", " ")
    listed = re.search(r"^LIBRARY_TESTS := (.*)$", makefile, re.MULTILINE)[1].split()
    for file in (ROOT / "tests").glob("test_*.py"):
        imported = set(re.findall(r"^ *(?:from|import) ([\w.]+)", file.read_text(), re.MULTILINE))
        packages = {name.split(".")[0] for name in imported}
        apart = {"tensorflow", "trainers", "export", "programs"} & packages
        apart |= {name for name in imported if name.startswith("iprnn_tf.data")}
        if "iprnn_tf" in packages and not apart:
            assert file.stem.removeprefix("test_") in {*listed, *BY_THEMSELVES}, file.name
    assert all((ROOT / "tests" / f"test_{name}.py").is_file() for name in listed)
