"""What `--help` shows: examples first, then every setting that the program takes."""

from __future__ import annotations

import shutil
import textwrap

from absl import flags

from programs.console import BOLD, styled

WIDEST = 100  # Columns, on terminals that are wider.
_NAMES = 28  # Columns for the names of settings.


def help_text(description: str, values: flags.FlagValues) -> str:
    """Returns the help of a program.

    Args:
        description: one line, examples, and what else there is to know.
        values: the program's flags. Where the name of a flag's module is a title, rather than
            that of a Python module, it is shown under it.
    """
    sections: dict[str, list[flags.Flag]] = {}
    for module, members in values.flags_by_module_dict().items():
        if not module.startswith("absl."):  # Of its own, which are no settings.
            sections.setdefault(_title(module), []).extend(members)
    return "\n\n".join(
        [
            _with_marked_examples(description.strip()),
            *(
                f"{styled(f'{title}:', BOLD)}\n" + "\n".join(map(_lines, members))
                for title, members in sections.items()
            ),
        ]
    )


def _title(module: str) -> str:
    return "Settings" if set("./") & set(module) else module


def _with_marked_examples(description: str) -> str:
    return "\n".join(
        styled(line, BOLD) if line.startswith("    ") else line for line in description.split("\n")
    )


def _lines(flag: flags.Flag) -> str:
    width = min(shutil.get_terminal_size().columns, WIDEST)
    name = _name(flag)
    text = textwrap.wrap(_meaning(flag), max(width - _NAMES - 4, 30), break_long_words=False)
    if len(name) > _NAMES:
        text.insert(0, "")
    first, *rest = text
    lines = [f"  {name:{_NAMES}}  {first}".rstrip()]
    return "\n".join([*lines, *(" " * (_NAMES + 4) + line for line in rest)])


def _name(flag: flags.Flag) -> str:
    if flag.boolean:
        return f"--[no]{flag.name}" if flag.name not in ALWAYS_OFF else f"--{flag.name}"
    return f"--{flag.name}={_VALUES.get(flag.flag_type(), '...')}"


def _meaning(flag: flags.Flag) -> str:
    parts = [flag.help]
    if isinstance(flag.parser, flags.EnumParser):  # Whose help begins with <a|b|c>.
        parts = [flag.help.partition(">: ")[2], f"One of {', '.join(flag.parser.enum_values)}."]
    if not flag.boolean and flag.default not in (None, "", []):
        shown = ",".join(flag.default) if isinstance(flag.default, list) else flag.default
        parts.append(f"Default: {shown}.")
    return " ".join(parts)


_VALUES = {"int": "N", "float": "X", "comma separated list of strings": "A,B"}
ALWAYS_OFF = ("help", "quiet")  # Booleans that nobody turns off.
