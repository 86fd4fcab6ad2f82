"""The benchmark program: its counts are arithmetic, its timings only have to appear."""

import pytest
from keras.layers import LayerNormalization

from iprnn_tf import IPRNN, STGRUCell
from iprnn_tf.cells import ConvGRUCell, ConvLSTMCell, FCLSTMCell
from iprnn_tf.models import PatchRNN
from trainers import benchmark
from trainers.measuring import data_benchmark, operations


def test_the_papers_model_has_the_published_number_of_multiply_adds():
    # 17.8 G for the 19 steps of 10 -> 10, as OpenSTL counts the author's next model, whose
    # convolutions are the same.
    assert 19 * operations.multiply_adds_per_step(IPRNN()) == pytest.approx(17.8e9, rel=0.005)


def test_multiply_adds_are_counted_layer_by_layer():
    cell = STGRUCell(3, kernel_size=5)
    model = IPRNN((8, 12, 2), cell, num_layers=1, num_downsamplings=1, encoder_filters=[4])
    full, half = 8 * 12, 4 * 6
    encoder = full * 2 * 4 + half * 9 * 4 * 3
    memory = half * (2 * 25 * 3 * 12 + 6 * 3)
    decoder = half * 9 * 3 * 4 + full * 4 * 2
    assert operations.multiply_adds_per_step(model) == encoder + memory + decoder


@pytest.mark.parametrize(
    ("cell", "multiply_adds"),
    [
        (ConvLSTMCell(3, kernel_size=5, peepholes=True), 4 * 6 * 25 * (4 + 3) * 12),
        (FCLSTMCell(3, units_per_pixel=2), (4 * 6 * (4 + 2)) * 4 * 48 + 48 * 4 * 6 * 3),
        (ConvGRUCell(3, normalization=LayerNormalization(axis=(1, 2, 3))), 24 * 25 * 7 * 9),
    ],
    ids=["peepholes", "matrices", "normalised"],
)
def test_multiply_adds_are_those_of_kernels_alone(cell, multiply_adds):
    model = PatchRNN((8, 12, 1), cell, num_layers=1, patch_size=2)
    head = 4 * 6 * cell.readout_size * 4
    assert operations.multiply_adds_per_step(model) == multiply_adds + head


@pytest.mark.slow
def test_the_speed_of_every_precision_and_of_the_pipeline_is_shown(capsys):
    benchmark.main(["speed", "--config=small", "--batch_size=1", "--steps=2"])
    output = capsys.readouterr().out
    assert "float32" in output
    assert "bfloat16" in output
    assert "sequences/s of uint8 frames" in output


def test_video_is_measured_as_it_grows_tenfold(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(data_benchmark, "READING_SECONDS", 0.1)
    benchmark.main(["data", "--gigabytes=0.5"])
    _, small, large = (
        line.split() for line in capsys.readouterr().out.strip().split("\n\n")[0].splitlines()
    )
    assert [row[3] for row in (small, large)] == ["800", "8,120"]
    assert int(large[-1].replace(",", "")) < 1.1 * int(small[-1].replace(",", ""))
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("config", ["kitti", "small_video"])
def test_a_configuration_whose_data_set_is_video_is_not_offered(config):
    with pytest.raises(ValueError, match=r"value should be one of <small\|paper>"):
        benchmark.main(["speed", f"--config={config}"])


@pytest.mark.parametrize("arguments", [[], ["memory"], ["speed", "--steps=0"]])
def test_wrong_arguments_are_named(arguments):
    with pytest.raises(ValueError, match=r"Name a benchmark first: speed|steps"):
        benchmark.main(arguments)
