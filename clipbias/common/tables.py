"""Dataclasses from TOML tables, with errors that name the field and what it allows."""

import dataclasses
import math
import tomllib
import types
import typing
from typing import Any, TypeVar, get_args, get_origin

from .errors import InputError, check

T = TypeVar("T")
_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


def parse_toml(text: str, what: str) -> dict[str, Any]:
    """The tables of a TOML text; `what` names the text in a complaint."""
    try:
        return tomllib.loads(text)
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise InputError(what, f"valid TOML: {error}") from None


def read_dataclass(cls: type[T], table: dict[str, Any], path: str = "") -> T:
    """Build the dataclass `cls` from `table`, recursing into nested dataclasses and tuples of them."""
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in table:
        if name not in fields:
            raise InputError(f"{path}{name}", f"one of the known keys {', '.join(fields)}")
    hints = typing.get_type_hints(cls)
    values = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _convert(hints[name], table[name], f"{path}{name}")
        else:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required:
                raise InputError(f"{path}{name}", "given")
    return cls(**values)


def _convert(hint: Any, value: Any, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        check(isinstance(value, dict), path, "a table", value)
        return read_dataclass(hint, value, f"{path}.")  # type: ignore[arg-type]
    origin, args = get_origin(hint), get_args(hint)
    if origin is tuple:
        check(isinstance(value, list), path, "a list", value)
        return tuple(_convert(args[0], item, f"{path}[{i}]") for i, item in enumerate(value))
    if origin is typing.Literal:
        check(value in args, path, f"one of {', '.join(map(str, args))}", value)
        return value
    if origin in (types.UnionType, typing.Union):
        if value == "none" and type(None) in args:
            return None
        return _convert(next(a for a in args if a is not type(None)), value, path)
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        value = float(value)
    check(isinstance(value, hint) and not (hint is int and isinstance(value, bool)), path, _WORDS[hint], value)
    check(hint is not float or math.isfinite(value), path, "finite", value)
    return value
