"""Words of a command line as keys: flags, and Hydra's overrides."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import yaml

from .document import Entry, flat
from .python_source import UNKNOWN

OVERRIDE = re.compile(r"\+{0,2}(?P<key>[\w@./-]+)=(?P<value>.*)", re.DOTALL)
MORE_WORDS = re.compile(r"\$[@*]|\$\{\w+\[[@*]\]\}")  # words that only a running shell knows
_REMOVED = re.compile(r"~([\w@./-]+)(?:=.*)?", re.DOTALL)
_NUMBER = re.compile(r"-\.?\d")


def plain(value: str) -> Any:
    """A word of a command line as YAML reads it (so that null, true, 1e-6 and [1, 2] are what they are in a file)."""
    if len(value) > 10_000:
        return value
    try:
        found = yaml.safe_load(value)
    except (yaml.YAMLError, ValueError, RecursionError):
        return value
    return value if found is None and value.strip().lower() not in ("null", "none", "~", "") else found


def _unclear(value: str) -> Any:
    """A variable or substitution that only a running shell knows."""
    return UNKNOWN if re.search(r"\$[\w({@]|`", value) else plain(value)


def hydra_words(words: Iterable[str], line: int) -> dict[str, Entry]:
    """`key=value`, with Hydra's + and ++; ~key takes a key away; tables in values become keys of their own."""
    found: dict[str, Entry] = {}
    for word in words:
        if removed := _REMOVED.fullmatch(word):
            found[removed[1]] = Entry(None, line)
            continue
        match = OVERRIDE.fullmatch(word)
        if match is None or word.startswith("--"):
            continue
        for key, value in flat(_unclear(match["value"]), match["key"]):
            found[key] = Entry(value, line)
    return found


def flag_words(words: Sequence[str], line: int) -> dict[str, Entry]:
    """`--key value`, `--key=value`, `--key` (true), `--key a b` (a list); dashes within a key as underscores. A program
    after a launcher's value (`--num_processes 4 train.py`) is none of its values."""
    found: dict[str, Entry] = {}
    key, values = "", [""]

    def close() -> None:
        if key:
            parts = [_unclear(value) for value in values]
            value = True if not parts else parts[0] if len(parts) == 1 else parts
            found[key] = Entry(value, line)

    for word in words:
        if MORE_WORDS.fullmatch(word):
            continue
        if word.startswith("--") and len(word) > 2:
            close()
            name, equals, value = word[2:].partition("=")
            key, values = name.replace("-", "_"), [value] if equals else []
        elif (word.startswith("-") and not _NUMBER.match(word)) or (values and word.endswith(".py")):
            close()
            key = ""
        elif key:
            values.append(word)
    close()
    return found
