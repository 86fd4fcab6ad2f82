"""The comparison of memories: what it trains, goes on with, writes and refuses."""

import csv
import dataclasses
import json

import numpy as np
import pytest

from iprnn_tf.cells import CELLS
from trainers import compare
from trainers.configuration.recipes import CONFIGS
from trainers.configuration.run_directory import RunDirectory
from trainers.fitting import cost
from trainers.fitting.ingredients import TooLittleTimeError
from trainers.measuring import comparison
from trainers.measuring.comparison import Comparison, Memory, reported

COSTS = {"step_seconds": 0.5, "frame_seconds": 0.002, "peak_bytes": 3e8}


@pytest.fixture(name="tiny", autouse=True)
def _tiny(monkeypatch):
    """A `small` of seconds."""
    settings = {
        "filters": 4,
        "kernel_size": 3,
        "num_layers": 1,
        "encoder_filters": [2, 2],
        "context_frames": 2,
        "horizon": 2,
        "short_horizon": 0,
        "validation_sequences": 4,
        "test_sequences": 8,
        "mixed_precision": "float32",
    }
    monkeypatch.setitem(CONFIGS, "small", dataclasses.replace(CONFIGS["small"], **settings))


@pytest.fixture(name="trained")
def _trained(monkeypatch):
    """The memories that are trained."""
    names = []
    train = compare.train
    monkeypatch.setattr(
        compare, "train", lambda config, run: names.append(config.cell) or train(config, run)
    )
    return names


@pytest.mark.slow
def test_memories_are_trained_alike_and_set_side_by_side(trained, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(cost, "measured_apart", lambda config, *_: COSTS)
    flags = ["--memories=stgru,st_lstm", "--steps=2", f"--output={tmp_path / 'out'}"]
    compare.main(flags)
    assert trained == ["stgru", "st_lstm"]
    shown = capsys.readouterr().out
    assert "against stgru" in shown
    rows = list(csv.DictReader((tmp_path / "out" / "comparison.csv").read_text().splitlines()))
    assert [row["memory"] for row in rows] == trained
    assert [float(row["fifty_steps_seconds"]) for row in rows] == [25.0, 25.0]
    assert [row["reported_as"] for row in rows] == ["IPRNN", "PredRNN"]
    assert all(float(row["mse"]) > 0 for row in rows)
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {"comparison.md", "comparison.json", "stgru", "st_lstm"} < written
    assert {"learning.png", "error.png", "cost.png", "predictions.png"} < written
    configs = [
        json.loads((tmp_path / "out" / name / "config.json").read_text())["config"]
        for name in trained
    ]
    different = {key for key in configs[0] if configs[0][key] != configs[1][key]}
    assert different == {"cell"}

    compare.main(flags)  # All is there.
    assert trained == ["stgru", "st_lstm"]
    with pytest.raises(ValueError, match="goes on with the settings it began with"):
        compare.main([*flags, "--seed=1"])
    with pytest.raises(ValueError, match="kind and length of training"):
        compare.main([*flags, "--steps=3"])


def test_costs_alone_train_nothing(trained, tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(
        cost, "measured_apart", lambda config, *n: asked.append((config, n)) or COSTS
    )
    compare.main(["--notrain", f"--output={tmp_path / 'out'}"])
    assert trained == []
    assert [config.cell for config, _ in asked[::2]] == list(CELLS)
    assert {n for _, n in asked} == {(16, cost.STEPS), (1, 1)}
    table = (tmp_path / "out" / "comparison.md").read_text()
    assert all(f"| {name} |" in table for name in CELLS)
    assert not (tmp_path / "out" / "learning.png").exists()

    asked.clear()
    flags = ["--notrain", "--memories=stgru,rpm", f"--output={tmp_path / 'out'}"]
    compare.main(flags)
    assert asked == []  # All is measured.

    file = tmp_path / "out" / "rpm.cost.json"
    kept = json.loads(file.read_text())
    del kept["settings"]["clips"]  # As before there was such a setting.
    file.write_text(json.dumps(kept))
    compare.main(flags)
    assert asked == []
    file.write_text(json.dumps({**kept, "settings": {**kept["settings"], "machine": "another"}}))
    compare.main(flags)
    assert [config.cell for config, _ in asked] == ["rpm", "rpm"]
    asked.clear()
    compare.main([*flags, "--filters=6"])
    assert [config.filters for config, _ in asked] == [6] * 4


def test_systems_as_published_have_their_own_architecture_and_width(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(cost, "measured_apart", lambda config, *n: asked.append(config) or COSTS)
    flags = ["--kind=as_published", "--notrain", f"--output={tmp_path / 'out'}"]
    compare.main(flags)
    kinds = [(config.model_type, config.cell, config.filters) for config in asked[::2]]
    assert kinds == [
        ("iprnn", "stgru", 64),
        ("patch_rnn", "conv_lstm", 128),
        ("patch_rnn", "st_lstm", 128),
        ("patch_rnn", "causal_lstm", 128),
        ("patch_rnn", "e3d_lstm", 64),
        ("crevnet", "rpm", 64),
        ("folded_rnn", "bijective_gru", 256),
    ]
    rows = json.loads((tmp_path / "out" / "comparison.json").read_text())["rows"]
    assert [row["reported_as"] for row in rows] == [
        "IPRNN",
        "ConvLSTM",
        "PredRNN",
        "PredRNN++",
        "E3D-LSTM",
        "CrevNet",
        "FRNN",
    ]
    only = ["--memories=vpn", "--filters=4", f"--output={tmp_path / 'vpn'}"]
    compare.main([*flags[:2], *only])
    [row] = json.loads((tmp_path / "vpn" / "comparison.json").read_text())["rows"]
    assert row["reported_as"] == "VPN"
    with pytest.raises(
        ValueError, match=r"Received: kind memory_swap, and .* has kind as_published"
    ):
        compare.main(flags[1:])


def test_a_run_that_was_trained_otherwise_is_not_set_beside_others(tmp_path, trained, monkeypatch):
    monkeypatch.setattr(cost, "measured_apart", lambda config, *_: COSTS)
    flags = ["--kind=as_published", "--memories=predrnn", f"--output={tmp_path / 'out'}"]
    config = dataclasses.replace(CONFIGS["small"], **compare.SYSTEMS["predrnn"])
    folder = tmp_path / "out" / "predrnn"
    folder.mkdir(parents=True)
    RunDirectory(folder).create(dataclasses.replace(config, filters=7))
    with pytest.raises(ValueError, match=r"filters=128, and .*predrnn was trained with filters=7"):
        compare.main(flags)
    assert trained == []


@pytest.mark.slow
def test_what_a_memory_costs_is_measured_in_a_process_of_its_own():
    costs = cost.measured_apart(CONFIGS["small"], 2, 1)
    assert set(costs) == set(COSTS)
    assert all(value > 0 for value in costs.values())


def test_every_system_of_the_papers_table_is_compared_by_its_memory_or_itself():
    assert set(comparison.REPORTED) <= set(CELLS) | set(compare.ON_REQUEST)
    assert reported("e3d_lstm") == {
        "reported_as": "E3D-LSTM",
        "reported_mse": 41.3,
        "reported_ssim": 0.910,
        "reported_seconds": 67,
        "reported_megabytes": 2695,
    }
    assert reported("conv_gru") == {}


def test_ratios_are_to_the_first_and_what_was_not_measured_is_left_blank():
    first = Memory("a", {"memory": "a", "weights": 200, "frame_ms": 2.0})
    first.row["peak_megabytes"] = 0.0  # Where none is told.
    second = Memory("b", {"memory": "b", "weights": 100, "frame_ms": 5.0, "mse": 80.25})
    table = Comparison({}, [first, second])
    assert table.ratios() == [
        ["against a", "weights", "ms/frame"],
        ["a", "1.00", "1.00"],
        ["b", "0.50", "2.50"],
    ]
    assert table.cells()[1:] == [["a", "200", "2.0", "0", ""], ["b", "100", "5.0", "", "80.2"]]


def test_a_table_without_pictures_draws_none(tmp_path):
    Comparison({}, [Memory("a", {"memory": "a", "weights": 1})]).write(tmp_path)
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"comparison.csv", "comparison.json", "comparison.md"}


def test_every_memory_that_was_trained_has_a_row_of_frames(tmp_path, monkeypatch):
    drawn = []
    monkeypatch.setattr(comparison, "comparison_strip", lambda *frames: drawn.append(frames))
    monkeypatch.setattr(comparison, "save_png", lambda path, picture: None)
    frames = np.zeros((3, 8, 8, 1))
    memory = Memory("a", {"memory": "a", "weights": 1, "mse": 1.0}, [(1, 2)], [1.0], frames)
    Comparison({}, [memory], (frames, frames)).write(tmp_path)
    [(_, _, futures)] = drawn
    assert list(futures) == ["a"]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--memories=stgru,rpm", "--filters=5"], "halves the channels"),
        (["--memories=stgru,unheard"], "--memories of --kind=memory_swap are all, or among"),
        (["--kind=as_published", "--memories=st_lstm"], "or among iprnn, conv_lstm, predrnn"),
        (["--max_minutes=1", "--steps=4"], "both fix the length"),
    ],
)
def test_what_cannot_be_compared_is_refused(tmp_path, flags, message):
    with pytest.raises(ValueError, match=message):
        compare.main([*flags, f"--output={tmp_path / 'out'}"])
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    "error",
    [FloatingPointError("The loss is no number."), TooLittleTimeError("A step takes 9 s.")],
    ids=lambda error: type(error).__name__,
)
def test_a_memory_that_cannot_be_trained_spares_the_others(tmp_path, monkeypatch, capsys, error):
    def train(memory, *_):
        if memory.name == "stgru":
            raise error
        memory.row["mse"] = 90.0

    monkeypatch.setattr(compare, "_train", train)
    flags = ["--memories=stgru,conv_gru", "--steps=2", "--nocosts"]
    compare.main([*flags, f"--output={tmp_path / 'out'}"])
    rows = json.loads((tmp_path / "out" / "comparison.json").read_text())["rows"]
    assert ["mse" in row for row in rows] == [False, True]
    told = capsys.readouterr().out
    assert f"stgru has no errors in the table: {error}" in told
    assert "--model=" + str(tmp_path / "out" / "conv_gru") in told
    with pytest.raises(ValueError, match=r"could be trained. Received: --memories=stgru"):
        compare.main(["--memories=stgru", "--steps=2", "--nocosts", f"--output={tmp_path / 'o'}"])


def test_a_system_whose_width_follows_from_the_frames_keeps_it(tmp_path, monkeypatch):
    asked = []
    monkeypatch.setattr(cost, "measured_apart", lambda config, *n: asked.append(config) or COSTS)
    flags = ["--kind=as_published", "--memories=crevnet,conv_lstm", "--filters=8", "--notrain"]
    compare.main([*flags, f"--output={tmp_path / 'out'}"])
    assert [config.filters for config in asked[::2]] == [64, 8]


def test_what_was_measured_before_an_interruption_is_written(tmp_path, monkeypatch):
    def train(memory, *_):
        if memory.name == "conv_gru":
            raise KeyboardInterrupt
        memory.row["mse"] = 90.0

    monkeypatch.setattr(compare, "_train", train)
    flags = ["--memories=stgru,conv_gru", "--steps=2", "--nocosts"]
    with pytest.raises(
        KeyboardInterrupt, match=r"Go on with: .*trainers\.compare --memories=stgru"
    ):
        compare.main([*flags, f"--output={tmp_path / 'out'}"])
    assert "90.0" in (tmp_path / "out" / "comparison.md").read_text()
