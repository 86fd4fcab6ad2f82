"""`--help` of every program: examples that are understood, and its own settings alone."""

import re
import shlex
from pathlib import Path

import pytest
from absl import flags
from programs_table import PROGRAMS, check_understood

from programs.console import BOLD
from programs.help_text import help_text

ROOT = Path(__file__).parent.parent


def shown(module, capsys, *arguments):
    with pytest.raises(SystemExit) as ended:
        module.main([*arguments, "--help"])
    assert ended.value.code == 0
    return capsys.readouterr().out


def examples(text):
    """The commands of a description, with lines that go on put together."""
    lines = text.replace("\\\n", " ").splitlines()
    return [shlex.split(line, comments=True) for line in lines if line.startswith("    python")]


def test_every_program_is_in_the_table():
    mains = {
        f"{path.parent.name}.{path.stem}"
        for folder in ("trainers", "export")
        for path in (ROOT / folder).glob("*.py")
        if "command_line.run(main)" in path.read_text()
    }
    assert mains == set(PROGRAMS)


@pytest.mark.parametrize("name", PROGRAMS)
def test_the_examples_of_a_program_are_understood(name):
    commands = [command for command in examples(PROGRAMS[name].__doc__) if command[2] == name]
    assert commands
    for command in commands:
        check_understood(command)


@pytest.mark.parametrize("name", PROGRAMS)
def test_help_teaches_by_example_and_lists_the_settings(name, capsys):
    text = shown(PROGRAMS[name], capsys)
    assert text.index(f"    python -m {name}") < text.index("--quiet")
    assert not {"--flagfile", "--undefok"} & set(re.findall(r"--\w+", text))


def test_a_benchmark_lists_its_own_settings_alone(capsys):
    text = shown(PROGRAMS["trainers.benchmark"], capsys, "data")
    assert "--gigabytes=X" in text
    assert "--steps" not in text


def test_settings_stand_under_what_they_decide_with_their_defaults(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "100")
    text = shown(PROGRAMS["trainers.train"], capsys)
    sections = dict(re.findall(r"^([A-Z][\w ]+):\n((?:  .*\n)+)", text, re.M))
    assert list(sections) == ["Settings", "Data", "Model", "Learning", "Run", "In every program"]
    filters = "--filters=N                   Channels of the memory. (small: 16, paper: 64)"
    assert filters in sections["Model"]
    assert re.search(r"--kernel_size=N .*\(5\)$", sections["Model"], re.M)
    assert re.search(r"--\[no\]xla .*\(no\)$", sections["Run"], re.M)
    assert "--dataset=..." in sections["Data"]
    assert "--[no]skips" in sections["Model"]
    assert max(map(len, text.splitlines())) <= 100


def test_a_benchmark_that_is_misspelt_is_named():
    for arguments in (["sped"], ["--quiet", "speed"]):
        with pytest.raises(ValueError, match=r"Name a benchmark first: speed, data\."):
            PROGRAMS["trainers.benchmark"].main(arguments)


def test_a_long_name_gets_a_line_of_its_own():
    values = flags.FlagValues()
    flags.DEFINE_integer("a" * 40, 3, "Its meaning.", flag_values=values, module_name="Title")
    flags.DEFINE_enum("b", "x", ["x", "y"], "Which.", flag_values=values, module_name="Title")
    assert help_text("What.\n\n    python -m it", values) == (
        f"What.\n\n    python -m it\n\nTitle:\n  --{'a' * 40}=N\n{' ' * 32}Its meaning. Default: 3."
        f"\n  --b=...{' ' * 23}Which. One of x, y. Default: x."
    )
    assert BOLD not in help_text("What.\n\n    python -m it", values)  # Here is no terminal.
