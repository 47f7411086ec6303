"""A class and its parameters in a line of text: cispo:cap=5, ppo:low=0.2,high=none or probability."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from clipbias.common.errors import InputError


def from_text(text: str, kinds: Mapping[str, Any]) -> Any:
    """An instance of the dataclass in `kinds` that the word before the colon names; ValueError says what is wrong."""
    word, _, rest = text.partition(":")
    if word not in kinds:
        raise ValueError(f"{word or 'nothing'} is none of {', '.join(kinds)}")
    known = {field.name: field.type for field in fields(kinds[word])}
    given: dict[str, float | None] = {}
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        if name in given:
            raise ValueError(f"{name} is given twice")
        if name not in known:
            raise ValueError(f"{word} takes {', '.join(known) or 'no parameters'}, not {name}")
        given[name] = _number(name, value, known[name] is int)
    try:
        return kinds[word](**given)
    except TypeError:
        raise ValueError(f"{word} needs numbers for its parameters, {', '.join(known)}") from None


def to_text(value: Any, kinds: Mapping[str, Any]) -> str:
    """The one way to write what `from_text` reads: parameters in their order, those at their defaults left out."""
    word = next(word for word, kind in kinds.items() if type(value) is kind)
    given = [(field.name, getattr(value, field.name)) for field in fields(value)]
    written = [
        f"{name}={'none' if number is None else repr(number).removesuffix('.0')}"
        for (name, number), field in zip(given, fields(value), strict=True)
        if number != field.default
    ]
    return ":".join([word, *([",".join(written)] if written else [])])


def _number(name: str, text: str, whole: bool) -> float | None:
    if text == "none":
        return None
    try:
        if "_" in text:  # Python reads 1_5 as 15
            raise ValueError
        return int(text) if whole else float(text)
    except ValueError:
        kind = "whole number" if whole else "number or none"
        raise InputError(name, f"a {kind}, got {text or 'nothing'}") from None
