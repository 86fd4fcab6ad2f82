"""What the callbacks keep, and what they leave alone."""

import shutil

import keras
import numpy as np
import pytest

from trainers.fitting import callbacks
from trainers.fitting.callbacks import (
    BestModel,
    StopOnNonFiniteLoss,
    TrainingState,
    averaged_weights,
)


@pytest.fixture(name="model")
def _model():
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(0.1, use_ema=True, ema_momentum=0.5), "mse")
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
    model.train_on_batch(np.ones((4, 2)), np.ones((4, 1)))
    return model


def test_averaged_weights_are_only_borrowed(model):
    raw = model.get_weights()
    with averaged_weights(model):
        inside = model.get_weights()
    for before, averaged, after in zip(raw, inside, model.get_weights(), strict=True):
        assert (before != averaged).any()
        np.testing.assert_array_equal(before, after)


def test_the_best_model_is_the_averaged_one_of_the_best_validation(model, tmp_path):
    best = BestModel(tmp_path / "model.keras")
    best.set_model(model)
    raw = model.get_weights()
    for error in (3.0, 2.0, 4.0):
        model.layers[0].bias.assign([error])
        model.optimizer.finalize_variable_values([])  # The average stays what it was.
        best.on_epoch_begin(int(error))
        best.on_test_begin()
        inside = model.get_weights()
        best.on_test_end({"mse": error})
        assert float(model.layers[0].bias.numpy()[0]) == error
    assert (best.best, best.best_epoch) == (2.0, 3)
    kept = keras.saving.load_model(tmp_path / "model.keras").get_weights()
    np.testing.assert_array_equal(kept[0], inside[0])
    assert (kept[0] != raw[0]).any()


def test_the_state_restores_weights_optimizer_and_best(model, tmp_path):
    best = BestModel(tmp_path / "model.keras")
    best.best, best.best_epoch = 1.5, 4
    state = TrainingState(tmp_path / "states", best, seconds=0)
    state.keep(model, 7)
    state.save()
    expected = [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]

    model.train_on_batch(np.ones((4, 2)), np.zeros((4, 1)))
    best.best, best.best_epoch = 0.0, 7
    assert state.restore(model) == 7
    assert (best.best, best.best_epoch) == (1.5, 4)
    found = [variable.numpy() for variable in [*model.variables, *model.optimizer.variables]]
    for before, after in zip(expected, found, strict=True):
        np.testing.assert_array_equal(before, after)


def test_a_run_without_a_state_starts_from_the_beginning(model, tmp_path):
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
    assert state.restore(model) == 0


def test_the_state_of_another_model_is_refused(model, tmp_path):
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
    state.keep(model, 1)
    state.save()
    other = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
    other.compile("sgd", "mse")
    with pytest.raises(ValueError, match="of another model"):
        state.restore(other)


def test_the_state_is_saved_as_often_as_asked_and_at_the_end(model, tmp_path):
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=1e6)
    state.set_model(model)
    saved = []
    for epoch in range(3):
        state.on_epoch_end(epoch)
        saved.append([path.name for path in (tmp_path / "states").iterdir()])
    assert saved == [["00000001"], ["00000001"], ["00000001"]]
    state.on_train_end()
    assert names(tmp_path / "states") == ["00000001", "00000003"]
    state.keep(model, 4)
    state.save()
    assert names(tmp_path / "states") == ["00000003", "00000004"]


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def two_states(model, folder):
    state = TrainingState(folder, BestModel(folder / "model.keras"), seconds=0)
    for epochs in (5, 6):
        state.keep(model, epochs)
        state.save()
        model.train_on_batch(np.ones((4, 2)), np.zeros((4, 1)))
    return state


@pytest.mark.parametrize("tenths", range(10))
def test_a_damaged_state_gives_way_to_the_one_before_it(model, tmp_path, capsys, tenths):
    folder, before = tmp_path / "states", [np.array(weight) for weight in model.get_weights()]
    state = two_states(model, folder)
    [file] = (folder / "00000006").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[: tenths * len(content) // 10])
    assert state.restore(model) == 5
    for expected, found in zip(before, model.get_weights(), strict=True):
        np.testing.assert_array_equal(found, expected)
    told = f"{folder / '00000006'} is damaged. Going on from the state before it, {folder}"
    assert told in capsys.readouterr().out
    state.keep(model, 6)  # The same name again.
    state.save()
    assert names(folder) == ["00000005", "00000006"]
    assert state.restore(model) == 6


@pytest.mark.parametrize("damage", ["a bit", "a file"])
def test_a_state_that_lacks_a_file_or_has_another_bit_is_damaged(model, tmp_path, damage):
    folder = tmp_path / "states"
    state = two_states(model, folder)
    [file] = (folder / "00000006").iterdir()
    content = bytearray(file.read_bytes())
    content[content.index(b"NUMPY") + 150] ^= 1  # Of an array's values, behind their header.
    file.write_bytes(content)
    if damage == "a file":
        file.unlink()
    assert state.restore(model) == 5


def test_states_that_are_all_damaged_are_refused(model, tmp_path):
    state = two_states(model, tmp_path / "states")
    for file in (tmp_path / "states").rglob("*.npz"):
        file.write_bytes(b"")
    with pytest.raises(ValueError, match="00000006, which is damaged or of another model"):
        state.restore(model)
    assert names(tmp_path / "states") == ["00000005", "00000006"]


def test_the_last_epoch_is_saved_where_training_is_interrupted(model, tmp_path):
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=1e6)
    assert state.save() == 0
    state.set_model(model)
    state.on_epoch_end(0)
    state.on_epoch_end(1)
    expected = [np.array(weight) for weight in model.get_weights()]
    model.train_on_batch(np.ones((4, 2)), np.zeros((4, 1)))  # Of the next epoch.
    assert state.save() == 2
    assert state.restore(model) == 2
    for before, after in zip(expected, model.get_weights(), strict=True):
        np.testing.assert_array_equal(before, after)


def test_an_interruption_while_the_older_state_goes_harms_nothing(model, tmp_path, monkeypatch):
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
    for epochs in (1, 2):
        state.keep(model, epochs)
        state.save()
    remove = shutil.rmtree

    def interrupt(path, ignore_errors):
        if path.name == "00000001":
            raise KeyboardInterrupt
        remove(path, ignore_errors=ignore_errors)

    monkeypatch.setattr(callbacks.shutil, "rmtree", interrupt)
    state.keep(model, 3)
    with pytest.raises(KeyboardInterrupt):
        state.save()
    assert state.save() == state.restore(model) == 3


def test_weights_that_are_no_numbers_never_replace_a_good_state(model, tmp_path):
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
    state.keep(model, 1)
    state.save()
    model.layers[0].bias.assign([float("nan")])
    state.keep(model, 2)
    with pytest.raises(FloatingPointError, match="A weight is no finite number"):
        state.save()
    assert [path.name for path in (tmp_path / "states").iterdir()] == ["00000001"]


def test_the_seconds_of_a_run_add_up_over_its_pieces(model, tmp_path, monkeypatch):
    now = [100.0]
    monkeypatch.setattr(callbacks.time, "monotonic", lambda: now[0])
    for total in (5.0, 10.0):
        now[0] += 1000.0
        state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
        state.restore(model)
        state.set_model(model)
        state.set_params({"epochs": 9})
        state.on_train_begin()
        now[0] += 5.0
        state.on_epoch_end(int(total))
        assert state.trained_seconds == total


def test_the_state_is_split_into_files_of_limited_size(model, tmp_path, monkeypatch):
    monkeypatch.setattr(callbacks, "PART_BYTES", 20)
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
    state.trained_seconds = 12.5
    expected = [variable.numpy() for variable in model.optimizer.variables]
    state.keep(model, 3)
    state.save()
    files = list((tmp_path / "states" / "00000003").iterdir())
    assert len(files) == 3
    for file in files:
        with np.load(file) as part:
            assert len(part) == 1 or sum(array.nbytes for array in part.values()) <= 20
    model.train_on_batch(np.ones((4, 2)), np.zeros((4, 1)))
    again = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
    assert again.restore(model) == 3
    assert again.trained_seconds == 12.5
    for before, after in zip(expected, model.optimizer.variables, strict=True):
        np.testing.assert_array_equal(before, after.numpy())


def test_a_kill_between_two_states_leaves_the_newer_one(model, tmp_path):
    state = TrainingState(tmp_path / "states", BestModel(tmp_path / "model.keras"), seconds=0)
    state.keep(model, 9)
    state.save()
    shutil.copytree(tmp_path / "states" / "00000009", tmp_path / "states" / "00000008")
    shutil.copytree(tmp_path / "states" / "00000009", tmp_path / "states" / ".unfinished.00000011")
    assert state.restore(model) == 9
    state.keep(model, 10)
    state.save()
    assert names(tmp_path / "states") == ["00000009", "00000010"]


@pytest.mark.parametrize("loss", [float("nan"), float("inf")])
def test_a_loss_that_is_no_number_stops_training(loss, tmp_path):
    watch = StopOnNonFiniteLoss(TrainingState(tmp_path, BestModel(tmp_path / "model.keras"), 0))
    watch.on_train_batch_end(0, {"loss": 1.0})
    with pytest.raises(FloatingPointError, match=r"by step 5.*There is no checkpoint yet"):
        watch.on_train_batch_end(4, {"loss": loss})
    (tmp_path / "00000003").mkdir()
    with pytest.raises(FloatingPointError, match=r"by step 5.*last good checkpoint is intact"):
        watch.on_train_batch_end(4, {"loss": loss})
