"""A training that is killed again and again, and what remains of it.

SOAK_KILLS=40 python -m pytest -m slow tests/test_soak.py -s    # some ten minutes
"""

import os
import random
import shutil
import signal
import subprocess

import numpy as np
import pytest
from training_processes import WITHOUT_REPORT, finish, last_state, start, states

KILLS = int(os.environ.get("SOAK_KILLS", "6"))
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
QUICKLY = ("-c", WITHOUT_REPORT)


def killed(arguments, number, seconds):
    """Starts a training, sends it a signal after some seconds, and returns what it said."""
    process = start(arguments, QUICKLY)
    try:
        output, _ = process.communicate(timeout=seconds)
    except subprocess.TimeoutExpired:
        process.send_signal(number)
        output, _ = process.communicate(timeout=30)
    assert process.returncode in (0, -number, 128 + number), output
    return output


def newest(run):
    """The epochs that the newest state is after."""
    return int(states(run)[-1].name) if states(run) else 0


def damaged(run, chance):
    """Cuts the newest of two states at some tenth of its length; the other one remains."""
    older, last = states(run)
    [file] = last.iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: chance.randrange(10) * len(content) // 10])
    return int(older.name)


def moved(run, number):
    """Moves a run directory, as between disks."""
    elsewhere = run.with_name(f"moved_{number}")
    shutil.move(run, elsewhere)
    return elsewhere


@pytest.mark.slow
def test_a_run_that_is_killed_again_and_again_comes_to_the_same_weights(tiny_flags, tmp_path):
    steps = 40 * KILLS
    flags = [*tiny_flags, f"--steps={steps}", "--steps_per_epoch=4", "--ema_momentum=0.9"]
    flags += [f"--validation_every={steps}"]
    whole, run, chance = tmp_path / "whole", tmp_path / "run", random.Random(0)
    assert finish([*flags, f"--output={whole}"], QUICKLY)[0] == 0

    told, good = {"kills": 0, "damaged": 0, "moved": 0}, 0
    while told["kills"] < KILLS:
        begun = (run / "config.json").exists()
        output = killed(
            [f"--resume={run}"] if begun else [*flags, f"--output={run}"],
            chance.choice(SIGNALS),
            chance.uniform(5, 13),
        )
        if "is trained already" in output:
            break
        told["kills"] += 1
        assert newest(run) >= good, output
        good = newest(run)
        if chance.random() < 0.5 and len(states(run)) == 2:
            told["damaged"] += 1
            good = damaged(run, chance)
        if chance.random() < 0.3 and begun:
            told["moved"] += 1
            run = moved(run, told["moved"])
    print(f"\n{told}, at epoch {good} of {steps // 4}")

    status, output = finish([f"--resume={run}"], QUICKLY)
    assert status == 0, output
    (_, expected), (_, found) = last_state(whole), last_state(run)
    assert set(found) == set(expected)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
