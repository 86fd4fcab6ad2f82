"""Fields of a configuration that are flags too: what each means, and which values it takes."""

from __future__ import annotations

import dataclasses
import inspect
from collections.abc import Collection, Mapping
from types import MappingProxyType
from typing import Any

from absl import flags


def setting(default: Any, help: str, **rule: Any) -> Any:
    """A field with the help of its flag and the rule its values keep.

    Args:
        default: the value of the `small` configuration; its type is the flag's.
        help: one line.
        **rule: `minimum` and `maximum` (both allowed), or `choices`.
    """
    return dataclasses.field(default=default, metadata={"help": help, **rule})


def recorded(default: Any = "") -> Any:
    """A field that no flag sets: what a run found out, kept with its settings."""
    return dataclasses.field(default=default)


def check_settings(config: Any) -> None:
    """Raises a ValueError if a value of a configuration breaks its setting's rule."""
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if not _allows(field, value):
            raise ValueError(
                f"--{field.name}: {_rule(field)} Received: {value!r}. Give such a value, or leave "
                "the flag out."
            )


def define_flags(
    settings: type,
    values: flags.FlagValues,
    only: Collection[str] | None = None,
    configs: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Defines a flag for each setting; one that isn't given keeps the configuration's value.

    Args:
        settings: a dataclass whose fields are settings. Each is shown under the `title` of the
            class that it belongs to.
        values: what to define the flags on.
        only: names of the settings that get a flag; by default all.
        configs: by name, the configurations whose values the help shows.
    """
    for field in dataclasses.fields(settings):
        if "help" in field.metadata and (only is None or field.name in only):
            parts = [field.metadata["help"], _choices(field), _values(field.name, configs)]
            _definition(field)(
                field.name,
                None,
                " ".join(filter(None, parts)),
                flag_values=values,
                module_name=_title(settings, field.name),
            )


def given_settings(settings: type, values: flags.FlagValues) -> dict[str, Any]:
    """Returns the settings whose flags were given.

    Raises:
        ValueError: if one of a list isn't a positive integer.
    """
    return {
        field.name: _value(field, values[field.name].value)
        for field in dataclasses.fields(settings)
        if field.name in values and values[field.name].value is not None
    }


def _allows(field: dataclasses.Field[Any], value: Any) -> bool:
    rule = field.metadata
    if "choices" in rule:
        return value in rule["choices"]
    unsaid = value is None and field.default is None
    return unsaid or "minimum" not in rule or rule["minimum"] <= value <= rule["maximum"]


def _rule(field: dataclasses.Field[Any]) -> str:
    rule = field.metadata
    if "minimum" in rule:
        return f"From {rule['minimum']} to {rule['maximum']}."
    return _choices(field)


def _choices(field: dataclasses.Field[Any]) -> str:
    choices = field.metadata.get("choices", ())
    return f"One of {', '.join(map(str, choices))}." if choices else ""


def _title(settings: type, name: str) -> str:
    """The title of the class in which a setting stands."""
    owner = next(cls for cls in settings.__mro__ if name in inspect.get_annotations(cls))
    return str(owner.title)  # type: ignore[attr-defined]


def _values(name: str, configs: Mapping[str, Any]) -> str:
    """The values of a setting, as in `(small: 32, paper: 64)`, or `(5)` where all have one."""
    values = {key: _shown(getattr(config, name)) for key, config in configs.items()}
    if len(set(values.values())) == 1:
        values = {"": next(iter(values.values()))}
    shown = [f"{key}: {value}" if key else value for key, value in values.items() if value]
    return f"({', '.join(shown)})" if shown else ""


def _shown(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, list):
        return ",".join(map(str, value))
    if isinstance(value, int):
        return f"{value:,}"
    return "" if value is None else str(value)


def _definition(field: dataclasses.Field[Any]) -> Any:
    return {
        "str": flags.DEFINE_string,
        "int": flags.DEFINE_integer,
        "float": flags.DEFINE_float,
        "bool": flags.DEFINE_bool,
        "list[int]": flags.DEFINE_list,
    }[str(field.type)]


def _value(field: dataclasses.Field[Any], value: Any) -> Any:
    if field.type != "list[int]":
        return value
    if not all(text.strip().isdecimal() and int(text) > 0 for text in value):
        raise ValueError(
            f"--{field.name} takes positive integers with commas between them. "
            f"Received: {','.join(value)}. Give such a list, or leave the flag out."
        )
    return [int(text) for text in value]
