"""The picture of learning curves: what it draws of run directories, and what it refuses."""

import pytest

from trainers import learning
from trainers.configuration.run_directory import RunDirectory
from trainers.configuration.training_config import TrainingConfig
from trainers.measuring.operations import training_operations

NET = {"filters": 4, "num_layers": 1, "encoder_filters": [4, 4], "mixed_precision": "float32"}
HEADING = "epoch,step,seconds,loss,val_mse"


@pytest.fixture(name="make_run")
def _make_run(tmp_path):
    """Writes the run directory of a run that never was."""

    def make(name, lines, **settings):
        path = tmp_path / name
        path.mkdir()
        RunDirectory(path).create(TrainingConfig(**NET, **settings))
        (path / "learning.csv").write_text("\n".join([HEADING, *lines, ""]))
        return path

    return make


@pytest.fixture(name="drawn")
def _drawn(monkeypatch):
    """The curves that are drawn."""
    curves = {}
    draw = learning.learning_curve
    monkeypatch.setattr(learning, "learning_curve", lambda c, *_: curves.update(c) or draw(c))
    return curves


def test_validations_are_drawn_over_the_operations_that_they_took(make_run, drawn, tmp_path):
    growing = {"short_horizon": 2, "short_span": 0.5, "short_batch_size": 3, "batch_size": 5}
    lengths = {"steps": 40, "steps_per_epoch": 10}
    lines = ["1,10,2.00,90,", "2,20,4.00,80,", "3,30,9.00,70,140", "4,40,14.00,60,120"]
    run = make_run("run", lines, **growing, **lengths)
    learning.main([f"--runs={run}", f"--output={tmp_path / 'curve.png'}"])
    config = TrainingConfig(**NET)
    of_ten = training_operations(config.build_model(), config)  # On 10 + 10 - 1 outputs.
    of_two = of_ten * 11 / 19
    first = 20 * 3 * of_two
    expected = [first + 10 * 5 * of_ten, first + 20 * 5 * of_ten]
    assert [x for x, _ in drawn["run"]] == pytest.approx([x / 1e15 for x in expected])
    assert [y for _, y in drawn["run"]] == [140, 120]


def test_a_repeated_epoch_counts_once(make_run, drawn, tmp_path):
    lines = ["1,50,9,90,150", "2,100,18,80,999", "2,100,17,80,130"]
    run = make_run("run", lines)
    learning.main([f"--runs={run}", f"--output={tmp_path / 'curve.png'}"])
    assert [y for _, y in drawn["run"]] == [150, 130]


def test_the_end_tells_what_each_took_and_where_the_best_is(make_run, tmp_path, capsys):
    old = make_run("old", ["16,800,90.5,80,150", "32,1600,181.0,80,130"])
    new = make_run("new", ["16,800,80.5,80,120", "32,1600,161.2,80,125"])
    output = tmp_path / "curves.png"
    learning.main([f"--runs={old},{new}", "--labels=before,since", f"--output={output}"])
    shown = capsys.readouterr().out
    rows = [line.split() for line in shown.splitlines()]
    assert ["before", "1,600", "0.00", "181", "130.00"] in rows
    assert ["since", "1,600", "0.00", "161", "120.00"] in rows
    assert f"--model={new}" in shown
    assert output.read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("lines", "settings", "message"),
    [
        (["1,50,9,90,"], {}, "has been validated.*Let the run go on, by --resume"),
        (["1,50,9,90,150"], {"minutes": 5.0}, "went by the clock for 5 minutes"),
        (["1,50,9,90,150"], {"horizon": 5}, "--horizon of 10 and 5. Draw these runs apart"),
        (["1,50,9,90,150"], {"validation_sequences": 9}, "--validation_sequences of 200 and 9"),
        (["1,50,9,90,150"], {"protocol": "svg"}, "--protocol of canonical and svg"),
    ],
)
def test_what_cannot_be_compared_is_refused(make_run, tmp_path, lines, settings, message):
    usual = make_run("usual", ["1,50,9,90,150"])
    other = make_run("other", lines, **settings)
    output = tmp_path / "curves.png"
    with pytest.raises(ValueError, match=message):
        learning.main([f"--runs={usual},{other}", f"--output={output}"])
    assert not output.exists()


def test_a_run_of_an_older_version_is_refused(make_run, tmp_path):
    run = make_run("run", [])
    (run / "learning.csv").unlink()
    with pytest.raises(ValueError, match="has been validated"):
        learning.main([f"--runs={run}", f"--output={tmp_path / 'curves.png'}"])


def test_another_table_is_refused(make_run, tmp_path):
    run = make_run("run", [])
    (run / "learning.csv").write_text("step,loss\n1,2\n")
    with pytest.raises(ValueError, match=r"has the columns epoch, .*learning.csv with step, loss"):
        learning.main([f"--runs={run}", f"--output={tmp_path / 'curves.png'}"])


@pytest.mark.parametrize("flags", [[], ["--runs={0},{0}"], ["--runs={0}", "--labels=a,b"]])
def test_each_run_has_a_name_of_its_own(make_run, tmp_path, flags):
    run = make_run("run", ["1,50,9,90,150"])
    flags = [flag.format(run) for flag in flags]
    with pytest.raises(ValueError, match="Give one label for each"):
        learning.main([*flags, f"--output={tmp_path / 'curves.png'}"])
