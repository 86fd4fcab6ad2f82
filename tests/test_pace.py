"""How far a run on the device is along its schedule."""

import dataclasses

import pytest

from trainers.configuration.training_config import TrainingConfig
from trainers.fitting import on_device, pace
from trainers.fitting.pace import Pace

CONFIG = TrainingConfig(
    steps=1000,
    steps_per_epoch=100,
    warmup_steps=100,
    learning_rate=0.5,
    decay_span=0.4,
    sampling_span=0.5,
    on_device=True,
)


def test_by_steps_an_epoch_is_a_tenth_of_ten():
    by_steps = Pace(CONFIG)
    assert [by_steps.progress(epoch) for epoch in (0, 5, 10)] == [0.0, 0.5, 1.0]
    first, last = by_steps.moments(0), by_steps.moments(9)
    assert list(last["number"]) == list(range(900, 1000))
    assert first["rate"][[0, 50]] == pytest.approx([0.0, 0.25])
    assert by_steps.moments(3)["rate"] == pytest.approx([0.5] * 100)
    assert last["rate"][0] == pytest.approx(0.5 * 0.1464, rel=1e-3)  # Three quarters down a cosine.
    assert first["use_teacher"][[0, 50]] == pytest.approx([1.0, 0.9])
    assert (last["use_teacher"] == 0).all()


def test_by_the_clock_the_schedule_goes_as_time_does(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(pace.time, "monotonic", lambda: now[0])
    timed = dataclasses.replace(CONFIG, minutes=2.5, setup_minutes=0.5)
    by_clock = Pace(timed, seconds=12.0)  # Of an earlier piece.
    # Nobody knows yet how long an epoch takes: it goes as that of the schedule.
    assert by_clock.moments(0)["use_teacher"][[0, 50]] == pytest.approx([0.8, 0.7])
    assert by_clock.total == 120.0
    assert by_clock.progress(7) == pytest.approx(0.1)  # Whatever the epoch.
    now[0] += 24.0
    by_clock.note(12.0)  # A tenth of the run in each epoch, so as fast as the schedule.
    assert by_clock.elapsed == 36.0
    moments = by_clock.moments(2)
    assert list(moments["number"][[0, -1]]) == [200, 299]
    assert moments["use_teacher"][[0, 50]] == pytest.approx([0.4, 0.3])
    now[0] += 84.0
    assert by_clock.progress(3) == pytest.approx(1.0)


def test_a_rate_that_neither_rises_nor_falls_has_a_value_for_each_step():
    steady = Pace(dataclasses.replace(CONFIG, warmup_steps=0, decay_span=0.0))
    assert list(steady.moments(0)["rate"]) == [0.5] * 100


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"dataset": "video", "protocol": "paper"}, "that JAX can draw: --dataset=mnist.*=video"),
        ({"steps_per_execution": 5}, "Received: --steps_per_execution"),
    ],
)
def test_what_a_device_cannot_do_alone_is_refused(monkeypatch, settings, message):
    monkeypatch.setattr(on_device.keras.backend, "backend", lambda: "jax")
    with pytest.raises(ValueError, match=message):
        on_device.check(dataclasses.replace(CONFIG, **settings))


def test_a_device_is_trained_on_with_jax(monkeypatch):
    monkeypatch.setattr(on_device.keras.backend, "backend", lambda: "tensorflow")
    with pytest.raises(ValueError, match=r"the tensorflow backend\. Put KERAS_BACKEND=jax before"):
        on_device.check(CONFIG)
