"""The programs, each of which keeps what the tests of command lines promise."""

from absl import flags

import export.benchmark
import export.client
import export.onnx
import export.saved_model
import export.tflite
import export.verify
import trainers.benchmark
import trainers.compare
import trainers.convert
import trainers.evaluate
import trainers.learning
import trainers.predict
import trainers.prepare
import trainers.release
import trainers.study
import trainers.train

PROGRAMS = {
    module.__name__: module
    for module in (
        trainers.train,
        trainers.evaluate,
        trainers.predict,
        trainers.prepare,
        trainers.release,
        trainers.benchmark,
        trainers.study,
        trainers.learning,
        trainers.compare,
        trainers.convert,
        export.saved_model,
        export.tflite,
        export.onnx,
        export.verify,
        export.benchmark,
        export.client,
    )
}


def check_understood(command):
    """Raises an error if a program doesn't know the arguments of `python -m program ...`."""
    _, _, name, *arguments = command
    values = flags.FlagValues()
    if name == "trainers.benchmark":
        PROGRAMS[name].BENCHMARKS[arguments.pop(0)][0](values)
    else:
        PROGRAMS[name]._define_flags(values)
    assert values(["", *arguments]) == [""]
