"""Dataclasses from TOML tables, with errors that name the field and what it allows."""

import dataclasses
import math
import sys
import tomllib
import types
import typing
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar, get_args, get_origin

from .errors import InputError, check

T = TypeVar("T")
_WORDS = {int: "a whole number", float: "a number", str: "a text"}


@contextmanager
def one_line_errors() -> Iterator[None]:
    """A complaint about what the user gave is one line and exit status 2; a bug keeps its traceback."""
    try:
        yield
    except InputError as error:
        print(f"Error: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    except OSError as error:
        if error.filename is None:
            raise
        print(f"Error: {error.filename}: {error.strerror}", file=sys.stderr)
        raise SystemExit(2) from None


def parse_toml(text: str, what: str) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InputError(f"{what} must be valid TOML: {error}") from None


def read_dataclass(cls: type[T], table: dict[str, Any], path: str = "") -> T:
    """Build the dataclass `cls` from `table`, recursing into nested dataclasses and tuples of them."""
    fields = {f.name: f for f in dataclasses.fields(cls)}  # type: ignore[arg-type]
    for name in table:
        if name not in fields:
            raise InputError(f"{path}{name} is an unknown key, it must be one of {', '.join(fields)}")
    hints = typing.get_type_hints(cls)
    values = {}
    for name, field in fields.items():
        if name in table:
            values[name] = _convert(hints[name], table[name], f"{path}{name}")
        else:
            required = field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING
            if required:
                raise InputError(f"{path}{name} is required, and missing")
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
        check(value in args, path, f"one of {list(args)}", value)
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
