"""Fixtures: tiny models, and what the exporters make of them."""

import pytest
from tiny_models import TIME, tiny, write_run

from export import onnx
from export.inputs.source import Source
from export.saved_model import save_model
from export.tflite import PRECISIONS, save_tflite
from iprnn_tf import CopyLastFrame


@pytest.fixture(scope="session", name="tiny_source")
def _tiny_source():
    """A tiny model, to be given three frames."""
    return Source("tiny", tiny(), TIME, {}, {})


@pytest.fixture(scope="session", name="tiny_model_run")
def _tiny_model_run(tiny_source, tmp_path_factory):
    """The same in a run directory."""
    folder = tmp_path_factory.mktemp("models") / "tiny"
    return write_run(folder, tiny_source.model, context_frames=TIME)


@pytest.fixture(scope="session", name="saved_model")
def _saved_model(tiny_source, tmp_path_factory):
    """The same as a SavedModel; the folder of its only version."""
    return save_model(tiny_source, tmp_path_factory.mktemp("saved_models"))


@pytest.fixture(scope="session", name="onnx_folder")
def _onnx_folder(tiny_model_run, tmp_path_factory):
    """The same as ONNX files."""
    pytest.importorskip("tf2onnx")
    folder = tmp_path_factory.mktemp("onnx") / "iprnn_onnx"
    onnx.main([f"--model={tiny_model_run}", f"--output={folder}"])
    return folder


@pytest.fixture(scope="session", name="still_source")
def _still_source():
    """A baseline without weights, which is exported in no time."""
    return Source("still", CopyLastFrame((12, 20, 1), horizon=2), TIME, {}, {})


@pytest.fixture(scope="session", name="wide_source")
def _wide_source():
    """A model of so many filters that LiteRT finds its weights worth quantizing."""
    return Source("wide", tiny(filters=16, kernel_size=5), TIME, {}, {})


@pytest.fixture(scope="session", name="wide_run")
def _wide_run(wide_source, tmp_path_factory):
    """The same in a run directory."""
    folder = tmp_path_factory.mktemp("models") / "wide"
    return write_run(folder, wide_source.model, context_frames=TIME)


@pytest.fixture(scope="session", name="litert_files")
def _litert_files(wide_source, tmp_path_factory):
    """The wide model as a `.tflite` file of each precision, by precision."""
    folder = tmp_path_factory.mktemp("litert")
    files = {name: folder / f"{name}.tflite" for name in PRECISIONS.values()}
    for name, file in files.items():
        save_tflite(wide_source, file, name)
    return files
