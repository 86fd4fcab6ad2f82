"""Makes a model of weights that were trained in PyTorch.

    python -m trainers.convert --weights=predrnn.pth --output=predrnn.keras
    python -m trainers.evaluate --model=predrnn.keras

It takes the ConvLSTM, PredRNN and PredRNN++ of OpenSTL, the PredRNN of predrnn-pytorch, and IPRNN
of the parts that its author's code has: STGRUs (of STIP) between the encoder and decoder of MAU.
Which it is, and its size, follow from names and shapes. What `torch.save` wrote (`.pth`, `.pt`,
`.ckpt`, `.ckpt-80000`) is read by PyTorch (`pip install torch`), which executes no code in it; a
`.npz` file of arrays by the same names needs no PyTorch.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from absl import flags

from iprnn_tf.files import replacing
from iprnn_tf.models import PatchRNN, RecurrentPredictor, author, openstl
from programs import command_line
from programs.commands import command
from programs.console import console

SUFFIXES = (".npz", ".pth", ".pt", ".ckpt")
LAYOUTS = {openstl.FIRST: openstl.from_openstl, author.FIRST: author.from_author}
WRAPPERS = ("state_dict", "net_param")  # Lightning's, and predrnn-pytorch's.


def main(arguments: Sequence[str]) -> None:
    """Converts as the arguments say."""
    values = command_line.parse(__doc__ or "", _define_flags, arguments)
    if not values.weights or not values.output:
        raise ValueError(
            "A conversion takes --weights (a file) and --output (a .keras file). Received: "
            f"--weights={values.weights} --output={values.output}. Give both."
        )
    output = Path(values.output)
    if output.suffix != ".keras":
        raise ValueError(
            f"--output is a .keras file. Received: {output}. Give {output.with_suffix('.keras')}."
        )
    command_line.check_file(output)
    shape = (values.height, values.width, values.channels)
    model = _model(_state_dict(Path(values.weights)), shape)
    with replacing(output) as path:
        model.save(path)
    console.conclude(
        f"{_described(model)}: {model.count_params():,} weights.",
        output,
        command("trainers.evaluate", model=output),
    )


def _define_flags(values: flags.FlagValues) -> None:
    flags.DEFINE_string("weights", None, "File of PyTorch weights.", flag_values=values)
    flags.DEFINE_string("output", None, "File to write, .keras.", flag_values=values)
    for name, default in (("height", 64), ("width", 64), ("channels", 1)):
        flags.DEFINE_integer(
            name, default, "Of the frames it was trained on.", 1, flag_values=values
        )


def _model(state: Mapping[str, np.ndarray], shape: Sequence[int]) -> RecurrentPredictor:
    """Creates the model in whose layout the names are."""
    for first, create in LAYOUTS.items():
        if any(name.endswith(first) for name in state):
            return create(state, shape)
    raise ValueError(
        f"--weights have {openstl.FIRST!r}, if they are of OpenSTL's recurrent models, or "
        f"{author.FIRST!r}, of STGRUs in the layout of IPRNN's author. Received: "
        f"{', '.join(sorted(state)[:4]) or 'none'}, ... Give the state dict of one of these."
    )


def _described(model: RecurrentPredictor) -> str:
    """What was found in a file."""
    cell = type(model.cell.cells[0]).__name__
    memories = f"{model.num_layers} x {cell}({model.cell.output_size})"
    side = model.encoder.stride
    if isinstance(model, PatchRNN):
        return f"{memories} on patches of {side} x {side}"
    return f"IPRNN, {memories} on frames whose sides are divided by {side}"


def _state_dict(path: Path) -> Mapping[str, np.ndarray]:
    """Reads arrays by their names in PyTorch."""
    suffix = path.suffix.lower().partition("-")[0]
    if suffix not in SUFFIXES or not path.is_file():
        raise ValueError(
            f"--weights is a file that ends with {', '.join(SUFFIXES)}. Received: {path}"
            f"{'' if path.is_file() else ', which is not there'}. Give such a file."
        )
    return _from_arrays(path) if suffix == ".npz" else _from_pytorch(path)


def _from_arrays(path: Path) -> Mapping[str, np.ndarray]:
    try:
        arrays = np.load(path, allow_pickle=False)
        return {} if isinstance(arrays, np.ndarray) else dict(arrays)
    except (OSError, ValueError, EOFError, BadZipFile) as error:
        raise ValueError(
            f"--weights holds arrays by name. Received: {path}, which can't be read ({error}). "
            "Write it by numpy.savez."
        ) from None


def _from_pytorch(path: Path) -> Mapping[str, np.ndarray]:
    try:
        import torch
    except ImportError:
        raise ValueError(
            f"PyTorch reads its own files. Received: {path} and a Python without it. `pip install "
            "torch`, or elsewhere numpy.savez the arrays of the state dict."
        ) from None
    try:
        read: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # What it raises isn't told.
        raise ValueError(
            f"--weights is what torch.save made of a state dict. Received: {path}, which can't be "
            f"read ({type(error).__name__}). Save the state dict alone."
        ) from None
    state = read if isinstance(read, dict) else {}
    state = next((state[key] for key in WRAPPERS if key in state), state)
    return {
        name: value.detach().float().numpy()
        for name, value in state.items()
        if isinstance(value, torch.Tensor)
    }


if __name__ == "__main__":
    command_line.run(main)
