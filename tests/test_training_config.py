"""The configurations and how flags change them."""

import dataclasses
import shlex
from pathlib import Path

import keras
import pytest
from absl import flags

from iprnn_tf import STGRUCell
from iprnn_tf.cells import CELLS
from iprnn_tf.models import FoldedRNN, PatchRNN, VideoPixelNetwork
from trainers.configuration.recipes import CONFIGS, resolve
from trainers.configuration.settings import define_flags
from trainers.configuration.systems import SYSTEMS
from trainers.configuration.training_config import TrainingConfig


def resolved(name, *arguments):
    values = flags.FlagValues()
    define_flags(TrainingConfig, values)
    values(["", *arguments])
    return resolve(name, values)


def test_paper_is_the_papers_size():
    config = dataclasses.replace(CONFIGS["paper"], mixed_precision="float32", use_bias=False)
    assert config.build_model().count_params() == 3_432_961


def test_flags_replace_settings_and_leave_the_others():
    config = resolved("paper", "--learning_rate=0.1", "--noskips")
    assert config == dataclasses.replace(CONFIGS["paper"], learning_rate=0.1, skips=False)


def test_a_published_protocol_brings_its_lengths_unless_given():
    config = resolved("small_video", "--dataset=video", "--protocol=prednet")
    assert (config.context_frames, config.horizon) == (9, 1)
    assert resolved("small_video", "--protocol=openstl", "--horizon=5").horizon == 5
    assert resolved("kitti", "--protocol=paper") == CONFIGS["kitti"]
    assert resolved("small", "--protocol=svg").horizon == CONFIGS["small"].horizon


def test_the_protocol_follows_the_data_set():
    assert resolved("small", "--dataset=video").protocol == "paper"
    assert resolved("small_video", "--dataset=mnist").protocol == "canonical"


def test_encoder_filters_follow_the_filters_unless_given():
    assert resolved("small", "--filters=8").encoder_filters is None
    assert resolved("small", "--filters=8", "--encoder_filters=2,4").encoder_filters == [2, 4]


class PlainCell(STGRUCell):
    """A memory with fewer settings than STGRU's."""

    def __init__(self, filters, kernel_size=5, **kwargs):
        super().__init__(filters, kernel_size, **kwargs)


def test_a_memory_gets_the_settings_that_it_takes(monkeypatch):
    monkeypatch.setitem(CELLS, "stgru", PlainCell)
    config = TrainingConfig(filters=2, kernel_size=3, num_layers=1, mixed_precision="float32")
    [cell] = config.build_model().cell.cells
    assert (cell.filters, cell.kernel_size) == (2, 3)


def test_a_setting_that_the_memory_does_not_have_is_refused(monkeypatch):
    monkeypatch.setitem(CELLS, "stgru", PlainCell)
    with pytest.raises(ValueError, match=r"takes --filters, --kernel_size.*: --update_bias=1.0"):
        TrainingConfig(update_bias=1.0)


def test_a_model_gets_the_settings_that_it_takes():
    config = resolved("small_video", "--model_type=patch_rnn", "--patch_size=2", "--filters=3")
    config = dataclasses.replace(config, dataset="mnist", protocol="canonical")
    model = dataclasses.replace(config, cell="st_lstm", mixed_precision="float32").build_model()
    assert isinstance(model, PatchRNN)
    assert (model.patch_size, model.num_layers) == (2, CONFIGS["small_video"].num_layers)
    with pytest.raises(ValueError, match=r"--model_type=patch_rnn takes.*Received: --skips=False"):
        resolved("small", "--model_type=patch_rnn", "--noskips")
    with pytest.raises(ValueError, match=r"--model_type=iprnn takes.*Received: --patch_size=8"):
        resolved("small", "--patch_size=8")


def test_a_pyramid_gets_the_settings_that_it_takes():
    flags = ["--model_type=folded_rnn", "--cell=bijective_gru", "--encoder_filters=2,3"]
    config = resolved("small", *flags, "--filters=4", "--mixed_precision=float32")
    model = config.build_model()
    assert isinstance(model, FoldedRNN)
    assert [cell.filters for cell in model.cell.cells] == [3] * 4 + [4] * 4
    assert model.output_activation == "clipped"
    with pytest.raises(ValueError, match=r"--model_type=folded_rnn takes.*: --skips=False"):
        resolved("small", *flags, "--noskips")


def test_a_pixel_network_has_a_loss_of_its_own():
    flags = ["--model_type=vpn", "--cell=conv_lstm", "--blocks=1,2", "--levels=16", "--filters=4"]
    config = resolved("small", *flags, "--mixed_precision=float32")
    model = config.build_model()
    assert isinstance(model, VideoPixelNetwork)
    assert (model.blocks, model.levels) == ([1, 2], 16)
    assert config.build_loss() is None
    assert config.build_windows().next_frames
    idle = ["--absolute_weight=1", "--warm_up_weight=0.5", "--sampling_span=0.1"]
    for flag in [*idle, "--reverse_sampling"]:
        name = flag.partition("=")[0]
        with pytest.raises(ValueError, match=f"=vpn has a loss of its own.*Received: {name}"):
            resolved("small", *flags, flag)


@pytest.mark.parametrize(("steps", "epochs", "total"), [(1, 1, 1), (100, 1, 100), (250, 3, 252)])
def test_steps_are_spread_evenly_over_whole_epochs(steps, epochs, total):
    config = TrainingConfig(steps=steps, steps_per_epoch=100).in_whole_epochs()
    assert (config.epochs, config.steps) == (epochs, total)
    assert config.in_whole_epochs() == config


@pytest.mark.parametrize(
    ("steps", "at_once", "expected"),
    [
        (100, 10, (100, 100, 10)),
        (97, 10, (100, 100, 10)),
        (4, 10, (4, 4, 4)),
        (240, 30, (270, 90, 30)),
        (240, 150, (300, 150, 150)),
        (1235, 10, (1300, 100, 10)),
    ],
)
def test_an_epoch_holds_whole_executions(steps, at_once, expected):
    config = TrainingConfig(steps=steps, steps_per_epoch=100, steps_per_execution=at_once)
    config = config.in_whole_epochs()
    assert (config.steps, config.steps_per_epoch, config.steps_per_execution) == expected
    assert config.in_whole_epochs() == config


def test_the_learning_rate_may_stay_at_its_peak_and_fall_late():
    config = TrainingConfig(steps=1000, warmup_steps=50, learning_rate=0.5, decay_span=0.2)
    rate = config.build_optimizer()._learning_rate
    at = [float(keras.ops.convert_to_numpy(rate(step))) for step in (25, 50, 800, 900, 1000)]
    assert at == pytest.approx([0.25, 0.5, 0.5, 0.25, 0], abs=1e-6)


def test_a_decay_over_the_whole_run_is_that_of_keras():
    config = TrainingConfig(steps=1000, warmup_steps=50, final_learning_rate=0.1)
    own = config.build_optimizer()._learning_rate
    theirs = keras.optimizers.schedules.CosineDecay(
        0.0, 950, alpha=0.1, warmup_target=config.learning_rate, warmup_steps=50
    )
    for step in (0, 10, 49, 50, 51, 400, 999, 1000, 1200):
        assert float(own(step)) == pytest.approx(float(theirs(step)), abs=1e-8)
    assert type(own).from_config(own.get_config()).get_config() == own.get_config()


def test_a_short_beginning_is_for_those_who_gain_by_it():
    assert resolved("small", "--horizon=5").short_horizon == 2
    assert resolved("small", "--horizon=2").short_horizon == 0
    assert resolved("small", "--init_from=iprnn_small_moving_mnist").short_horizon == 0
    tuned = resolved("small", "--init_from=iprnn_small_moving_mnist", "--short_horizon=3")
    assert tuned.short_horizon == 3
    small_batches = ["--short_horizon=2", "--short_batch_size=1"]
    assert resolved("small", *small_batches).short_batch_size == 1
    with pytest.raises(ValueError, match=r"--short_batch_size=1 without one\. Give both"):
        resolved("small", "--short_horizon=0", "--short_batch_size=1")


def test_a_run_may_begin_with_a_short_horizon():
    config = TrainingConfig(steps=100, steps_per_epoch=10, short_horizon=2, short_span=0.4)
    [(short, stop), (whole, end)] = config.stages()
    assert (short.horizon, stop, end) == (2, 4, 10)
    assert whole == config
    assert TrainingConfig(steps=100).stages() == [(TrainingConfig(steps=100), 2)]
    assert short.batch_size == config.batch_size
    [(_, stop), _] = dataclasses.replace(config, short_steps=20).stages()
    assert stop == 2
    growing = dataclasses.replace(config, batch_size=8, short_batch_size=4)
    assert [stage.batch_size for stage, _ in growing.stages()] == [4, 8]
    seen = [growing.sequences(steps) for steps in (0, 39, 40, 41, 100, 101)]
    assert seen == [0, 39 * 4, 160, 168, 160 + 60 * 8, 160 + 61 * 8]
    one_epoch = TrainingConfig(steps=10, steps_per_epoch=10, short_horizon=2, short_span=0.99)
    assert one_epoch.stages() == [(one_epoch, 1)]  # The whole horizon is learned in any case.
    with pytest.raises(ValueError, match="--short_horizon=10 --horizon=10"):
        TrainingConfig(short_horizon=10)


def test_the_learning_rate_warms_up_to_its_peak_and_decays_to_zero():
    config = TrainingConfig(steps=1000, warmup_steps=50, learning_rate=0.5)
    rate = config.build_optimizer()._learning_rate
    at = [float(keras.ops.convert_to_numpy(rate(step))) for step in (0, 25, 50, 525, 1000)]
    assert at == pytest.approx([0, 0.25, 0.5, 0.25, 0], abs=1e-3)


def test_a_part_of_the_peak_may_be_left_at_the_end():
    config = TrainingConfig(steps=1000, learning_rate=0.5, final_learning_rate=0.2)
    assert float(config.build_optimizer()._learning_rate(1000)) == pytest.approx(0.1)


def test_the_loss_weighs_as_the_settings_say():
    config = TrainingConfig(absolute_weight=2.0, warm_up_weight=0.5, horizon=7)
    loss = config.build_loss()
    assert (loss.absolute_weight, loss.warm_up_weight, loss.horizon) == (2.0, 0.5, 7)


def test_warm_up_takes_at_most_a_tenth():
    rate = TrainingConfig(steps=100, warmup_steps=200, learning_rate=1.0).build_optimizer()
    assert float(rate._learning_rate(10)) == pytest.approx(1.0)


def test_the_same_seed_gives_the_same_weights():
    tiny = TrainingConfig(filters=2, num_layers=1, mixed_precision="float32")
    first, second = (tiny.build_model().get_weights() for _ in range(2))
    assert all((a == b).all() for a, b in zip(first, second, strict=True))
    other = dataclasses.replace(tiny, seed=1).build_model().get_weights()
    assert any((a != b).any() for a, b in zip(first, other, strict=True))


@pytest.mark.parametrize("system", ["predrnn", "e3d_lstm", "crevnet", "frnn", "vpn"])
def test_the_page_on_systems_shows_the_command_that_trains_one(system):
    page = (Path(__file__).parents[1] / "docs" / "comparison.md").read_text()
    commands = [
        shlex.split(line)[4:]
        for line in page.splitlines()
        if line.startswith("python -m trainers.train --config=paper ")
    ]
    shown = [dataclasses.asdict(resolved("paper", *flags)) for flags in commands]
    assert SYSTEMS[system] in [
        {name: settings[name] for name in SYSTEMS[system]} for settings in shown
    ]
