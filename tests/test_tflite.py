"""LiteRT files: what is in them, how close they are to their model, and when none is written."""

import json
import math
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from tiny_models import HORIZON, IMAGE_SHAPE, TIME, contexts

from export import tflite
from export.artifacts import converter, parity
from export.artifacts.artifact import open_artifact
from export.artifacts.parity import LIMITS, Limits
from export.tflite import save_tflite
from programs.command_line import Failure

Interpreter = pytest.importorskip("ai_edge_litert.interpreter").Interpreter
flatbuffer_utils = pytest.importorskip("tensorflow.lite.tools.flatbuffer_utils")
pytest_plugins = ["exported_models"]

ROOT = Path(__file__).parent.parent

WITHOUT_TENSORFLOW = """
import json, sys

import numpy as np
from export.artifacts.artifact import open_artifact

artifact = open_artifact(sys.argv[1])
predictions = artifact.forecast(np.load(sys.argv[2]))
np.save(sys.argv[3], predictions)
assert not {"tensorflow", "keras"} & set(sys.modules)
print(json.dumps(artifact.description))
"""


@pytest.fixture(name="precision", params=LIMITS)
def _precision(request):
    return request.param


@pytest.fixture(name="file")
def _file(litert_files, precision):
    return litert_files[precision]


def test_a_file_has_the_signatures_of_the_contract(file, precision):
    context, states = ["context"], ["state_0", "state_1"]
    expected = {
        "forecast": {"inputs": context, "outputs": ["predictions"]},
        "prime": {"inputs": context, "outputs": ["frame", *states]},
        "step": {
            "inputs": ["frame", *states],
            "outputs": ["next_frame", "next_state_0", "next_state_1"],
        },
    }
    if precision == "int8":
        del expected["forecast"]
    found = Interpreter(str(file)).get_signature_list()
    sides = ("inputs", "outputs")
    assert {
        name: {side: sorted(signature[side]) for side in sides} for name, signature in found.items()
    } == expected


def test_a_file_needs_builtin_operations_alone(file):
    model = flatbuffer_utils.read_model(str(file))
    assert len(model.operatorCodes) > 3
    assert not any(code.customCode for code in model.operatorCodes)


def test_frames_and_states_are_float32_whatever_is_inside(file):
    artifact = open_artifact(file)
    frame, states = artifact.prime(contexts(1))
    assert {array.dtype for array in (frame, *states)} == {np.dtype("float32")}
    assert artifact.forecast(contexts(1)).dtype == np.float32


def test_a_file_predicts_what_its_model_predicts(file, precision, wide_source):
    report = parity.compare(wide_source, open_artifact(file))
    assert report.psnr >= LIMITS[precision].psnr
    assert abs(report.mse_change) <= LIMITS[precision].mse_change
    assert len(report.max_error) == HORIZON
    report.check()


def test_frames_unlike_any_it_was_compared_on_are_predicted_too(file, wide_source):
    context = contexts(3)
    expected = wide_source.model.predict(context, verbose=0)
    received = open_artifact(file).forecast(context)
    assert received.shape == (3, HORIZON, *IMAGE_SHAPE)
    assert np.abs(received - expected).mean() < 0.1 * np.std(expected)


def test_streaming_predicts_what_a_forecast_predicts(file):
    artifact = open_artifact(file)
    np.testing.assert_allclose(
        artifact.stream(contexts(2)), artifact.forecast(contexts(2)), atol=1e-5
    )


def test_fewer_bits_are_fewer_bytes(litert_files):
    size = {name: file.stat().st_size for name, file in litert_files.items()}
    assert size["float16"] < 0.6 * size["float32"]
    assert size["dynamic"] < 0.8 * size["float16"]
    assert size["int8"] < 0.8 * size["float16"]


def test_a_file_says_what_it_is(file, precision, wide_source):
    said = open_artifact(file).description
    assert said["precision"] == precision
    assert said["batch_size"] == 1
    assert said["fingerprint"] == wide_source.fingerprint
    assert (said["image_shape"], said["context_frames"]) == (list(IMAGE_SHAPE), TIME)


def test_a_file_is_read_and_run_without_tensorflow(litert_files, wide_source, tmp_path):
    np.save(tmp_path / "context.npy", contexts())
    files = [tmp_path / "context.npy", tmp_path / "predictions.npy"]
    command = [sys.executable, "-c", WITHOUT_TENSORFLOW, litert_files["float32"], *files]
    done = subprocess.run(list(map(str, command)), cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["fingerprint"] == wide_source.fingerprint
    expected = wide_source.model.predict(contexts(), verbose=0)
    np.testing.assert_allclose(np.load(files[1]), expected, atol=1e-5)


@pytest.mark.slow
def test_a_batch_left_open_takes_any(tiny_source, tmp_path):
    save_tflite(tiny_source, tmp_path / "any.tflite", batch_size=None)
    artifact = open_artifact(tmp_path / "any.tflite")
    assert artifact.description["batch_size"] is None
    for batch in (1, 3, 2):
        context = contexts(batch)
        expected = tiny_source.model.predict(context, verbose=0)
        received = artifact.run("forecast", {"context": context})["predictions"]
        np.testing.assert_allclose(received, expected, atol=1e-5)


@pytest.fixture(name="old")
def _old(tmp_path):
    """A file that an export would replace."""
    path = tmp_path / "old.tflite"
    path.write_bytes(b"old")
    return path


def unharmed(old):
    return old.read_bytes() == b"old" and [*old.parent.iterdir()] == [old]


def test_a_converter_that_crashes_is_reported_and_nothing_is_written(
    tiny_source, old, tmp_path_factory, monkeypatch
):
    crash = tmp_path_factory.mktemp("bin") / "python"
    crash.write_text("#!/bin/sh\nkill -SEGV $$\n")
    crash.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(crash))
    with pytest.raises(Failure, match=r"couldn't make a float32 file.*-11.*Nothing was written"):
        save_tflite(tiny_source, old)
    assert unharmed(old)


@pytest.fixture(name="convert_at_once")
def _convert_at_once(litert_files, monkeypatch):
    """Takes the files that the wide model was converted to before."""

    def convert(folder, precision):
        shutil.copy(litert_files[precision], folder / converter.RESULT)

    monkeypatch.setattr(tflite, "_convert", convert)


@pytest.mark.usefixtures("convert_at_once")
def test_a_file_that_has_drifted_is_not_written(wide_source, old, monkeypatch):
    monkeypatch.setitem(LIMITS, "float32", Limits(psnr=math.inf, mse_change=1.0))
    with pytest.raises(Failure, match=r"The float32 artefact has drifted.*Try a higher"):
        save_tflite(wide_source, old)
    assert unharmed(old)


@pytest.mark.usefixtures("convert_at_once")
def test_the_program_replaces_an_old_file_and_prints_what_parts_it_from_its_model(
    wide_run, old, capsys
):
    tflite.main([f"--model={wide_run}", f"--output={old}", "--quantize=int8"])
    artifact = open_artifact(old)
    assert artifact.precision == "int8"
    assert artifact.signatures == ["prime", "step"]
    printed = capsys.readouterr().out
    assert "PSNR (dB)" in printed
    assert f"Results: {old}" in printed


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=x.tflite"], "--model is needed"),
        (["--model"], r"--output is needed: a \.tflite file"),
        (["--model", "--output=x.onnx"], r"a \.tflite file. Received: x\.onnx"),
        (["--model", "--output=x.tflite", "--quantize=int4"], "quantize"),
        (["--model", "--output=x.tflite", "--batch_size=-1"], "batch_size"),
        (
            ["--model", "--output=x.tflite", "--quantize=int8", "--context_frames=0"],
            r"without loops.*--context_frames",
        ),
    ],
)
def test_a_wrong_flag_is_answered_with_its_rule(
    tiny_model_run, tmp_path, monkeypatch, flags, message
):
    monkeypatch.chdir(tmp_path)
    flags = [f"--model={tiny_model_run}" if flag == "--model" else flag for flag in flags]
    with pytest.raises(ValueError, match=message):
        tflite.main(flags)
    assert not [*tmp_path.iterdir()]


def test_a_graph_with_foreign_operations_is_refused():
    own, foreign = SimpleNamespace(customCode=None), SimpleNamespace(customCode=b"FlexRollout")
    converter.check_operations(SimpleNamespace(operatorCodes=[own, own]))
    with pytest.raises(ValueError, match=r"builtin operations alone\. .*needs FlexRollout"):
        converter.check_operations(SimpleNamespace(operatorCodes=[own, foreign]))


def test_calibration_gives_one_batch_of_one_signature_after_the_other(tmp_path):
    arrays = {"step/frame": np.arange(2), "step/state_0": np.arange(2) + 5, "prime/x": np.arange(1)}
    np.savez(tmp_path / "calibration.npz", **arrays)
    assert [*converter.samples(tmp_path / "calibration.npz", batch_size=1)] == [
        ("prime", {"x": [0]}),
        ("step", {"frame": [0], "state_0": [5]}),
        ("step", {"frame": [1], "state_0": [6]}),
    ]
    [(_, [alone]), (_, [frames, states])] = [
        (name, [x.tolist() for x in inputs.values()])
        for name, inputs in converter.samples(tmp_path / "calibration.npz", batch_size=3)
    ]
    assert (alone, frames, states) == ([0, 0, 0], [0, 1, 0], [5, 6, 5])


@pytest.mark.slow
def test_integers_in_batches_are_calibrated_in_batches(wide_source, tmp_path):
    save_tflite(wide_source, tmp_path / "x.tflite", "int8", batch_size=3).check()
    artifact = open_artifact(tmp_path / "x.tflite")
    assert artifact.description["batch_size"] == 3


@pytest.mark.parametrize("count", [3, parity.CALIBRATED])
def test_too_few_sequences_to_calibrate_on_are_counted(tiny_source, tmp_path, count):
    data = tmp_path / "few.npy"
    np.save(data, contexts(count, TIME + HORIZON))
    with pytest.raises(ValueError, match=rf"compared on others. Received: {count}, all of --data"):
        save_tflite(tiny_source, tmp_path / "x.tflite", "int8", data=str(data))


def test_too_short_a_video_to_calibrate_on_is_named(tiny_source, tmp_path, monkeypatch):
    few = contexts(6, TIME + HORIZON)
    monkeypatch.setattr(type(tiny_source), "sequences", lambda *arguments: few)
    with pytest.raises(ValueError, match=r"Received: 6, validation windows.*others with --data"):
        save_tflite(tiny_source, tmp_path / "x.tflite", "int8")
