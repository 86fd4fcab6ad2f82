"""Exports a predictor as a SavedModel, for TF Serving and everything else that loads TensorFlow's.

    python -m export.saved_model --model=iprnn_small_moving_mnist --output=serving/models/iprnn
    python -m export.saved_model --model=runs/mnist-small-... --output=serving/models/iprnn
    python -m export.saved_model --model=... --output=... --horizon=30     # the same weights

Each call writes a new numbered version, whole or not at all, so a server that watches the folder
never sees half a model. It holds the signatures `forecast` (also `serving_default`),
`forecast_images`, `prime` and `step`, requests that warm a server up, and `iprnn.json`, which says
what it is.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from absl import flags

from export.artifacts import parity
from export.artifacts.artifact import DESCRIPTION, EXTRAS, SavedModelArtifact
from export.graphs import warm_up
from export.graphs.signatures import Signatures
from export.inputs import source
from export.inputs.source import Source
from iprnn_tf.files import new_folder, write_json
from programs import command_line
from programs.commands import SERVED
from programs.console import console

WARM_UP_BATCHES = (1, 2, 4, 8)  # The sizes that export/serving/batching.config allows.


def main(arguments: Sequence[str]) -> None:
    """Exports as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if not values.output:
        raise ValueError(
            "--output is needed: the folder of a model's versions. Received: nothing. "
            "Try --output=serving/models/iprnn."
        )
    base = Path(values.output)
    version = next_version(base, values.version)
    batches = _batches(values.warm_up)
    command_line.check_folder(base)
    console.say("Tracing, and comparing with the model on true sequences ...")
    path = save_model(source.from_flags(values), base, version, batches, values.data)
    commands = [source.verification(values, path)]
    if base == SERVED:
        commands.append("docker compose -f export/serving/docker-compose.yml up")
    console.conclude(
        "It predicts what its model predicts. How to serve it, and put a new version into "
        "service: docs/serving.md.",
        path,
        *commands,
    )


def save_model(
    model: Source,
    base: str | Path,
    version: int | None = None,
    warm_up_batches: Sequence[int] = WARM_UP_BATCHES,
    data: str | None = None,
) -> Path:
    """Writes a version of a SavedModel that predicts what the model predicts, or none.

    Args:
        model: what to export.
        base: folder of the versions of one served model.
        version: its number; by default one more than the highest there.
        warm_up_batches: batch sizes of the requests that warm a server up.
        data: array of true sequences to compare on; by default what it was trained on.

    Returns:
        The folder of the version.

    Raises:
        ValueError: if the version is there already.
        Failure: if it predicts something else.
        OSError: if it can't be written.
    """
    path = Path(base) / str(next_version(Path(base), version))
    signatures = Signatures(model.model, model.context_frames)
    requests = warm_up.requests(signatures, warm_up_batches)
    functions = signatures.served()
    with new_folder(path) as folder:
        signatures.save(folder, {"serving_default": functions["forecast"], **functions})
        extras = folder / EXTRAS
        extras.mkdir(exist_ok=True)
        warm_up.write(extras, requests)
        write_json(extras / DESCRIPTION, model.description(functions))
        parity.compare(model, SavedModelArtifact(folder), data).check()
    return path


def next_version(base: Path, version: int | None = None) -> int:
    """Returns the number of a version that isn't there yet.

    Raises:
        ValueError: if the version that was asked for is there.
    """
    if base.exists() and not base.is_dir():
        raise ValueError(f"--output must be a folder. Received: {base}, a file. Choose another.")
    present = [int(path.name) for path in base.glob("*") if path.name.isdecimal()]
    if version is None:
        return max(present, default=0) + 1
    if version in present:
        raise ValueError(
            f"A version is written once: servers may be reading it. Received: --version={version}, "
            f"which {base} holds, as {sorted(present)}. Leave --version out for the next."
        )
    return version


def _define_flags(values: flags.FlagValues) -> None:
    source.define_flags(values)
    flags.DEFINE_string("output", None, "Folder of the model's versions.", flag_values=values)
    flags.DEFINE_integer(
        "version", None, "Number to write, by default the next.", 1, flag_values=values
    )
    flags.DEFINE_list(
        "warm_up", list(map(str, WARM_UP_BATCHES)), "Batch sizes to warm up.", flag_values=values
    )


def _batches(texts: Sequence[str]) -> list[int]:
    if not all(text.isdecimal() and int(text) > 0 for text in texts):
        raise ValueError(
            "--warm_up takes positive integers with commas between them. Received: "
            f"{','.join(texts)}. Give the allowed_batch_sizes of your server."
        )
    return [int(text) for text in texts]


if __name__ == "__main__":
    command_line.run(main)
