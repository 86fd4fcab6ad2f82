"""Trainings in processes of their own, which can be killed."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parent.parent


WITHOUT_REPORT = """
import sys
from programs import command_line
from trainers import train
from trainers.fitting import callbacks
train.report = lambda config, run, training: None  # Measuring 3,000 sequences is another test's.
command_line.run(train.main)
"""


def start(arguments, script=("-m", "trainers.train"), backend="tensorflow"):
    # A shell that runs the tests in the background would have its children ignore Ctrl-C. What is
    # ignored here is ignored there; a `preexec_fn` would fork, which gRPC doesn't always survive.
    heard = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        return subprocess.Popen(
            [sys.executable, *script, *arguments],
            cwd=ROOT,
            env={**os.environ, "KERAS_BACKEND": backend, "JAX_PLATFORMS": "cpu"},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
    finally:
        signal.signal(signal.SIGINT, heard)


def finish(arguments, script=("-m", "trainers.train"), backend="tensorflow"):
    process = start(arguments, script, backend)
    output, _ = process.communicate(timeout=300)
    return process.returncode, output


def wait_for_a_checkpoint(run, process):
    for _ in range(1200):
        if states(run):
            return
        if process.poll() is not None:
            pytest.fail(f"training ended early:\n{process.stdout.read()}")
        time.sleep(0.1)
    pytest.fail(f"no checkpoint in {run} within two minutes")


def states(run):
    """The folders of the saved states, the last one last."""
    return sorted((run / "training_state").glob("[0-9]*"))


def last_state(run):
    """The number of finished epochs, and all arrays but the one with the progress."""
    arrays = {}
    for file in states(run)[-1].iterdir():
        with np.load(file) as part:
            arrays.update(part)
    epochs = int(arrays.pop("0")[0])  # The seconds beside it differ from run to run.
    return epochs, arrays
