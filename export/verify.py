"""Checks that an exported artefact still predicts what its model predicts.

    python -m export.verify --artifact=serving/models/iprnn --model=iprnn_small_moving_mnist
    python -m export.verify --artifact=iprnn.tflite --model=runs/mnist-small-...
    python -m export.verify --artifact=iprnn_onnx --model=... --data=my_sequences.npy

Both roll out on the same true sequences: what the model was trained on, or those of an array. The
exit status is 1 where the artefact has drifted, or was exported from another model.
"""

from __future__ import annotations

from collections.abc import Sequence

from absl import flags

from export.artifacts import parity
from export.artifacts.artifact import open_artifact
from export.inputs.source import Source, define_data_flag
from programs import command_line
from programs.commands import command
from programs.console import console


def main(arguments: Sequence[str]) -> None:
    """Compares as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if not values.artifact or not values.model:
        raise ValueError(
            "--artifact (what was exported) and --model (what it was exported from) are needed. "
            f"Received: --artifact={values.artifact} --model={values.model}. Give both."
        )
    artifact = open_artifact(values.artifact)
    frames = artifact.description["context_frames"] or 0
    model = Source.load(values.model, frames, artifact.horizon)
    report = parity.compare(model, artifact, values.data)
    console.say(f"\n{artifact.path} ({artifact.precision}) beside {values.model}:\n\n{report}")
    report.check()
    console.conclude(
        "The artefact predicts what its model predicts.",
        artifact.path,
        command("export.benchmark", model=values.model),
    )


def _define_flags(values: flags.FlagValues) -> None:
    define_string = flags.DEFINE_string
    define_string("artifact", None, "SavedModel, .tflite or folder of .onnx.", flag_values=values)
    define_string("model", None, "Run directory, .keras file or preset.", flag_values=values)
    define_data_flag(values)


if __name__ == "__main__":
    command_line.run(main)
