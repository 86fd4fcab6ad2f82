"""The SavedModel in C++, by the loader that TensorFlow Serving itself uses."""

import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import tensor_pb2

pytest_plugins = ["served_model"]
pytestmark = pytest.mark.skipif(not shutil.which("g++"), reason="there is no C++ compiler")

SOURCE = Path(__file__).parent / "cpp" / "run_signature.cc"


@pytest.fixture(scope="module", name="program")
def _program(tmp_path_factory):
    program = tmp_path_factory.mktemp("cpp") / "run_signature"
    libraries = tf.sysconfig.get_lib()
    command = [
        "g++",
        *("-std=c++17", "-O0", "-w"),
        *tf.sysconfig.get_compile_flags(),
        str(SOURCE),
        *("-o", str(program), f"-L{libraries}", f"-Wl,-rpath,{libraries}"),
        # Without it no session is registered: nothing here names one.
        "-Wl,--no-as-needed",
        *("-l:libtensorflow_cc.so.2", "-l:libtensorflow_framework.so.2"),
    ]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return program


@pytest.fixture(name="run")
def _run(program, exported, tmp_path):
    def run(signature, **inputs):
        sent, received = tmp_path / "inputs", tmp_path / f"{signature}_outputs"
        shutil.rmtree(sent, ignore_errors=True)
        for folder in (sent, received):
            folder.mkdir()
        for name, array in inputs.items():
            proto = tf.make_tensor_proto(array)
            (sent / f"{name}.pb").write_bytes(proto.SerializeToString())
        command = [program, exported / "1", signature, sent, received]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return {
            file.stem: tf.make_ndarray(tensor_pb2.TensorProto.FromString(file.read_bytes()))
            for file in received.iterdir()
        }

    return run


@pytest.fixture(name="context")
def _context():
    return np.random.default_rng(0).random((2, 3, 16, 24, 1), "float32")


def test_forecast_is_what_python_predicts(run, loaded, context):
    expected = loaded["forecast"](context=tf.constant(context))["predictions"]
    np.testing.assert_array_equal(run("forecast", context=context)["predictions"], expected)


def test_prime_and_step_follow_a_video(run, loaded, context):
    expected = loaded["forecast"](context=tf.constant(context))["predictions"]
    primed = run("prime", context=context)
    np.testing.assert_allclose(primed["frame"], expected[:, 0], atol=1e-6)
    stepped = run("step", **primed)
    np.testing.assert_allclose(stepped["next_frame"], expected[:, 1], atol=1e-6)


def test_a_context_of_another_size_is_refused_by_name(run, context):
    with pytest.raises(AssertionError, match="`context` must have shape"):
        run("forecast", context=context[:, :, :8])
