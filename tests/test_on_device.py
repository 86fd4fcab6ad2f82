"""Training on the device alone: Keras on JAX, and no TensorFlow."""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import jax
import keras
import numpy as np
import pytest
from keras import ops

from iprnn_tf.cells import CELLS
from iprnn_tf.models import load_model
from trainers import train
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting import on_device
from trainers.fitting.ingredients import compiled_model
from trainers.fitting.pace import Pace

pytestmark = pytest.mark.skipif(keras.backend.backend() != "jax", reason="It needs JAX.")

ROOT = Path(__file__).parent.parent
WITHOUT_TENSORFLOW = """
import sys
sys.modules["tensorflow"] = None  # As where it isn't installed: importing it fails.
from programs import command_line
from trainers import train
from trainers.fitting import on_device
{change}
command_line.run(train.main)
"""
# What climbs from one cell to the next takes two of them; so does a highway.
LAYERS = {"st_lstm": 2, "causal_lstm": 2, "e3d_lstm": 2}
LEARNERS = {
    **{
        memory: [
            f"--cell={memory}",
            f"--num_layers={LAYERS.get(memory, 1)}",
            "--num_downsamplings=3",
        ]
        for memory in CELLS
    },
    "patch_rnn": ["--model_type=patch_rnn", "--cell=st_lstm", "--num_layers=2", "--patch_size=8"],
    "crevnet": [
        "--model_type=crevnet",
        "--cell=rpm",
        "--clips",
        "--filters=64",
        "--blocks=1,1",
        "--patch_size=4",
    ],
    "folded_rnn": ["--model_type=folded_rnn", "--cell=bijective_gru", "--num_downsamplings=3"],
    "vpn": ["--model_type=vpn", "--cell=conv_lstm", "--blocks=1,1", "--levels=4"],
}
LEARNERS["fc_lstm"] += ["--kernel_size=5"]  # The usual: it has none.
INTERRUPTED_IN_ITS_SECOND_EPOCH = """
run = on_device.DeviceTraining.run_epoch
def interrupted(training, progress, pace, epoch):
    if epoch == 1:
        raise KeyboardInterrupt
    return run(training, progress, pace, epoch)
on_device.DeviceTraining.run_epoch = interrupted
"""


def start(arguments, cache, change="", status=0):
    environment = {
        "JAX_COMPILATION_CACHE_DIR": str(cache),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "PYTHONPATH": str(ROOT),
    }
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT_TENSORFLOW.format(change=change), *arguments],
        cwd=ROOT,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == status, done.stderr
    return done.stdout


def state(run):
    """All that the last state holds, but how long it took."""
    folder = max((run / "training_state").glob("[0-9]*"))
    with np.load(folder / "000.npz") as arrays:
        return {name: arrays[name] for name in arrays if name != "0"}


@pytest.fixture(scope="module", name="flags")
def _flags(tiny_flags):
    return [*tiny_flags, "--on_device", "--steps_per_epoch=2"]


@pytest.fixture(scope="module", name="first")
def _first(flags, tmp_path_factory):
    """A run without TensorFlow; where its programs are kept, and what it said."""
    folder = tmp_path_factory.mktemp("device")
    run, cache = folder / "run", folder / "compiled"
    said = start([*flags, "--steps=4", f"--output={run}"], cache)
    return run, cache, said


def test_a_run_without_tensorflow_leaves_what_other_programs_take(first):
    run, _, said = first
    assert json.loads((run / "config.json").read_text())["config"]["on_device"]
    assert load_model(run).horizon == 3
    with (run / "learning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 4]
    assert all(float(row["val_mse"]) > 0 for row in rows)
    assert json.loads((run / "speed.json").read_text())["sequences_per_second"] > 0
    assert f"trainers.train --resume={run}" in said  # Where TensorFlow can draw the test split.


def test_a_second_start_compiles_nothing_again(first, flags, tmp_path):
    _, cache, _ = first
    compiled = {file.name for file in cache.glob("*-cache")}
    assert compiled
    start([*flags, "--steps=8", "--seed=1", f"--output={tmp_path / 'run'}"], cache)
    assert {file.name for file in cache.glob("*-cache")} == compiled


@pytest.mark.slow
def test_a_run_that_was_cut_comes_to_the_same_end(first, flags, tmp_path):
    whole, cache, _ = first
    run = tmp_path / "run"
    arguments = [*flags, "--steps=4", f"--output={run}"]
    start(arguments, cache, INTERRUPTED_IN_ITS_SECOND_EPOCH, status=130)
    assert state(run).keys() == state(whole).keys()
    start([f"--resume={run}"], cache)
    for name, array in state(whole).items():
        np.testing.assert_array_equal(state(run)[name], array)


@pytest.mark.parametrize("precision", ["float32", pytest.param("float16", marks=pytest.mark.slow)])
def test_the_steps_of_an_epoch_are_those_of_keras(precision):
    config = TrainingConfig(
        filters=3,
        kernel_size=3,
        num_layers=1,
        encoder_filters=[2, 3],
        context_frames=3,
        horizon=3,
        batch_size=2,
        steps=3,
        steps_per_epoch=3,
        warmup_steps=0,
        ema_momentum=0.5,
        reverse_sampling=True,
        validation_sequences=2,
        mixed_precision=precision,
        on_device=True,
    )
    model, expected = compiled_model(config), compiled_model(config)
    training, pace = on_device.DeviceTraining(model, config), Pace(config)
    data, windows, moments = config.build_dataset(), config.build_windows(), pace.moments(0)
    digits, losses = jax.numpy.asarray(data.material("train")), []
    for step in range(3):
        of_frames, *of_choices = jax.random.split(
            jax.random.fold_in(jax.random.key(config.seed), step), 3
        )
        keys = dict(zip(("use_teacher", "use_context"), of_choices, strict=True))
        frames = np.asarray(data.draw_on_device(digits, of_frames, 2)) / np.float32(255)
        inputs, targets = windows.split(
            frames,
            lambda name, fed, keys=keys, step=step: np.asarray(
                jax.random.uniform(keys[name], fed.shape[:2]) < moments[name][step]
            ),
        )
        expected.optimizer.learning_rate = moments["rate"][step]
        expected.reset_metrics()
        losses.append(float(expected.train_on_batch(inputs, targets, return_dict=True)["loss"]))
    assert training.run_epoch(0.0, pace, 0) == pytest.approx(np.mean(losses), rel=1e-3)
    own = [*model.trainable_variables, *model.optimizer.variables]
    theirs = [*expected.trainable_variables, *expected.optimizer.variables]
    for one, other in zip(own, theirs, strict=True):
        np.testing.assert_allclose(one.numpy(), other.numpy(), rtol=1e-3, atol=1e-4)
    if precision == "float32":  # The first steps in the other find the scale of the loss.
        for variable, untrained in zip(own, config.build_model().trainable_variables, strict=False):
            assert not (variable.numpy() == untrained.numpy()).all()


def interrupted_in_its_second_epoch(run_epoch):
    def run(training, progress, pace, epoch):
        if epoch == 1:
            raise KeyboardInterrupt
        return run_epoch(training, progress, pace, epoch)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
@pytest.mark.parametrize("learner", LEARNERS)
def test_every_memory_and_model_learns_and_goes_on_where_it_was_cut(
    flags, tmp_path, monkeypatch, learner, precision
):
    monkeypatch.setattr(train, "report", lambda config, run, training: None)
    flags = [*flags, "--context_frames=2", "--horizon=2", "--steps=4", *LEARNERS[learner]]
    flags += [f"--mixed_precision={precision}"]
    whole, cut = tmp_path / "whole", tmp_path / "cut"
    train.main([*flags, f"--output={whole}"])
    with monkeypatch.context() as patch:
        run_epoch = on_device.DeviceTraining.run_epoch
        interrupted = interrupted_in_its_second_epoch(run_epoch)
        patch.setattr(on_device.DeviceTraining, "run_epoch", interrupted)
        with pytest.raises(KeyboardInterrupt, match="saved: 2 of 4"):
            train.main([*flags, f"--output={cut}"])
    train.main([f"--resume={cut}"])
    assert state(cut).keys() == state(whole).keys()
    for name, array in state(whole).items():
        np.testing.assert_array_equal(state(cut)[name], array)
    untrained = RunDirectory(whole).read_config().build_model().trainable_variables
    for variable, before in zip(load_model(whole).trainable_variables, untrained, strict=True):
        after = ops.convert_to_numpy(variable)
        assert np.isfinite(after).all(), variable.path
        assert (after != ops.convert_to_numpy(before)).any(), variable.path


@pytest.mark.slow
def test_all_ways_to_learn_run_on_the_device_by_the_clock(flags, tmp_path, capsys):
    run = tmp_path / "run"
    flags = [flag for flag in flags if "mixed_precision" not in flag]
    schedule = ["--short_horizon=1", "--decay_span=0.3", "--reverse_sampling", "--ema_momentum=0.9"]
    precision = "--mixed_precision=float16"
    train.main([*flags, *schedule, precision, "--max_minutes=1", f"--output={run}"])
    metrics = json.loads((run / "metrics.json").read_text())  # Here TensorFlow is at hand.
    assert metrics["training"]["seconds"] < 60
    assert metrics["training"]["steps"] > 2
    assert metrics["results"]["IPRNN"]["mse"]["mean"] > 0
    config = json.loads((run / "config.json").read_text())["config"]
    assert config["minutes"] == 1
    assert 0 < config["setup_minutes"] < 1
    train.main([f"--resume={run}"])
    assert "is trained already" in capsys.readouterr().out
