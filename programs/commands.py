"""Commands that people can copy: what to do next, and how to go on."""

from __future__ import annotations

import shlex
import shutil
import sys
from pathlib import Path

from absl import flags

from iprnn_tf.visualization import DRAWABLE_CHANNELS

SERVED = Path("serving/models/iprnn")  # What export/serving/docker-compose.yml serves.


def command(program: str, *arguments: object, **settings: object) -> str:
    """Returns a command that runs one of the programs, quoted for a shell where that is needed.

    Args:
        program: as in "trainers.train".
        *arguments: words that follow it.
        **settings: `name=value` for `--name=value`, `name=True` for `--name`.
    """
    flagged = [_flag(name, value) for name, value in settings.items()]
    return shlex.join([_tool("python"), "-m", program, *map(str, arguments), *flagged])


def again(program: str, values: flags.FlagValues, **changes: object) -> str:
    """Returns the command that a program was called with, with some settings changed."""
    kept = [
        values[name].serialize()
        for name in values
        if values[name].present and name not in (*changes, "quiet")
    ]
    return command(program, *kept, **changes)


def look_further(program: str, values: flags.FlagValues, horizon: int, **changes: object) -> str:
    """Returns the command that predicts twice as far, beside what was predicted."""
    output = Path(values.output)
    beside = output.with_stem(f"{output.stem}_further")
    return again(program, values, horizon=2 * horizon, output=beside, **changes)


def predict(model: object, channels: int) -> str:
    """Returns the command that predicts a clip, and draws it where so many channels can be."""
    suffix = "gif" if channels in DRAWABLE_CHANNELS else "npy"
    return command("trainers.predict", model=model, input="CLIP", output=f"prediction.{suffix}")


def export(model: object) -> str:
    """Returns the command that exports a model to where it is served from."""
    return command("export.saved_model", model=model, output=SERVED)


def tensorboard(folder: object) -> str:
    """Returns the command that shows the curves and filmstrips below a folder."""
    return shlex.join([_tool("tensorboard"), "--logdir", str(folder)])


def _flag(name: str, value: object) -> str:
    if isinstance(value, bool):
        return f"--{name}" if value else f"--no{name}"
    return f"--{name}={value}"


def _tool(name: str) -> str:
    """How a tool of this environment is called from here."""
    own, found = Path(sys.executable).parent / name, shutil.which(name)
    below = own.is_relative_to(Path.cwd())  # As where `make` has put it, and nobody activated it.
    return str(own.relative_to(Path.cwd())) if below and found != str(own) else name
