"""What programs say: progress, results, colours, and silence."""

import io
import time

from programs import command_line
from programs import console as module
from programs.console import BOLD, Console, styled


class Terminal(io.StringIO):
    """Text that says it is a terminal."""

    def isatty(self):
        return True


def on_a_terminal(monkeypatch):
    """Makes stdout a terminal; in the test itself, as pytest sets stdout before each."""
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    monkeypatch.setattr("sys.stdout", stream)
    return stream


def work(console, steps=3):
    with console.progress("Working", steps, "steps") as bar:
        for step in range(steps):
            bar.set_postfix_str(f"loss {step}", refresh=False)
            bar.update()


def test_a_terminal_sees_a_bar_with_the_time_left(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    work(Console())
    assert "\r" in terminal.getvalue()
    last = terminal.getvalue().split("\r")[-1]
    assert "Working 100%" in last
    assert "3/3 steps, 00:00 left, loss 2" in last


def test_a_bar_fits_into_80_columns_with_all_its_figures(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.setattr(module.tqdm, "monitor_interval", 0)
    with Console().progress("Validating", 80_000, "steps", 12_345) as bar:
        bar.ncols, bar.dynamic_ncols = 80, None
        bar.set_postfix_str("loss 8.123e-05")
    assert "loss 8.123e-05" in terminal.getvalue()


def test_the_bar_of_interrupted_work_is_left_before_the_next(monkeypatch):
    on_a_terminal(monkeypatch)
    console = Console()
    first = console.progress("Working", 3, "steps")
    second = console.progress("Working", 3, "steps")
    assert first.disable
    assert second.pos == 0
    second.close()


def test_elsewhere_lines_come_now_and_then(capsys, monkeypatch):
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0.05)
    with Console().progress("Working", 40, "steps", done=10) as bar:
        for _ in range(30):
            time.sleep(0.01)
            bar.update()
    lines = capsys.readouterr().out.splitlines()
    assert 2 <= len(lines) <= 8
    assert lines[-1] == "Working: 40 of 40 steps, 00:00 left"
    assert all("left" in line and "\r" not in line for line in lines)


def test_what_is_done_in_a_moment_needs_no_lines(capsys):
    work(Console())
    assert capsys.readouterr() == ("", "")


def test_without_a_total_the_count_is_shown(monkeypatch):
    terminal = on_a_terminal(monkeypatch)
    with Console().progress("Predicting", None, "forecasts") as bar:
        bar.update(4)
    assert "Predicting: 4 forecasts in 00:00" in terminal.getvalue()


def test_what_is_interrupted_leaves_its_bar_above_the_message(monkeypatch):
    terminal, console = on_a_terminal(monkeypatch), Console()
    bar = console.progress("Working", 3, "steps")
    console.stop()
    assert terminal.getvalue().endswith("\n")
    assert bar.disable  # As tqdm says that one is closed.


def test_the_end_names_the_results_and_the_next_commands(capsys):
    Console().conclude("A table.", "runs/x", "one", "two", contents="model.keras")
    assert capsys.readouterr().out == (
        "\nA table.\n\nResults: runs/x (model.keras)\nNext:\n  one\n  two\n"
    )


def test_quiet_leaves_where_the_results_are(capsys, monkeypatch):
    console = Console()
    console.quiet = True
    monkeypatch.setattr(module, "SECONDS_BETWEEN_LINES", 0)
    console.say("something")
    work(console)
    console.conclude("A table.", "runs/x", "one")
    assert capsys.readouterr() == ("runs/x\n", "")


def test_quiet_leaves_a_report_that_is_in_no_file(capsys):
    console = Console()
    console.quiet = True
    console.conclude("A table.", None, "one")
    assert capsys.readouterr().out == "A table.\n"


def test_the_flag_makes_it_quiet_for_that_command_alone(monkeypatch):
    monkeypatch.setattr(module.console, "quiet", False)
    command_line.parse("", lambda values: None, ["--quiet"])
    assert module.console.quiet
    command_line.parse("", lambda values: None, [])
    assert not module.console.quiet


def test_colours_are_for_terminals_that_want_them(monkeypatch):
    on_a_terminal(monkeypatch)
    assert styled("text", BOLD) == f"{BOLD}text\x1b[0m"
    monkeypatch.setenv("NO_COLOR", "1")
    assert styled("text", BOLD) == "text"
    monkeypatch.delenv("NO_COLOR")
    monkeypatch.setenv("TERM", "dumb")
    assert styled("text", BOLD) == "text"
    assert styled("text", BOLD, io.StringIO()) == "text"
    monkeypatch.setattr("sys.stdout", None)  # Closed.
    assert styled("text", BOLD) == "text"
