"""Every command of the README is run, one after the other, as a newcomer would; shortened."""

import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import pytest
from moving_scene import moving_scene
from programs_table import check_understood

from iprnn_tf.visualization import save_mp4

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
PORT = 16006
SHORTER = {  # What makes a command quick, without making it another one.
    "make train": "MINUTES=2",
    "make test": "--dry-run",  # This is one of its tests.
    "pip install": "--dry-run --quiet",
    "python -m trainers.train --dataset=mnist": "--max_minutes=2 --test_sequences=64",
    "python -m trainers.train --dataset=video": "--max_minutes=2",
    "python -m trainers.train --init_from": "--max_minutes=2 --test_sequences=64",
    "python -m trainers.evaluate": "--sequences=64",
    "python -m trainers.benchmark speed": "--config=small --steps=2",
    "python -m export.benchmark": "--sequences=8",
    "tensorboard": f"--port={PORT}",
}


def commands(page):
    """The lines of a page's shell blocks, without comments, with lines that go on put together."""
    blocks = re.findall(r"^```bash\n(.*?)^```", page.read_text(), re.M | re.S)
    lines = "".join(blocks).replace("\\\n", " ").splitlines()
    return [re.sub(r"\s+#.*", "", line) for line in lines if line.strip()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_programs_understand_the_commands_of_every_page(page):
    for command in commands(page):
        if command.startswith("python -m"):
            words = shlex.split(command)
            check_understood([word for word in words if word[0] != "["])  # What may be left out.


@pytest.fixture(name="checkout")
def _checkout(tmp_path):
    """A copy of the working tree, with a few videos of somebody's own.

    The environment that runs the tests was installed from another tree, and shall stay so: the
    copy's is a name for it.
    """
    unwanted = shutil.ignore_patterns(".*", "runs", "serving", "exported", "__pycache__")
    checkout = tmp_path / "checkout"
    shutil.copytree(ROOT, checkout, ignore=unwanted)
    shutil.copytree(ROOT / "export" / "serving", checkout / "export" / "serving")
    (checkout / ".venv" / "bin").mkdir(parents=True)
    python = checkout / ".venv" / "bin" / "python"
    python.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    for stamp in ("installed", "installed-dev"):
        (checkout / ".venv" / stamp).touch()
    (checkout / "my_videos").mkdir()
    for name, seed in {"clip": 0, "second": 1, "third": 2, "fourth": 3}.items():
        frames = moving_scene(60, 48, 64, seed)
        save_mp4(checkout / "my_videos" / f"{name}.mp4", frames, frames_per_second=10)
    return checkout


def shortened(command):
    extra = [more for beginning, more in SHORTER.items() if command.startswith(beginning)]
    return " ".join([command, *extra])


def is_served(process):
    """Whether TensorBoard shows its page within a minute."""
    for _ in range(60):
        time.sleep(1)
        assert process.poll() is None
        try:
            with urllib.request.urlopen(f"http://localhost:{PORT}") as page:
                return b"TensorBoard" in page.read()
        except OSError:
            continue
    return False


@pytest.mark.slow
def test_every_command_does_what_it_says(checkout, tmp_path):
    environment = os.environ | {
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(checkout),
    }
    with (tmp_path / "log.txt").open("w") as log:
        for command in map(shortened, commands(checkout / "README.md")):
            print(f"\n$ {command}", file=log, flush=True)
            process = subprocess.Popen(
                command,
                shell=True,
                cwd=checkout,
                env=environment,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            if command.startswith("tensorboard"):
                assert is_served(process)
                os.killpg(process.pid, signal.SIGTERM)
                process.wait()
            else:
                assert process.wait() == 0, (command, (tmp_path / "log.txt").read_text()[-3000:])
    assert (checkout / "prediction.mp4").stat().st_size > 1000
    assert (checkout / "my_preset").is_dir()
    assert (checkout / "serving" / "models" / "iprnn" / "1").is_dir()
