"""Progress of training and measuring."""

import pytest

from programs.console import Console
from trainers.fitting import progress
from trainers.fitting.progress import TrainingProgress


@pytest.fixture(name="bars")
def _bars(monkeypatch):
    """The bars that are made, with a clock of their own."""
    made, console = [], Console()

    def kept(*arguments):
        made.append(console.progress(*arguments))
        return made[-1]

    monkeypatch.setattr(progress.console, "progress", kept)
    return made


def test_the_time_left_is_told_without_the_step_that_builds_the_graph(bars):
    callback = TrainingProgress(steps=10, done=4)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    [bar] = bars
    bar.start_t -= 60.0  # As if building had taken a minute.
    bar.last_print_t = bar.start_t
    callback.on_train_batch_end(0, {"loss": 1.0})
    assert bar.n == 5
    assert bar.format_dict["elapsed"] < 1.0
    callback.on_train_batch_end(1, {"loss": 1.0})
    callback.on_train_end()
    assert bar.n == 6


def test_steps_that_are_executed_at_once_are_all_counted(bars):
    callback = TrainingProgress(steps=20, done=4)
    callback.on_train_begin()
    for epoch, total in enumerate((10, 16)):
        callback.on_epoch_begin(epoch)
        callback.on_train_batch_end(3, {"loss": 1.0})
        callback.on_train_batch_end(5, {"loss": 1.0})
        assert bars[0].n == total
    callback.on_train_end()


def test_a_validation_is_a_line(bars, capsys):
    callback = TrainingProgress(steps=2)
    callback.on_train_begin()
    callback.on_epoch_begin(0)
    callback.on_train_batch_end(0, {"loss": 0.5})
    callback.on_epoch_end(0, {"loss": 0.5})
    callback.on_epoch_end(1, {"loss": 0.5, "val_mse": 12.345})
    callback.on_train_end()
    assert capsys.readouterr().out == "step 1: loss 0.5, validation MSE 12.35\n"
