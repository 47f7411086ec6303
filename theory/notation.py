"""A class and its parameters in a line of text: cispo:cap=5, ppo:low=0.2,high=none or probability."""

from collections.abc import Mapping
from dataclasses import fields
from typing import Any


def from_text(text: str, kinds: Mapping[str, Any]) -> Any:
    """An instance of the dataclass in `kinds` that the word before the colon names; ValueError says what is wrong."""
    word, _, rest = text.partition(":")
    if word not in kinds:
        raise ValueError(f"{word or 'nothing'} is none of {', '.join(kinds)}")
    known = [field.name for field in fields(kinds[word])]
    given: dict[str, float | None] = {}
    for part in filter(None, rest.split(",")):
        name, _, value = part.partition("=")
        if name in given:
            raise ValueError(f"{name} is given twice")
        if name not in known:
            raise ValueError(f"{word} takes {', '.join(known) or 'no parameters'}, not {name}")
        given[name] = _number(name, value)
    try:
        return kinds[word](**given)
    except TypeError:
        raise ValueError(f"{word} needs numbers for its parameters, {', '.join(known)}") from None


def _number(name: str, text: str) -> float | None:
    if text == "none":
        return None
    try:
        return int(text) if text.isdecimal() else float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number or none, got {text or 'nothing'}") from None
