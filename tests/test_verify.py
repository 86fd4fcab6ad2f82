"""Verifying: an artefact passes beside its own model, and nothing else does."""

import dataclasses
import sys

import numpy as np
import pytest
import tensorflow as tf
from prepared_videos import prepare
from tiny_models import HORIZON, IMAGE_SHAPE, TIME, contexts, tiny, write_run

from export import onnx, saved_model, tflite, verify
from export.artifacts import parity
from export.artifacts.artifact import Artifact
from export.artifacts.parity import LIMITS, Limits
from export.inputs.source import Source
from iprnn_tf.data import DRAWN
from iprnn_tf.data.drawn import BLOCK, DrawnSequences
from programs import command_line
from programs.command_line import FAILURE, USER_MISTAKE, Failure

pytest_plugins = ["exported_models"]


def flags(artifact, model, *more):
    return [f"--artifact={artifact}", f"--model={model}", *more]


def status(monkeypatch, capsys, arguments):
    """The exit status of the program, and the one line it ends with."""
    monkeypatch.setattr(sys, "argv", ["verify", *arguments])
    with pytest.raises(SystemExit) as ended:
        command_line.run(verify.main)
    errors = capsys.readouterr().err
    assert "Traceback" not in errors
    [line] = [line for line in errors.splitlines() if line.startswith("error:")]
    return ended.value.code, line


@pytest.fixture(scope="module", name="other_run")
def _other_run(tmp_path_factory):
    """A run of the same shape, with other weights."""
    folder = tmp_path_factory.mktemp("models") / "other"
    return write_run(folder, tiny(seed=5), context_frames=TIME)


def test_a_saved_model_passes(saved_model, tiny_model_run, capsys):
    for path in (saved_model, saved_model.parent):
        verify.main(flags(path, tiny_model_run))
        printed = capsys.readouterr().out
        assert str(saved_model) in printed
        assert "(float32)" in printed
        assert "The artefact predicts what its model predicts." in printed


@pytest.mark.parametrize("precision", ["float32", "int8"])
def test_a_litert_file_passes(litert_files, wide_run, precision, capsys):
    verify.main(flags(litert_files[precision], wide_run))
    printed = capsys.readouterr().out
    assert f"({precision})" in printed
    assert "lead time" in printed


def test_onnx_files_pass(onnx_folder, tiny_model_run):
    verify.main(flags(onnx_folder, tiny_model_run))


def test_another_model_is_one_line_and_exit_status_1(saved_model, other_run, monkeypatch, capsys):
    code, line = status(monkeypatch, capsys, flags(saved_model, other_run))
    assert code == FAILURE
    assert "exported from another model" in line
    assert str(other_run) in line or "--model" in line


def test_drift_is_one_line_and_exit_status_1(saved_model, tiny_model_run, monkeypatch, capsys):
    monkeypatch.setitem(LIMITS, "float32", Limits(psnr=1000.0, mse_change=-1.0))
    code, line = status(monkeypatch, capsys, flags(saved_model, tiny_model_run))
    assert code == FAILURE
    assert "The float32 artefact has drifted from its model" in line


def test_a_model_of_other_frames_is_another_model(saved_model, tmp_path):
    run = write_run(tmp_path / "run", tiny((40, 36, 1)), context_frames=TIME)
    with pytest.raises((ValueError, Failure), match=r"another model|image_shape|--model"):
        verify.main(flags(saved_model, run))


@pytest.mark.parametrize("missing", [["--model=x"], ["--artifact=x"], []])
def test_what_is_missing_is_said(missing):
    with pytest.raises(ValueError, match=r"--artifact .* and --model .* are needed"):
        verify.main(missing)


def test_a_missing_artefact_is_a_users_mistake(tiny_model_run, monkeypatch, capsys, tmp_path):
    arguments = flags(tmp_path / "nowhere.tflite", tiny_model_run)
    code, line = status(monkeypatch, capsys, arguments)
    assert code == USER_MISTAKE
    assert "does not exist" in line


SEQUENCES = contexts(30, TIME + HORIZON, seed=7)
PIXELS = np.round(SEQUENCES * 255).astype(np.uint8)


@pytest.mark.parametrize(
    "sequences",
    [SEQUENCES, SEQUENCES.astype("float64"), PIXELS, SEQUENCES[:1], np.repeat(PIXELS, 2, axis=1)],
    ids=["float32", "float64", "uint8", "one", "longer"],
)
def test_sequences_of_ones_own_are_compared_on(saved_model, tiny_source, tmp_path, sequences):
    np.save(tmp_path / "mine.npy", sequences)
    data = str(tmp_path / "mine.npy")
    artifact = verify.open_artifact(saved_model)
    parity.compare(tiny_source, artifact, data).check()
    [used] = tiny_source.sequences("validation", 1, data)
    whole = sequences[0] / 255.0 if sequences.dtype == np.uint8 else sequences[0]
    assert used.dtype == np.float32
    np.testing.assert_allclose(used, whole[: TIME + HORIZON], atol=1e-6)


@pytest.mark.parametrize(
    ("sequences", "message"),
    [
        (SEQUENCES[:, :-1], r"shape \(N, 6 or more, 36, 40, 1\)"),
        (SEQUENCES.swapaxes(2, 3), "36, 40, 1"),
        (SEQUENCES.repeat(3, axis=-1), "36, 40, 1"),
        (SEQUENCES[0, 0], "shape"),
        (SEQUENCES[:0], "shape"),
        (SEQUENCES * 2, r"in \[0, 1\]"),
        (PIXELS.astype("int32"), "uint8"),
        (np.array([{"frames": 1}]), r"mine\.npy"),
    ],
    ids=["short", "turned", "colour", "single", "none", "bright", "int32", "objects"],
)
def test_sequences_that_do_not_fit_are_refused(
    saved_model, tiny_model_run, tmp_path, sequences, message
):
    file = tmp_path / "mine.npy"
    np.save(file, sequences)
    with pytest.raises(ValueError, match=message) as error:
        verify.main(flags(saved_model, tiny_model_run, f"--data={file}"))
    assert str(file) in str(error.value)


@pytest.mark.parametrize("content", [b"", b"no array", None], ids=["empty", "text", "missing"])
def test_a_file_that_is_no_array_is_refused(saved_model, tiny_model_run, tmp_path, content):
    file = tmp_path / "mine.npy"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ValueError, match=r"mine\.npy"):
        verify.main(flags(saved_model, tiny_model_run, f"--data={file}"))


def test_an_archive_of_sequences_is_read_too(tiny_source, tmp_path):
    np.savez(tmp_path / "mine.npz", SEQUENCES)
    used = tiny_source.sequences("test", 2, tmp_path / "mine.npz")
    np.testing.assert_array_equal(used, SEQUENCES[-2:])


class Shifted(Artifact):
    """Predicts what the model predicts, and a known error."""

    size = 0

    def __init__(self, model, errors):
        said = model.description(["forecast", "prime", "step"])
        super().__init__("shifted", said)
        self.model, self.errors = model.model, np.float32(errors)

    def forecast(self, context):
        predictions = self.model.predict(context, verbose=0)
        return predictions + self.errors[:, None, None, None]

    stream = forecast

    def run(self, signature, inputs):
        raise NotImplementedError


def test_the_report_is_arithmetic(tiny_source, tmp_path):
    np.save(tmp_path / "mine.npy", SEQUENCES)
    data = str(tmp_path / "mine.npy")
    report = parity.compare(tiny_source, Shifted(tiny_source, [0.0, 0.1, 0.01]), data)
    np.testing.assert_allclose(report.max_error, [0.0, 0.1, 0.01], atol=1e-6)
    np.testing.assert_allclose(report.squared_error, [0.0, 0.01, 0.0001], rtol=1e-3)
    assert report.psnr == pytest.approx(10 * np.log10(3 / 0.0101), rel=1e-4)
    assert report.streaming_error == 0.0
    predictions = tiny_source.model.predict(SEQUENCES[16:, :TIME], verbose=0)
    squared = (np.clip(predictions, 0, 1) - SEQUENCES[16:, TIME:]) ** 2
    assert report.model_mse == pytest.approx(squared.sum((2, 3, 4)).mean(), rel=1e-5)
    with pytest.raises(Failure, match="has drifted"):
        report.check()


def test_an_artefact_without_a_number_has_drifted(tiny_source):
    with pytest.raises(Failure, match="has drifted"):
        parity.compare(tiny_source, Shifted(tiny_source, [0.0, 0.0, np.nan])).check()
    streamed = Shifted(tiny_source, [0.0, 0.0, 0.0])
    streamed.stream = lambda context: np.full_like(streamed.forecast(context), np.nan)
    with pytest.raises(Failure, match="has drifted"):
        parity.compare(tiny_source, streamed).check()


def test_a_model_that_makes_no_error_is_compared_too(still_source, tmp_path):
    np.save(tmp_path / "black.npy", np.zeros((2, TIME + 2, 12, 20, 1), np.uint8))
    data = str(tmp_path / "black.npy")
    report = parity.compare(still_source, Shifted(still_source, [0.0, 0.0]), data)
    report.check()
    assert "+0.00%" in str(report)


def test_what_is_given_is_what_the_artefact_takes(tiny_model_run, tmp_path):
    source = Source.load(tiny_model_run, context_frames=0, horizon=5)
    assert source.context_frames is None
    assert source.sequences("validation", 2).shape == (2, 15, *IMAGE_SHAPE)
    assert Source.load(tiny_model_run).context_frames == TIME


def test_video_that_is_too_short_for_the_horizon_is_named(tiny_source, tmp_path):
    frames = np.full((70, *IMAGE_SHAPE), 102, np.uint8)
    folder = prepare(tmp_path, {"clip": frames}).folder  # 7 frames are held out for the test.
    source = dataclasses.replace(tiny_source, settings={"data_dir": str(folder)})
    np.testing.assert_allclose(source.sequences("test", 1), 0.4, atol=1e-6)
    longer = dataclasses.replace(source, model=tiny(horizon=5))
    with pytest.raises(ValueError, match=r"have 8 frames.*none in the test videos.*Give --data"):
        longer.sequences("test", 1)


@pytest.mark.parametrize(
    ("program", "save", "output"),
    [
        (saved_model, "save_model", "y"),
        (onnx, "save_onnx", "y"),
        (tflite, "save_tflite", "y.tflite"),
    ],
)
def test_the_next_command_compares_on_the_same_sequences(
    tiny_model_run, tmp_path, monkeypatch, capsys, program, save, output
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, save, lambda *arguments: output)
    program.main([f"--model={tiny_model_run}", f"--output={output}", "--data=mine.npy"])
    verification = f"export.verify --artifact={output} --model={tiny_model_run} --data=mine.npy"
    assert verification in capsys.readouterr().out


class Grey(DrawnSequences):
    """A data set of grey frames."""

    protocols = ("flat",)

    def __init__(self, protocol="flat", image_size=(64, 64), num_frames=20, seed=0):
        super().__init__(protocol, (*image_size, 1), num_frames, seed)

    def drawing(self, split):
        return lambda seed: tf.fill((BLOCK, self.num_frames, *self.image_shape), np.uint8(51))


def test_what_was_trained_on_is_compared_on_where_it_is_drawn(tiny_source, monkeypatch):
    monkeypatch.setitem(DRAWN, "grey", Grey)
    source = dataclasses.replace(tiny_source, settings={"dataset": "grey", "protocol": "flat"})
    expected = np.full((2, TIME + HORIZON, *IMAGE_SHAPE), 0.2, np.float32)
    np.testing.assert_allclose(source.sequences("test", 2), expected, atol=1e-6)
