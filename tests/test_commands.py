"""Commands that are printed can be pasted."""

import os
import shlex
import sys
from pathlib import Path

from absl import flags

from programs.commands import again, command, tensorboard


def test_what_a_shell_would_split_is_quoted():
    text = command("trainers.train", resume="My Drive/run", quiet=True, skips=False)
    assert shlex.split(text)[1:] == [
        "-m",
        "trainers.train",
        "--resume=My Drive/run",
        "--quiet",
        "--noskips",
    ]
    assert shlex.split(tensorboard("My Drive"))[1:] == ["--logdir", "My Drive"]


def test_a_command_is_repeated_with_what_was_given_and_changes():
    values = flags.FlagValues()
    flags.DEFINE_string("server", None, "", flag_values=values)
    flags.DEFINE_string("output", None, "", flag_values=values)
    flags.DEFINE_integer("horizon", 3, "", flag_values=values)
    flags.DEFINE_bool("quiet", False, "", flag_values=values)
    values(["", "--server=host:8500", "--output=a.gif", "--quiet"])
    words = shlex.split(again("export.client", values, output="b.gif", stream=True))
    assert words[3:] == ["--server=host:8500", "--output=b.gif", "--stream"]


def test_an_environment_here_that_nobody_activated_is_named(tmp_path, monkeypatch):
    for name in ("python", "tensorboard"):
        tool = tmp_path / ".venv" / "bin" / name
        tool.parent.mkdir(parents=True, exist_ok=True)
        tool.touch(0o755)
    monkeypatch.setattr(sys, "executable", str(tool.with_name("python")))
    monkeypatch.chdir(tmp_path)
    assert command("trainers.train").split()[0] == ".venv/bin/python"
    assert tensorboard("runs") == ".venv/bin/tensorboard --logdir runs"
    monkeypatch.setenv("PATH", f"{tool.parent}{os.pathsep}{os.environ['PATH']}")
    assert command("trainers.train").split()[0] == "python"
    monkeypatch.chdir(Path(__file__).parent)
    monkeypatch.setenv("PATH", "")
    assert command("trainers.train").split()[0] == "python"
