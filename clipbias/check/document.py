"""What a file says, whatever its form: keys with their values and lines, commands with their arguments, calls.

Nothing is executed and no object is restored: YAML by its safe loader, Python by its syntax tree, shell scripts word by
word (`shell`). Sizes are bounded, since files come from anywhere.
"""

import json
import re
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import yaml

from clipbias.common.errors import InputError

from .own_loop import own_loop
from .python_source import Call, calls_of, environment_of, modules_of
from .shell import Script, read_script

LARGEST = 4_000_000  # bytes; the largest public configuration has a twentieth of that
MOST_KEYS = 20_000  # of a file: aliases can make a small YAML file large
DEEPEST = 60
_REFERENCE = re.compile(r"\$\{([\w.]+)\}")
_SUM = re.compile(r"\$\{(mul|div):((?:[^{},]|\{[^{}]*\})+),((?:[^{},]|\{[^{}]*\})+)\}")
_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # of libyaml where it is there: ten times as fast
PICKLES = (b"PK\x03\x04", b"\x80\x02", b"\x80\x03", b"\x80\x04", b"\x80\x05")


@dataclass(frozen=True, slots=True)
class Entry:
    """A value as it was written, and the line (from 1; None where the form does not tell)."""

    value: Any
    line: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One file. entries: by dotted key, of a file of keys. script: of a launch script. source: Python, with its calls,
    the modules it imports, the environment it sets for itself, and what it computes of a ratio of its own."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)
    script: Script | None = None
    source: str | None = None
    calls: tuple[Call, ...] = ()
    modules: frozenset[str] = frozenset()
    environment: dict[str, str] = field(default_factory=dict)
    loop: Call | None = None


class UnreadableError(InputError):
    """A file that cannot be parsed, with the line at which its parser stopped."""

    def __init__(self, path: Path, why: str, line: int | None = None) -> None:
        place = f"{path}" if line is None else f"{path}, line {line},"
        super().__init__(place, " ".join(why.split()))


def flat(tree: Any, prefix: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Leaves of nested tables by dotted key; a list is a leaf, and so is an empty table."""
    if depth > DEEPEST:
        raise ValueError(f"tables at most {DEEPEST} deep")
    if not isinstance(tree, dict) or (not tree and prefix):
        yield prefix, tree
        return
    for key, value in tree.items():
        yield from flat(value, f"{prefix}.{key}" if prefix else str(key), depth + 1)


def resolved(entries: dict[str, Entry]) -> dict[str, Entry]:
    """Values `${a.b}` replaced by those of the keys that they refer to, where these are there; `${mul:a,b}` and
    `${div:a,b}` by what they come to."""

    def value(written: Any, depth: int = 0) -> Any:
        if not isinstance(written, str) or "${" not in written or depth > DEEPEST:
            return written
        match = _REFERENCE.fullmatch(written)
        if match is not None:
            return value(entries[match[1]].value, depth + 1) if match[1] in entries else written
        match = _SUM.fullmatch(written)
        if match is None:
            return written
        try:
            left, right = (float(value(part.strip(), depth + 1)) for part in (match[2], match[3]))
            found = left * right if match[1] == "mul" else left / right
        except (TypeError, ValueError, ArithmeticError):
            return written
        return int(found) if found.is_integer() else found

    return {key: replace(entry, value=value(entry.value)) for key, entry in entries.items()}


def _bounded(leaves: Iterator[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for key, value in leaves:
        found[key] = value
        if len(found) > MOST_KEYS:
            raise ValueError(f"at most {MOST_KEYS} keys")
    return found


def _yaml_lines(node: Any, prefix: str = "") -> Iterator[tuple[str, int]]:
    """The line of every key of a composed document (aliases are followed once each by the caller's bound)."""
    if not isinstance(node, yaml.MappingNode):
        return
    for key, value in node.value:
        name = f"{prefix}.{key.value}" if prefix else str(key.value)
        yield name, key.start_mark.line + 1
        yield from _yaml_lines(value, name)


def _read_yaml(path: Path, text: str) -> dict[str, Entry]:
    try:
        loader = _LOADER(text)
        node = loader.get_single_node()
        tree = None if node is None else loader.construct_document(node)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise UnreadableError(path, f"YAML: {error.problem}", None if mark is None else mark.line + 1) from error
    except yaml.YAMLError as error:
        raise UnreadableError(path, f"YAML: {error}") from error
    if tree is None:
        return {}
    if not isinstance(tree, dict):
        raise UnreadableError(path, "a table of keys, which a configuration is")
    lines: dict[str, int] = {}
    for count, (key, line) in enumerate(_yaml_lines(node)):
        if count > MOST_KEYS:
            raise UnreadableError(path, f"a file of at most {MOST_KEYS} keys")
        lines[key] = line
    return {key: Entry(value, lines.get(key)) for key, value in _bounded(flat(tree)).items()}


def _read_json(path: Path, text: str) -> dict[str, Entry]:
    try:
        tree = json.loads(text)
    except json.JSONDecodeError as error:
        raise UnreadableError(path, f"JSON: {error.msg}", error.lineno) from error
    if not isinstance(tree, dict):
        raise UnreadableError(path, "a table of keys, which a configuration is")
    return {key: Entry(value) for key, value in _bounded(flat(tree)).items()}


def _read_toml(path: Path, text: str) -> dict[str, Entry]:
    try:
        tree = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UnreadableError(path, f"TOML: {error}") from error
    return {key: Entry(value) for key, value in _bounded(flat(tree)).items()}


def _code(text: str) -> str:
    """The Python of a notebook's cells, its lines for the notebook itself (% and !) left empty."""
    try:
        cells = [cell for cell in json.loads(text)["cells"] if cell["cell_type"] == "code"]
        lines = "\n".join("".join(cell["source"]) for cell in cells).splitlines()
    except (KeyError, TypeError) as error:
        raise SyntaxError("no notebook") from error
    return "\n".join("" if line.lstrip().startswith(("%", "!")) else line for line in lines)


def read_document(path: Path) -> Document:
    """What the file says, by its suffix; without a known one it is taken for a launch script."""
    if path.exists() and not path.is_file():
        raise UnreadableError(path, "a file")
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    if raw.startswith(PICKLES):
        raise UnreadableError(
            path,
            "text: this is a pickle, which could run anything and is never opened. In a trusted session:"
            " python -c \"import torch, json; a = torch.load('training_args.bin', weights_only=False);"
            " json.dump(a.to_dict(), open('training_args.json', 'w'))\"",
        )
    if len(raw) > LARGEST:
        raise UnreadableError(path, f"a file of at most {LARGEST // 1_000_000} MB")
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(path, "text in UTF-8", raw[: error.start].count(b"\n") + 1) from error
    return parse(path, text)


def parse(path: Path, text: str) -> Document:
    """The same of text that was read already."""
    try:
        match path.suffix.lower():
            case ".yaml" | ".yml":
                return Document(path=path, entries=_read_yaml(path, text))
            case ".json":
                return Document(path=path, entries=_read_json(path, text))
            case ".toml":
                return Document(path=path, entries=_read_toml(path, text))
            case ".py" | ".ipynb":
                text = _code(text) if path.suffix.lower() == ".ipynb" else text
                return Document(
                    path=path,
                    source=text,
                    calls=calls_of(text),
                    modules=modules_of(text),
                    environment=environment_of(text),
                    loop=own_loop(text),
                )
        return Document(path=path, script=read_script(text))
    except SyntaxError as error:
        raise UnreadableError(path, f"Python: {error.msg}", error.lineno) from error
    except (RecursionError, MemoryError) as error:  # Python's own parser says the latter of what is too deep
        raise UnreadableError(path, "nested less deeply") from error
    except InputError:
        raise
    except ValueError as error:
        raise UnreadableError(path, f"a file with {error}") from error
