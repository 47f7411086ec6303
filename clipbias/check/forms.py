"""Keys in the form of the file they go into: as a person would write them there."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import yaml

from .check import Checked

Form = Literal["yaml", "json", "toml", "python", "flags", "hydra"]
SUFFIXES: dict[str, Form] = {
    ".yaml": "yaml",
    ".yml": "yaml",
    ".json": "json",
    ".toml": "toml",
    ".py": "python",
    ".ipynb": "python",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A key and its new value; was: what the file has, None where it has nothing."""

    key: str
    value: Any
    was: Any = None


def form_of(found: Checked) -> Form:
    """By the first file's suffix; a launch script has the form of its framework's command."""
    return SUFFIXES.get(found.settings.path.suffix.lower(), found.framework.style)


def written(changes: Sequence[Change], form: Form, command: str = "") -> str:
    """Lines that the file's own parser reads back as the changes. command: that of a script, whose way of writing flags
    is kept; its lines end in a backslash, to stand anywhere in it. What a form cannot set to nothing it leaves out, and
    says so in a comment (JSON, YAML, Hydra and Python have a word for nothing)."""
    match form:
        case "yaml":
            return yaml.safe_dump(_nested(changes), sort_keys=False)
        case "json":
            return json.dumps(_nested(changes), indent=2) + "\n"
        case "python":
            return "".join(f"{key}={value!r},\n" for key, value in _nested(changes).items())
        case "toml":
            return _removed(changes, "#", "") + "".join(f"{c.key} = {json.dumps(c.value)}\n" for c in _kept(changes))
        case "hydra":
            return "".join(f"{c.key}={_word(c.value)} \\\n" for c in changes)
    dashed = "_" not in " ".join(re.findall(r"--[\w.-]+", command)) and re.search(r"--\w+-\w", command)
    lines = [f"--{c.key.replace('_', '-') if dashed else c.key} {_words(c.value)} \\\n" for c in _kept(changes)]
    return _removed(changes, "#", "--") + "".join(lines)


def _nested(changes: Sequence[Change]) -> dict[str, Any]:
    tree: dict[str, Any] = {}
    for change in changes:
        *tables, last = change.key.split(".")
        place = tree
        for name in tables:
            place = place.setdefault(name, {})
        place[last] = change.value
    return tree


def _kept(changes: Sequence[Change]) -> list[Change]:
    return [change for change in changes if change.value is not None]


def _removed(changes: Sequence[Change], comment: str, dash: str) -> str:
    return "".join(f"{comment} leave out {dash}{change.key}\n" for change in changes if change.value is None)


def _word(value: Any) -> str:
    """As YAML has it, which Hydra and this package's reader share."""
    return str(yaml.safe_dump(value, default_flow_style=True)).removesuffix("...\n").strip().replace(" ", "")


def _words(value: Any) -> str:
    """Several values after one flag stand side by side."""
    return " ".join(map(_word, value)) if isinstance(value, list) else _word(value)
