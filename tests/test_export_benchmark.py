"""The table of every exported form: what is measured, and what happens where one fails."""

import contextlib
import io
import json
import shutil

import numpy as np
import pytest
from tiny_models import HORIZON, TIME, contexts, tiny

from export import benchmark
from export.artifacts import measuring
from export.artifacts.artifact import open_artifact
from export.artifacts.measuring import KerasArtifact
from export.inputs.source import Source
from programs.command_line import Failure

pytest_plugins = ["exported_models"]


def fail(*arguments, **options):
    raise Failure("no such operation.")


@pytest.fixture(scope="module", name="benchmarked")
def _benchmarked(saved_model, tiny_model_run, tmp_path_factory):
    """A folder with a SavedModel, benchmarked where ONNX fails; and what was printed."""
    folder = tmp_path_factory.mktemp("benchmark")
    shutil.copytree(saved_model.parent, folder / "saved_model")
    printed = io.StringIO()
    with pytest.MonkeyPatch.context() as changed, contextlib.redirect_stdout(printed):
        changed.setattr(benchmark, "PRECISIONS", {"none": "float32"})
        changed.setattr(benchmark, "save_onnx", fail)
        benchmark.main([f"--model={tiny_model_run}", f"--output={folder}", "--sequences=3"])
    return folder, printed.getvalue()


@pytest.fixture(name="one_precision", autouse=True)
def _one_precision(monkeypatch):
    monkeypatch.setattr(benchmark, "PRECISIONS", {"none": "float32"})


def test_every_form_has_a_row_of_sizes_times_and_errors(benchmarked):
    folder, printed = benchmarked
    written = json.loads((folder / "benchmark.json").read_text())
    assert written["sequences"] == 3
    assert {"versions", "cpu_cores"} <= set(written)
    assert list(written["rows"]) == ["Keras", "SavedModel", "LiteRT float32"]
    for row in written["rows"].values():
        assert 0 < row["megabytes"] < 1
        assert row["peak_megabytes"] > 10
        for times in (row["rollout_ms"], row["frame_ms"]):
            assert 0 < times["p50"] <= times["p95"]
        assert row["drift_db"] is None or row["drift_db"] > 100
        assert row["mse"] == pytest.approx(written["rows"]["Keras"]["mse"], rel=1e-4)
    assert written["rows"]["Keras"]["drift_db"] is None
    assert benchmark.table(written["rows"]) in printed
    assert str(folder) in printed


def test_litert_needs_less_memory_than_tensorflow(benchmarked):
    rows = json.loads((benchmarked[0] / "benchmark.json").read_text())["rows"]
    assert rows["LiteRT float32"]["peak_megabytes"] < rows["SavedModel"]["peak_megabytes"] / 2


def test_a_form_that_fails_is_left_out_and_said(benchmarked):
    folder, printed = benchmarked
    assert "ONNX Runtime is left out: no such operation." in printed
    assert not (folder / "onnx").exists()


@pytest.mark.slow
def test_what_lies_there_already_is_used_again(benchmarked, tiny_source, saved_model, capsys):
    folder, printed = benchmarked
    assert "Exporting SavedModel" not in printed
    assert "Exporting LiteRT float32" in printed
    before = (folder / "float32.tflite").stat().st_mtime_ns
    paths = benchmark.export_all(tiny_source, folder, None)
    assert list(paths) == ["Keras", "SavedModel", "ONNX Runtime", "LiteRT float32"]
    assert (folder / "float32.tflite").stat().st_mtime_ns == before
    assert [*(folder / "saved_model").iterdir()] == [folder / "saved_model" / "1"]
    assert capsys.readouterr().out == "Exporting ONNX Runtime ...\n"
    shutil.rmtree(folder / "onnx")


@pytest.mark.parametrize("other", ["weights", "horizon", "context"])
def test_artefacts_of_another_model_are_neither_used_nor_harmed(benchmarked, tiny_source, other):
    folder, _ = benchmarked
    before = {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    model = tiny(seed=5 if other == "weights" else 0, horizon=4 if other == "horizon" else HORIZON)
    source = Source("other", model, 2 if other == "context" else TIME, {}, {})
    with pytest.raises(ValueError, match=r"artefacts of one model.*Choose another folder"):
        benchmark.export_all(source, folder, None)
    assert before == {file: file.read_bytes() for file in folder.rglob("*") if file.is_file()}


def test_a_form_that_failed_once_is_tried_again(still_source, tmp_path, monkeypatch, capsys):
    for name in ("save_onnx", "save_tflite"):
        monkeypatch.setattr(benchmark, name, fail)
    with monkeypatch.context() as broken:
        broken.setattr("export.artifacts.parity.Report.check", fail)
        assert list(benchmark.export_all(still_source, tmp_path, None)) == ["Keras"]
    assert "SavedModel is left out: no such operation." in capsys.readouterr().out
    assert list(benchmark.export_all(still_source, tmp_path, None)) == ["Keras", "SavedModel"]
    open_artifact(tmp_path / "saved_model")


def test_the_best_model_of_a_run_is_spared(still_source, tmp_path, monkeypatch):
    for name in ("save_model", "save_onnx", "save_tflite"):
        monkeypatch.setattr(benchmark, name, fail)
    best = tmp_path / "model.keras"
    best.write_bytes(b"of another run")
    paths = benchmark.export_all(still_source, tmp_path, None)
    assert paths["Keras"].exists()
    assert best.read_bytes() == b"of another run"


def test_the_default_folder_is_of_one_model_and_its_frames(tiny_source):
    folders = {
        benchmark._default_output(Source("", tiny(seed=seed, horizon=horizon), time, {}, {}))
        for seed, horizon, time in [(0, 3, 3), (1, 3, 3), (0, 4, 3), (0, 3, None), (0, 3, 3)]
    }
    assert len(folders) == 4
    assert benchmark._default_output(tiny_source) in folders


def row(scale):
    times = {"p50": 1.25 * scale, "p95": 2.5 * scale}
    return {"megabytes": 1.0, "rollout_ms": times, "frame_ms": times, "peak_megabytes": 99.6}


def test_rows_are_measured_against_the_first(monkeypatch, tmp_path):
    sequences = np.full((2, 3, 2, 2, 1), 0.5, np.float32)
    predicted = {"one": 0.5, "same": 0.5, "worse": 0.6}

    def measured(path, given):
        assert given.shape == (2, 2, 2, 2, 1)
        return np.full((2, 1, 2, 2, 1), predicted[path], np.float32), row(1)

    monkeypatch.setattr(benchmark, "_measured", measured)
    rows = benchmark.measure_all({name: name for name in predicted}, sequences, horizon=1)
    assert [rows[name]["drift_db"] for name in ("one", "same")] == [None, None]
    assert rows["worse"]["drift_db"] == pytest.approx(20.0, abs=1e-3)
    assert rows["worse"]["mse"] == pytest.approx(4 * 0.01, rel=1e-4)


def test_the_table_is_aligned_and_says_what_is_equal():
    rows = {
        "Keras": {**row(1), "drift_db": None, "mse": 60.0},
        "LiteRT": {**row(4), "drift_db": 41.26, "mse": 61.234},
    }
    header, keras, litert = benchmark.table(rows).splitlines()
    assert len(header) == len(keras) == len(litert)
    assert keras.split() == ["Keras", "1.0", "1.2", "2.5", "1.25", "2.50", "100", "equal", "60.00"]
    assert litert.split()[-2:] == ["41.3", "61.23"]


def test_a_form_that_can_not_be_measured_is_left_out_and_said(monkeypatch, capsys):
    sequences = np.zeros((1, 2, 2, 2, 1), np.float32)

    def measured(path, given):
        return fail() if path == "crashes" else (sequences[:, :1], row(1))

    monkeypatch.setattr(benchmark, "_measured", measured)
    rows = benchmark.measure_all({name: name for name in ("Keras", "crashes")}, sequences, 1)
    assert list(rows) == ["Keras"]
    assert "crashes is left out: no such operation." in capsys.readouterr().out
    with pytest.raises(Failure, match="no such operation"):  # There is nothing to hold others to.
        benchmark.measure_all({name: name for name in ("crashes", "LiteRT")}, sequences, 1)


def test_an_artefact_that_is_none_is_a_failure(tmp_path):
    (tmp_path / "x.tflite").write_bytes(b"damaged")
    with pytest.raises(Failure, match=r"export\.artifacts\.measuring ended with exit status 1"):
        benchmark._measured(tmp_path / "x.tflite", contexts(1))


def test_keras_is_measured_as_users_run_it(tiny_model_run, tiny_source):
    artifact = KerasArtifact(tiny_model_run / "model.keras")
    expected = tiny_source.model.predict(contexts(), verbose=0)
    np.testing.assert_array_equal(artifact.forecast(contexts()), expected)
    np.testing.assert_allclose(artifact.stream(contexts()), expected, atol=1e-6)


def test_the_first_two_times_are_not_counted():
    calls = []
    durations = measuring.milliseconds(lambda: calls.append(1), 5)
    assert (len(durations), len(calls)) == (5, 7)
    assert all(duration >= 0 for duration in durations)


def test_percentiles_are_the_median_and_the_95th():
    assert measuring.percentiles([*map(float, range(101))]) == {"p50": 50.0, "p95": 95.0}


@pytest.mark.parametrize(
    ("flags", "message"),
    [([], "--model is needed"), (["--model=x", "--sequences=0"], "sequences")],
)
def test_a_wrong_flag_is_answered_with_its_rule(flags, message):
    with pytest.raises(ValueError, match=message):
        benchmark.main(flags)
