"""The SavedModel: what is written, when nothing is, and how it behaves without this package."""

import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow_serving.apis import prediction_log_pb2
from tiny_models import HORIZON, IMAGE_SHAPE, TIME, contexts, tiny, write_run

from export import saved_model as program
from export.artifacts import parity
from export.artifacts.artifact import open_artifact
from export.graphs.warm_up import FILE
from export.inputs.source import Source
from export.saved_model import save_model
from iprnn_tf import CopyLastFrame, load_model
from iprnn_tf.presets import save_preset
from programs import command_line

pytest_plugins = ["exported_models"]
EXTRAS = "assets.extra"

WITHOUT_THIS_PACKAGE = """
import sys

import numpy as np
import tensorflow as tf

loaded = tf.saved_model.load(sys.argv[1])
context = tf.constant(np.load(sys.argv[2]))
names = sorted(loaded.signatures)
predictions = loaded.signatures["serving_default"](context=context)["predictions"]
np.save(sys.argv[3], predictions)
assert not any(name.partition(".")[0] in ("iprnn_tf", "export") for name in sys.modules)
print(*names)
"""


def python(*arguments, folder=None):
    done = subprocess.run(
        [sys.executable, *map(str, arguments)], cwd=folder, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_a_process_with_tensorflow_alone_predicts_bit_for_bit(tiny_source, saved_model, tmp_path):
    np.save(tmp_path / "context.npy", contexts())
    (tmp_path / "load.py").write_text(WITHOUT_THIS_PACKAGE)
    files = ("context.npy", "predictions.npy")
    printed = python("-P", "load.py", saved_model, *files, folder=tmp_path)
    expected = tiny_source.model.predict(contexts(), verbose=0)
    np.testing.assert_array_equal(np.load(tmp_path / "predictions.npy"), expected)
    assert np.std(expected) > 0.01
    assert printed.split() == ["forecast", "forecast_images", "prime", "serving_default", "step"]


def test_prime_and_step_stream_what_a_forecast_predicts(saved_model):
    artifact = open_artifact(saved_model)
    np.testing.assert_allclose(
        artifact.stream(contexts(3)), artifact.forecast(contexts(3)), atol=1e-6
    )


def test_versions_count_up_from_the_highest(still_source, tmp_path):
    def save(version=None):
        return save_model(still_source, tmp_path, version, warm_up_batches=()).name

    (tmp_path / "notes").mkdir()
    assert [save(), save(9), save()] == ["1", "9", "10"]
    assert names(tmp_path) == ["1", "10", "9", "notes"]


def test_a_version_is_never_written_twice(tiny_source, saved_model):
    before = (saved_model / "saved_model.pb").stat().st_mtime_ns
    with pytest.raises(ValueError, match=r"--version=1, which .* holds, as \[1\]\. Leave"):
        save_model(tiny_source, saved_model.parent, 1)
    assert (saved_model / "saved_model.pb").stat().st_mtime_ns == before


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError("disk full")])
def test_an_export_that_breaks_off_leaves_no_version(still_source, tmp_path, monkeypatch, error):
    def save_half(module, folder, signatures):
        (Path(folder) / "saved_model.pb").write_bytes(b"half")
        raise error

    with monkeypatch.context() as broken:
        broken.setattr(tf.saved_model, "save", save_half)
        with pytest.raises((KeyboardInterrupt, OSError)):
            save_model(still_source, tmp_path)
    assert names(tmp_path) == []
    assert save_model(still_source, tmp_path, warm_up_batches=()).name == "1"
    open_artifact(tmp_path)


@pytest.mark.parametrize("below", [False, True])
def test_an_output_that_can_not_be_written_is_one_line(
    tiny_model_run, tmp_path, monkeypatch, capsys, below
):
    file = tmp_path / "file"
    file.write_text("not a folder")
    output = file / "models" if below else file
    monkeypatch.setattr(sys, "argv", ["", f"--model={tiny_model_run}", f"--output={output}"])
    with pytest.raises(SystemExit) as ended:
        command_line.run(program.main)
    assert ended.value.code == command_line.USER_MISTAKE
    [line] = [line for line in capsys.readouterr().err.splitlines() if line]
    assert line.startswith("error: ")
    assert str(file) in line
    assert file.read_text() == "not a folder"


def test_a_server_is_warmed_up_with_each_signature_and_batch_size(saved_model):
    signatures = tf.saved_model.load(str(saved_model)).signatures
    asked = []
    for record in tf.data.TFRecordDataset(str(saved_model / EXTRAS / FILE)):
        request = prediction_log_pb2.PredictionLog.FromString(record.numpy()).predict_log.request
        inputs = {name: tf.make_ndarray(value) for name, value in request.inputs.items()}
        [batch] = {len(value) for value in inputs.values()}
        tensors = {name: tf.constant(value) for name, value in inputs.items()}
        outputs = signatures[request.model_spec.signature_name](**tensors)
        assert {len(value) for value in outputs.values()} == {batch}
        asked.append((request.model_spec.signature_name, batch))
    assert sorted(asked) == [(name, batch) for name in sorted(signatures) for batch in (1, 2, 4, 8)]


def test_it_says_what_it_is(tiny_source, saved_model):
    said = json.loads((saved_model / EXTRAS / "iprnn.json").read_text())
    assert said["source"] == "tiny"
    assert said["fingerprint"] == tiny_source.fingerprint
    assert (said["image_shape"], said["context_frames"], said["horizon"]) == ([36, 40, 1], 3, 3)
    assert said["weights"] == tiny_source.model.count_params()
    assert said["signatures"] == ["forecast", "forecast_images", "prime", "step"]
    assert said["versions"]["tensorflow"] == tf.__version__


def test_tensorflows_own_tool_lists_the_signatures(saved_model):
    tool = Path(sys.executable).with_name("saved_model_cli")
    shown = python(tool, "show", "--all", "--dir", saved_model)
    for name in ("serving_default", "forecast", "forecast_images", "prime", "step"):
        assert f"signature_def['{name}']" in shown
    assert "shape: (-1, 3, 36, 40, 1)" in shown


def exported(source, output, *flags):
    program.main([f"--model={source}", f"--output={output}", "--warm_up=", *flags])
    return open_artifact(output)


def test_the_program_says_where_it_lies(tiny_model_run, tmp_path, capsys):
    exported(tiny_model_run, tmp_path / "iprnn")
    printed = capsys.readouterr().out
    assert f"{tmp_path / 'iprnn' / '1'}\n" in printed
    assert "Next: " in printed
    assert not (tmp_path / "iprnn" / "1" / EXTRAS / FILE).exists()


@pytest.mark.parametrize(("output", "served"), [(program.SERVED, True), ("elsewhere", False)])
def test_docker_is_named_where_it_serves_from(
    tiny_model_run, tmp_path, monkeypatch, capsys, output, served
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(program, "save_model", lambda model, base, *others: base / "1")
    program.main([f"--model={tiny_model_run}", f"--output={output}"])
    printed = capsys.readouterr().out
    assert f"export.verify --artifact={output}/1 --model={tiny_model_run}" in printed
    assert ("docker compose" in printed) == served


@pytest.mark.slow
def test_another_horizon_and_any_context_are_the_same_weights(
    tiny_model_run, saved_model, tmp_path
):
    artifact = exported(tiny_model_run, tmp_path, "--horizon=5", "--context_frames=0")
    short, long = open_artifact(saved_model), artifact
    assert long.description["fingerprint"] == short.description["fingerprint"]
    assert (long.horizon, long.description["context_frames"]) == (5, None)
    np.testing.assert_allclose(
        long.forecast(contexts())[:, :HORIZON], short.forecast(contexts()), atol=1e-6
    )
    assert long.forecast(contexts(time=1)).shape == (2, 5, *IMAGE_SHAPE)


@pytest.mark.parametrize(("kind", "time"), [("run", TIME), ("file", 10), ("preset", 4)])
def test_what_holds_a_model_is_exported_in_float32(tmp_path, kind, time):
    model = tiny((12, 20, 1), num_layers=1, dtype="mixed_bfloat16")
    source = tmp_path / kind
    if kind == "run":
        write_run(source, model, context_frames=TIME)
    elif kind == "preset":
        save_preset(model, source, {"training": {"config": {"context_frames": 4}}})
    else:
        source = source.with_suffix(".keras")
        model.save(source)
    artifact = exported(source, tmp_path / "exported")
    assert artifact.description["source"] == source.name
    context = contexts(time=time, image_shape=(12, 20, 1))
    expected = load_model(source, "float32").predict(context, verbose=0)
    np.testing.assert_array_equal(artifact.forecast(context), expected)


def test_a_model_that_would_predict_something_else_is_not_written(
    still_source, tmp_path, monkeypatch
):
    monkeypatch.setitem(parity.LIMITS, "float32", parity.Limits(psnr=math.inf, mse_change=-1.0))
    with pytest.raises(command_line.Failure, match="The float32 artefact has drifted"):
        save_model(still_source, tmp_path)
    assert names(tmp_path) == []


def test_a_baseline_without_weights_is_exported_too(tmp_path):
    save_model(Source("", CopyLastFrame((12, 20, 3), horizon=2), TIME, {}, {}), tmp_path)
    context = contexts(image_shape=(12, 20, 3))
    predictions = open_artifact(tmp_path).forecast(context)
    np.testing.assert_array_equal(predictions, context[:, -1:].repeat(2, axis=1))


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--output=x"], "--model is needed"),
        (["--model=x"], "--output is needed"),
        (["--model=nowhere", "--output=x"], "a .keras file or a preset"),
        (["--model=x", "--output=x", "--warm_up=1,0"], "Received: 1,0. Give the allowed_batch"),
        (["--model=x", "--output=x", "--horizon=0"], "--horizon"),
        (["--model=x", "--output=x", "--version=-1"], "--version"),
    ],
)
def test_a_wrong_flag_is_answered_with_its_rule(
    tiny_model_run, tmp_path, monkeypatch, flags, message
):
    monkeypatch.chdir(tmp_path)
    flags = [flag.replace("--model=x", f"--model={tiny_model_run}") for flag in flags]
    with pytest.raises(ValueError, match=message):
        program.main(flags)
    assert names(tmp_path) == []
