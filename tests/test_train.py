"""Training end to end, on the real digits."""

import csv
import errno
import itertools
import json
import os
import shutil
import signal

import keras
import numpy as np
import pytest
from PIL import Image
from training_processes import (
    WITHOUT_REPORT,
    finish,
    last_state,
    start,
    wait_for_a_checkpoint,
)

from iprnn_tf.data import DATASETS
from iprnn_tf.files import locked
from iprnn_tf.models import MODELS, load_model
from programs.commands import command, tensorboard
from trainers import train
from trainers.configuration.training_config import TrainingConfig
from trainers.fitting import callbacks, ingredients


def test_a_run_directory_tells_how_it_was_made_and_what_came_of_it(tiny_run):
    made = json.loads((tiny_run / "config.json").read_text())
    assert made["config"]["filters"] == 4
    assert made["config"]["seed"] == 0
    assert {"commit", "versions", "backend"} <= set(made)
    assert made["versions"]["keras"] == keras.__version__

    metrics = json.loads((tiny_run / "metrics.json").read_text())
    assert metrics["sequences"] == 200  # As asked.
    assert list(metrics["results"]) == ["IPRNN", "CopyLastFrame", "BlackFrames"]
    for row in metrics["results"].values():
        assert {"mse", "mae", "psnr", "ssim_skimage"} == set(row)
        assert all(len(result["per_lead_time"]) == 3 for result in row.values())
        assert row["mse"]["mean"] == pytest.approx(np.mean(row["mse"]["per_lead_time"]), rel=1e-4)

    with (tiny_run / "learning.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [int(row["step"]) for row in rows] == [2, 4]
    assert all(float(row[name]) > 0 for row in rows for name in ("seconds", "loss", "val_mse"))

    assert metrics["data"] == "mnist (canonical), first of 3,000 test sequences"
    assert (tiny_run / "error.png").exists()
    with Image.open(tiny_run / "predictions.gif") as animation:
        assert animation.n_frames == 6
    kinds = {path.parent.name for path in tiny_run.rglob("events.out.tfevents*")}
    assert kinds == {"train", "validation", "filmstrips"}


def test_the_checkpoint_loads_where_only_the_library_is_imported(tiny_run):
    code = "import iprnn_tf, keras, sys; print(keras.saving.load_model(sys.argv[1]).horizon)"
    status, output = finish([str(tiny_run / "model.keras")], ("-c", code))
    assert status == 0, output
    assert output.strip().splitlines()[-1] == "3"


@pytest.mark.slow
def test_a_finished_run_is_measured_again_but_not_trained(tiny_run, capsys):
    _, before = last_state(tiny_run)
    train.main([f"--resume={tiny_run}"])
    for name, array in last_state(tiny_run)[1].items():
        np.testing.assert_array_equal(before[name], array)
    output = capsys.readouterr().out
    assert "is trained already" in output
    assert output.strip().splitlines()[-5:] == [
        f"Results: {tiny_run} "
        "(model.keras, metrics.json, predictions.gif, error.png, learning.csv)",
        "Next:",
        f"  {tensorboard(tiny_run)}",
        f"  {command('trainers.evaluate', model=tiny_run)}",
        f"  {command('export.saved_model', model=tiny_run, output='serving/models/iprnn')}",
    ]
    train.main([f"--resume={tiny_run}", "--quiet"])
    assert capsys.readouterr() == (f"{tiny_run}\n", "")


def test_training_on_real_digits_beats_both_trivial_baselines(tmp_path):
    train.main(
        [
            "--dataset=mnist",
            "--config=small",
            "--filters=16",
            "--kernel_size=3",
            "--num_layers=1",
            "--encoder_filters=8,16",
            "--steps=100",
            "--steps_per_epoch=100",
            "--batch_size=2",
            "--validation_sequences=50",
            "--test_sequences=300",
            "--mixed_precision=float32",
            f"--output={tmp_path / 'run'}",
        ]
    )
    results = json.loads((tmp_path / "run" / "metrics.json").read_text())["results"]
    error = {name: row["mse"]["mean"] for name, row in results.items()}
    assert error["CopyLastFrame"] > 250
    assert 160 < error["BlackFrames"] < 180
    assert error["IPRNN"] < 0.9 * error["BlackFrames"]


@pytest.mark.parametrize(
    ("backend", "pretrained"),
    [
        ("tensorflow", False),
        pytest.param("tensorflow", True, marks=pytest.mark.slow),
        pytest.param("jax", True, marks=pytest.mark.slow),
    ],
)
def test_a_killed_run_resumes_to_the_same_weights(
    tiny_flags, tiny_run, tmp_path, backend, pretrained
):
    flags = [*tiny_flags, "--steps=12", "--steps_per_epoch=2", "--ema_momentum=0.9"]
    flags += [f"--init_from={tiny_run}"] if pretrained else []
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    quickly = ("-c", WITHOUT_REPORT)
    one_by_one = [*flags, "--steps_per_execution=1", f"--output={whole}"]
    assert finish(one_by_one, quickly, backend)[0] == 0

    two_by_two = [*flags, "--steps_per_execution=2", f"--output={killed}"]
    process = start(two_by_two, quickly, backend)
    wait_for_a_checkpoint(killed, process)
    process.send_signal(signal.SIGKILL)
    process.communicate()
    assert last_state(killed)[0] < 6

    status, output = finish([f"--resume={killed}"], quickly, backend)
    assert status == 0, output
    (_, expected), (_, found) = last_state(whole), last_state(killed)
    assert set(expected) == set(found)
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array, err_msg=name)
    best = [load_model(run).get_weights() for run in (whole, killed)]
    for ours, theirs in zip(*best, strict=True):
        np.testing.assert_array_equal(ours, theirs)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_says_how_to_go_on(tiny_flags, tmp_path, number):
    output = tmp_path / "run"
    flags = [*tiny_flags, "--steps=4000", "--steps_per_epoch=2", f"--output={output}"]
    process = start(flags)
    wait_for_a_checkpoint(output, process)
    process.send_signal(number)
    try:
        text, _ = process.communicate(timeout=30)  # As long as preemptible machines wait.
    finally:
        process.kill()
    kind = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}[number]
    assert process.returncode == 128 + number
    saved, _ = last_state(output)
    assert text.strip().splitlines()[-1] == (
        f"{kind}: Steps that are saved: {saved * 2:,} of 4,000. "
        f"Go on with: {command('trainers.train', resume=output)}"
    )


def test_max_minutes_fixes_the_number_of_steps(tiny_flags, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(train, "train", lambda config, run: None)
    monkeypatch.setattr(train, "report", lambda config, run, training: None)
    flags = [*tiny_flags, "--max_minutes=2", "--steps_per_execution=20"]
    train.main([*flags, f"--output={tmp_path / 'run'}"])
    config = json.loads((tmp_path / "run" / "config.json").read_text())["config"]
    assert config["steps"] > 20
    assert config["steps_per_execution"] == 20
    assert "steps for --max_minutes=2." in capsys.readouterr().out


@pytest.mark.slow
@pytest.mark.parametrize(
    "flags",
    [
        ["--mixed_precision=float16", "--optimizer=adam"],
        ["--mixed_precision=float16", "--optimizer=muon"],
        ["--mixed_precision=bfloat16", "--reverse_sampling"],
        ["--horizon=1", "--context_frames=2", "--normalization=standard"],
        ["--normalization=author", "--absolute_weight=1", "--warm_up_weight=0.5"],
        ["--normalization=group", "--use_bias", "--update_bias=1", "--ema_momentum=0.5"],
        ["--noskips", "--protocol=svg", "--num_digits=1", "--clip_norm=0", "--histograms"],
        ["--short_horizon=1", "--decay_span=0.5", "--ema_momentum=0.5", "--steps_per_epoch=1"],
        ["--model_type=patch_rnn", "--cell=st_lstm", "--patch_size=8", "--forget_bias=0"],
        ["--cell=fc_lstm", "--kernel_size=5", "--num_downsamplings=3"],
        ["--model_type=vpn", "--cell=conv_lstm", "--blocks=1,1", "--levels=4"],
        ["--xla", "--num_downsamplings=1", "--sampling_span=0", "--warmup_steps=0"],
    ],
    ids=lambda flags: " ".join(flags),
)
def test_every_option_trains(tiny_flags, tmp_path, monkeypatch, flags):
    monkeypatch.setattr(train, "report", lambda config, run, training: None)
    train.main([*tiny_flags, "--steps=2", *flags, f"--output={tmp_path / 'run'}"])
    assert (tmp_path / "run" / "model.keras").exists()


@pytest.mark.slow
def test_a_run_that_begins_with_a_short_horizon_resumes_in_either_part(
    tiny_flags, tmp_path, monkeypatch
):
    monkeypatch.setattr(train, "report", lambda config, run, training: None)
    # The end of the first part puts averaged weights into the model; the second needs the raw ones.
    flags = [*tiny_flags, "--steps=4", "--steps_per_epoch=1", "--short_horizon=1"]
    flags += ["--ema_momentum=0.5", "--short_batch_size=1"]
    whole = tmp_path / "whole"
    train.main([*flags, f"--output={whole}"])
    epochs, expected = last_state(whole)
    assert epochs == 4
    for cut in (1, 2, 3):
        run = tmp_path / f"cut{cut}"
        with monkeypatch.context() as patch:
            patch.setattr(callbacks.StopOnNonFiniteLoss, "on_epoch_begin", interrupt_before(cut))
            with pytest.raises(KeyboardInterrupt, match=f"saved: {cut} of 4"):
                train.main([*flags, f"--output={run}"])
        train.main([f"--resume={run}"])
        for name, array in last_state(run)[1].items():
            np.testing.assert_array_equal(expected[name], array)


def interrupt_before(cut):
    def on_epoch_begin(callback, epoch, logs=None):
        if epoch == cut:
            raise KeyboardInterrupt

    return on_epoch_begin


def test_a_loss_that_is_no_number_stops_the_run_and_spares_the_checkpoint(
    tiny_flags, tmp_path, monkeypatch
):
    monkeypatch.setattr(train, "report", lambda config, run, training: None)
    output = tmp_path / "run"
    flags = [*tiny_flags, "--steps=40", "--steps_per_epoch=10", "--learning_rate=10"]
    with pytest.raises(FloatingPointError, match=r"learning_rate") as caught:
        train.main([*flags, "--clip_norm=0", "--warmup_steps=0", f"--output={output}"])
    is_saved = any((output / "state").glob("[0-9]*"))
    assert ("checkpoint is intact" if is_saved else "no checkpoint yet") in str(caught.value)
    if (output / "model.keras").exists():
        assert all(np.isfinite(weight).all() for weight in load_model(output).get_weights())


def test_a_full_disk_leaves_the_last_checkpoint(tiny_flags, tmp_path, monkeypatch):
    output = tmp_path / "run"
    calls = itertools.count()
    synchronise = os.fsync

    def fail_later(descriptor):
        if next(calls) >= 3:  # The configuration and the first two checkpoints fit.
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        synchronise(descriptor)

    monkeypatch.setattr(os, "fsync", fail_later)
    with pytest.raises(OSError, match="No space left"):
        train.main([*tiny_flags, "--steps=6", "--steps_per_epoch=2", f"--output={output}"])
    monkeypatch.setattr(os, "fsync", synchronise)
    assert last_state(output)[0] == 1
    assert load_model(output).horizon == 3
    assert not [path for path in output.iterdir() if path.name.startswith(".")]


def test_a_damaged_state_is_not_resumed(tiny_run, tmp_path):
    copy = tmp_path / "copy"
    copy.mkdir()
    (copy / "config.json").write_bytes((tiny_run / "config.json").read_bytes())
    shutil.copytree(tiny_run / "training_state", copy / "training_state")
    for part in (copy / "training_state").rglob("*.npz"):
        part.write_bytes(part.read_bytes()[: part.stat().st_size // 2])
    with pytest.raises(ValueError, match=r"damaged or of another model"):
        train.main([f"--resume={copy}"])


def test_two_trainings_do_not_write_to_one_run_directory(tiny_run):
    with (
        locked(tiny_run / "training_state", "taken"),
        pytest.raises(ValueError, match=f"One training at a time.*Received: {tiny_run}, to which"),
    ):
        train.main([f"--resume={tiny_run}"])


WRONG_FLAGS = {
    "--dataset=imagenet": rf"--dataset: One of {', '.join(DATASETS)}\. Received: 'imagenet'",
    "--config=huge": "small",
    "--model_type=x": rf"--model_type: One of {', '.join(MODELS)}\. Received: 'x'",
    "--protocol=x": "--protocol: One of canonical, svg",
    "--num_digits=4": "--num_digits: From 1 to 3. Received: 4",
    "--context_frames=0": "--context_frames: From 1 to 1000",
    "--horizon=0": "--horizon: From 1 to 1000",
    "--cell=lstm": "--cell: One of stgru",
    "--filters=0": "--filters: From 1",
    "--kernel_size=-1": "--kernel_size: From 1",
    "--num_layers=0": "--num_layers: From 1",
    "--num_downsamplings=9": "--num_downsamplings: From 0 to 6",
    "--encoder_filters=1,2,3": "one number for each downsampling",
    "--encoder_filters=1,x": "positive integers with commas",
    "--normalization=batch": "--normalization: One of none, standard, group, author",
    "--update_bias=nan": "--update_bias: From -10 to 10",
    "--optimizer=sgd": "--optimizer: One of adam, muon",
    "--steps=0": "--steps: From 1",
    "--steps=many": "steps",
    "--batch_size=0": "--batch_size: From 1",
    "--learning_rate=-1": "--learning_rate: From 1e-09",
    "--warmup_steps=-1": "--warmup_steps: From 0",
    "--final_learning_rate=2": "--final_learning_rate: From 0.0 to 1.0",
    "--absolute_weight=-1": "--absolute_weight: From 0.0",
    "--warm_up_weight=-1": "--warm_up_weight: From 0.0",
    "--init_from=iprnn_imagenet": "A model is a run directory .*iprnn_small_moving_mnist",
    "--clip_norm=-1": "--clip_norm: From 0.0",
    "--ema_momentum=1": "--ema_momentum: From 0.0",
    "--sampling_span=2": "--sampling_span: From 0.0 to 1.0",
    "--mixed_precision=int8": "--mixed_precision: One of auto, float32",
    "--seed=-1": "--seed: From 0",
    "--steps_per_epoch=0": "--steps_per_epoch: From 1",
    "--validation_every=0": "--validation_every: From 1",
    "--validation_sequences=0": "--validation_sequences: From 1 to 1000",
    "--encoder_filters=": "one number for each downsampling",
    "--checkpoint_seconds=-1": "--checkpoint_seconds: From 0.0",
    "--max_minutes=0": "--max_minutes must be positive",
    "--resume=/nowhere": "A run directory is what trainers.train writes",
    "--learning_rat=1": "learning_rate",
    "train": "Settings are given as --name=value",
}


@pytest.mark.parametrize("flag", WRONG_FLAGS)
def test_a_wrong_flag_is_answered_with_its_rule(flag, tmp_path):
    with pytest.raises(ValueError, match=WRONG_FLAGS[flag]):
        train.main([flag] if "resume" in flag else [flag, f"--output={tmp_path / 'run'}"])
    assert not (tmp_path / "run").exists()


def test_flags_that_exclude_each_other_are_named(tiny_run, tmp_path):
    with pytest.raises(ValueError, match=r"--steps=3 --max_minutes=1.*Give one of them"):
        train.main(["--steps=3", "--max_minutes=1", f"--output={tmp_path / 'run'}"])
    with pytest.raises(ValueError, match=r"resumed run keeps its settings.*--filters"):
        train.main([f"--resume={tiny_run}", "--filters=8"])


def test_a_run_never_overwrites_another(tiny_run):
    before = (tiny_run / "config.json").read_bytes()
    with pytest.raises(ValueError, match=f"which exists.*--resume={tiny_run}"):
        train.main([f"--output={tiny_run}"])
    assert (tiny_run / "config.json").read_bytes() == before


def test_a_users_mistake_is_one_line_and_exit_status_2():
    status, output = finish(["--filters=0"])
    assert status == 2
    assert [line for line in output.splitlines() if line.startswith("error:")] == [
        "error: --filters: From 1 to 4096. Received: 0. Give such a value, or leave the flag out."
    ]
    assert "Traceback" not in output


@pytest.mark.parametrize(("seconds", "short"), [(100.0, 0.6), (4000.0, 2000 / 9_600)])
def test_the_steps_that_fit_know_how_long_each_stage_is(monkeypatch, seconds, short):
    monkeypatch.setattr(
        ingredients, "_timed", lambda stage: (0.0, 0.1 if stage.horizon == 2 else 0.5)
    )
    config = TrainingConfig(short_horizon=2, steps_per_epoch=10, validation_every=10**6)
    count = ingredients.steps_in(config, seconds)
    assert count * (0.1 * short + 0.5 * (1 - short)) == pytest.approx(seconds, rel=0.06)


def test_slow_steps_are_timed_for_some_seconds_and_not_for_all_of_the_time():
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(loss="mse")
    clock = ingredients.Clock(seconds=0.0, at_least=3)
    model.fit(np.ones((48, 1)), np.ones((48, 1)), batch_size=2, verbose=0, callbacks=[clock])
    assert len(clock.times) == 1 + 3
