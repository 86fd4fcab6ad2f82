"""How programs end: exit statuses, one line for an error, and no line of TensorFlow's."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import jax
import pytest
import tensorflow as tf

from programs import command_line

ROOT = Path(__file__).parent.parent


def ended(main, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["program"])
    with pytest.raises(SystemExit) as end:
        command_line.run(main)
    return end.value.code


def raising(error):
    def main(arguments):
        raise error

    return main


@pytest.mark.parametrize(
    ("error", "status", "line"),
    [
        (ValueError("a rule.\nReceived: x."), 2, "error: a rule. Received: x."),
        (command_line.Failure("it drifted."), 1, "error: it drifted."),
        (OSError(28, "No space left"), 1, "error: [Errno 28] No space left"),
        (MemoryError(), 1, "error: out of memory. Try a smaller model or --batch_size."),
        (tf.errors.ResourceExhaustedError(None, None, "full"), 1, "error: full"),
        (
            jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: full"),
            1,
            "error: RESOURCE_EXHAUSTED: full",
        ),
        (KeyboardInterrupt("Go on with: x"), 130, "interrupted: Go on with: x"),
        (KeyboardInterrupt(), 130, "interrupted: Nothing half-written is left."),
        (command_line.Terminated("Go on with: x"), 143, "terminated: Go on with: x"),
    ],
)
def test_what_goes_wrong_is_one_line_and_a_status(error, status, line, monkeypatch, capsys):
    assert ended(raising(error), monkeypatch) == status
    assert capsys.readouterr() == ("", f"{line}\n")


def test_who_interrupts_is_told_how_to_go_on():
    with (
        pytest.raises(KeyboardInterrupt, match=r"Go on with the same command\."),
        command_line.when_interrupted(command_line.REPEAT),
    ):
        raise KeyboardInterrupt


@pytest.mark.parametrize("arguments", [["--speed=3"], ["--help=x"], ["runs/x"]])
def test_arguments_that_are_not_understood_are_the_users_mistake(arguments):
    with pytest.raises(ValueError, match="--help"):
        command_line.parse("", lambda values: None, arguments)


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--quite", "flag 'quite'. Did you mean: quiet? See --help."),
        ("--x", "flag 'x'. See --help."),
    ],
)
def test_an_unknown_setting_is_named_in_whole_sentences(argument, message):
    with pytest.raises(ValueError) as mistake:  # noqa: PT011 (the text is what is tested)
        command_line.parse("", lambda values: None, [argument])
    assert str(mistake.value) == f"Unknown command line {message}"


def test_a_place_that_cannot_be_written_to_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    command_line.check_folder(tmp_path / "a" / "b")
    with pytest.raises(ValueError, match=r"Received: .*x, but .*file is no folder\. Choose"):
        command_line.check_folder(tmp_path / "file" / "x")


def test_a_folder_is_no_file(tmp_path):
    command_line.check_file(tmp_path / "new" / "results.json")
    with pytest.raises(ValueError, match=r"must be a file\. Received: .*which is a folder"):
        command_line.check_file(tmp_path)


def run(*arguments, **changes):
    environment = {name: text for name, text in os.environ.items() if name[:6] != "TF_CPP"}
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        env=environment | changes,
        capture_output=True,
        text=True,
        check=False,
    )


def test_a_mistake_costs_one_line_on_stderr_and_none_of_tensorflows():
    done = run("-m", "trainers.evaluate", "--model=nowhere")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.startswith("error: A model is a run directory")
    assert done.stderr.count("\n") == 1


def test_a_closed_stderr_is_no_error():
    line = f"{sys.executable} -m trainers.evaluate --help 2>&-"
    environment = os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"}
    done = subprocess.run(["bash", "-c", line], env=environment, capture_output=True, check=False)
    assert done.returncode == 0


def test_what_needs_no_tensorflow_does_not_import_it():
    done = run("-c", "import sys, export.artifacts.artifact; print('tensorflow' in sys.modules)")
    assert (done.returncode, done.stdout) == (0, "False\n")


# Which notes TensorFlow writes depends on the processor; those of this one, on nothing.
CHATTY_TENSORFLOW = """
import logging, os, types
os.write(2, b"a note")
config = types.SimpleNamespace(list_physical_devices=lambda: os.write(2, b"another"))
get_logger = logging.getLogger
"""


@pytest.mark.parametrize(("level", "notes"), [({}, ""), ({"TF_CPP_MIN_LOG_LEVEL": "0"}, "a note")])
def test_only_who_asks_for_tensorflows_notes_sees_them(tmp_path, level, notes):
    (tmp_path / "tensorflow.py").write_text(CHATTY_TENSORFLOW)
    done = run("-c", "import programs, tensorflow", PYTHONPATH=str(tmp_path), **level)
    assert (done.returncode, done.stderr) == (0, notes)


def test_notes_of_an_import_that_fails_are_shown():
    failing = (
        "import os; from programs import quiet_start\n"
        "with quiet_start.without_notes():\n"
        "    os.write(2, b'the reason')\n"
        "    raise ImportError('no such library')"
    )
    done = run("-c", failing)
    assert "the reason" in done.stderr
    assert "no such library" in done.stderr


@pytest.mark.parametrize(
    ("error", "last_line"),
    [("KeyboardInterrupt", "interrupted: Nothing was begun."), ("NameError('x')", "NameError: x")],
)
def test_a_program_that_is_interrupted_while_it_loads_says_so_in_one_line(
    tmp_path, error, last_line
):
    (tmp_path / "loading").mkdir()
    (tmp_path / "loading" / "__init__.py").write_text(f"import programs\nraise {error}\n")
    done = run("-m", "loading.program", PYTHONPATH=f"{ROOT}{os.pathsep}{tmp_path}")
    assert done.returncode == (-signal.SIGINT if error == "KeyboardInterrupt" else 1)
    *traceback, line = done.stderr.splitlines()
    assert line == last_line
    assert bool(traceback) == (error != "KeyboardInterrupt")


def test_an_import_that_is_interrupted_shows_no_notes():
    interrupted = (
        "import os; from programs import quiet_start\n"
        "with quiet_start.without_notes():\n"
        "    os.write(2, b'a note')\n"
        "    raise KeyboardInterrupt"
    )
    assert "a note" not in run("-c", interrupted).stderr


PIPE = {"PYTHONUNBUFFERED": ""}  # With it set, nothing is left to be written at the end.


def test_a_reader_that_has_seen_enough_is_no_error():
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | PIPE
    line = f"{sys.executable} -m trainers.evaluate --help | true; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", line], env=environment, capture_output=True, text=True, check=True
    )
    assert "Exception ignored" not in done.stderr
    assert done.stdout == f"{command_line.PIPE_CLOSED}\n"


def test_work_that_nobody_reads_is_interrupted_work():
    with (
        pytest.raises(KeyboardInterrupt, match="Go on with"),
        command_line.when_interrupted(command_line.REPEAT),
    ):
        raise BrokenPipeError


def test_it_ends_as_others_do_whose_output_nobody_reads():
    done = run(
        "-c",
        "import sys; sys.argv[1:] = []; from programs import command_line\n"
        "def main(arguments):\n    raise BrokenPipeError\ncommand_line.run(main)",
    )
    assert (done.returncode, done.stderr) == (command_line.PIPE_CLOSED, "")
