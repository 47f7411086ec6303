"""The page of a recipe's fields, from the dataclasses that read it: types, defaults, and what their docstrings say."""

import dataclasses
import re
import types
from typing import Any, Literal, get_args, get_origin, get_type_hints

from clipbias.validate.recipe.recipe import Recipe

WORDS = {str: "text", int: "whole number", float: "number", bool: "true or false"}


def page() -> str:
    """Markdown: the fields of the recipe itself, then those of each of its tables."""
    hints = get_type_hints(Recipe)
    tables = {f.name: found for f in dataclasses.fields(Recipe) if (found := _table(hints[f.name])) is not None}
    heads = {name: f"[[{name}]]" if get_origin(hints[name]) is tuple else f"[{name}]" for name in tables}
    parts = [
        "# Fields of a recipe",
        "Written from the classes in `validate/recipe` that read the file. "
        "A field without a default must be given. How recipes are used: [recipes](recipes.md).",
        _section("Top of the file", Recipe, leave_out=set(tables)),
        *(_section(f"`{heads[name]}`", table, needed=_needed(name)) for name, table in tables.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _table(hint: Any) -> type | None:
    """The dataclass that a field holds, or holds several of, or may hold."""
    if dataclasses.is_dataclass(hint):
        return hint if isinstance(hint, type) else None
    return next((found for inner in get_args(hint) if (found := _table(inner)) is not None), None)


def _needed(name: str) -> bool:
    (field,) = (f for f in dataclasses.fields(Recipe) if f.name == name)
    return field.default is dataclasses.MISSING


def _section(title: str, table: type, *, leave_out: set[str] = frozenset(), needed: bool = True) -> str:
    hints = get_type_hints(table)
    rows = [
        f"| `{f.name}` | {_words(hints[f.name])} | {_default(f.default)} |"
        for f in dataclasses.fields(table)
        if f.name not in leave_out
    ]
    said = "\n".join(line.strip() for line in (table.__doc__ or "").splitlines()).replace("[", "\\[")
    names = "|".join(hints)
    said = re.sub(rf"^(?:{names})\b(?!:|,)|\b(?:{names})\b(?=(?:,\s\w+)*:)", r"`\g<0>`", said, flags=re.MULTILINE)
    optional = "" if needed else "\n\nThe whole table may be left out."
    return f"## {title}\n\n{said.strip()}{optional}\n\n| field | what | default |\n|---|---|---|\n" + "\n".join(rows)


def _words(hint: Any) -> str:
    origin, inner = get_origin(hint), [a for a in get_args(hint) if a is not type(None) and a is not Ellipsis]
    if origin is Literal:
        return " or ".join(f"`{choice}`" for choice in inner)
    if origin is tuple:
        return f"list of {_words(inner[0])}s"
    if origin is types.UnionType:
        none = " or none" if type(None) in get_args(hint) else ""
        return " or ".join(map(_words, inner)) + none
    return WORDS[hint]


def _default(value: Any) -> str:
    if value is dataclasses.MISSING:
        return ""
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return ", ".join(map(_default, value))
    return f"`{value}`"
