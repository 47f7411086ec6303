"""Which framework a file is for, and its keys in that framework's words."""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from os.path import isfile
from pathlib import Path

from clipbias.common.errors import InputError

from .command_line import MORE_WORDS, OVERRIDE, flag_words, hydra_words
from .document import Document, Entry, flat, parse, read_document, resolved
from .framework import Framework
from .python_source import UNKNOWN, Call
from .settings import Settings
from .setup import Remark
from .shell import Command, Variable

CONFIG_SUFFIXES = (".yaml", ".yml", ".json", ".toml")
MARK = 3  # a mark counts as this many keys that several frameworks share
TELL = 100  # a key that no other framework has, and that its own needs
MOST_FILES = 30  # that a configuration may inherit from
_CONFIGS = ("config", "config_file", "config_name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Keys that one part of the input gives, and remarks about what it names and is not there."""

    entries: dict[str, Entry]
    remarks: tuple[Remark, ...] = ()
    program: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)


def _config_word(entries: dict[str, Entry], words: Sequence[str]) -> list[str]:
    """Files of keys that a command line names, in words that need no running shell."""
    values = [entries[key].value for key in _CONFIGS if key in entries]
    firsts = [value[0] if isinstance(value, list) and value else value for value in values]
    named = [name for name in firsts if isinstance(name, str)]
    own = (word for flag, word in pairwise(("", *words)) if not flag.startswith("--"))  # no --deepspeed zero.json
    bare = [word.removeprefix("@") for word in own if word.lower().endswith(CONFIG_SUFFIXES) and "=" not in word]
    folder = entries["config_path"].value if "config_path" in entries else None
    folder = folder if isinstance(folder, str) else None
    named = [name if name.endswith(CONFIG_SUFFIXES) else f"{name}.yaml" for name in named]
    both = [f"{folder}/{name}" for name in named] if folder else named
    return list(dict.fromkeys([*both, *(word for word in bare if word not in named)]))


def _near(name: str, document: Document) -> Document | None:
    """A file that another names: written by it, beside it, or, named with a folder, from one above, as from a
    checkout's root."""
    here = document.path
    if document.script is not None and name in document.script.files:
        return parse(here.parent / name, document.script.files[name])
    if Path(name).is_absolute():
        return None
    for folder in [here.parent, *here.absolute().parents][: 8 if "/" in name else 1]:
        candidate = folder / name
        if isfile(candidate):  # that a name is too long, or no name, is no error to it
            return read_document(candidate)
    return None


def _missing(name: str, where: str) -> Remark:
    return Remark(
        code="not-followed",
        level="note",
        message=f"{where} takes keys from {name}, which is not here: the framework's own defaults stand in for them",
        fix=f"put {name} beside the file, or give it as a further FILE",
    )


def _unset(word: str) -> Remark:
    message = f"the command takes arguments from {word}, which the file does not set: defaults stand in for them"
    return Remark(code="not-followed", level="note", message=message)


def _undecided(line: int, word: str) -> Remark:
    message = f"line {line}: which branch {word} takes only a running shell knows: this answer is for none of them"
    return Remark(code="branch", level="note", message=message)


def _inherited(document: Document, seen: set[Path]) -> Found:
    """A file's keys over those of the files that it names in `defaults` or `_base_`."""
    if document.path in seen or len(seen) >= MOST_FILES:
        return Found(entries={})
    seen.add(document.path)
    entries: dict[str, Entry] = {}
    remarks: list[Remark] = []
    own = dict(document.entries)
    named: list[str] = []
    for key in ("defaults", "_base_"):
        value = own.pop(key, Entry(None)).value
        for part in value if isinstance(value, list) else [value]:
            if isinstance(part, str) and part != "_self_":
                named.append(part)
            elif isinstance(part, dict):  # Hydra's group: choice
                named += [f"{group}/{choice}" for group, choice in part.items() if isinstance(choice, str)]
    for name in (re.sub(r"@[^/]*", "", name) for name in named):  # Hydra's package
        file = name if name.endswith(CONFIG_SUFFIXES) else f"{name}.yaml"
        place = _near(file, document)
        if place is None:
            remarks.append(_missing(file, document.path.name))
            continue
        below = _inherited(place, seen)
        entries |= below.entries
        remarks += below.remarks
    return Found(entries=entries | own, remarks=tuple(remarks))


def _of_command(command: Command, framework: Framework, document: Document) -> Found:
    read = flag_words if framework.style == "flags" else hydra_words
    hydra = framework.style == "hydra"
    words = command.words[command.words.index("--") + 1 :] if "--" in command.words else command.words
    entries = dict(read(words, command.line))
    own = [word for word in words if not hydra or word.startswith("--") or not OVERRIDE.fullmatch(word)]
    flags = flag_words(own, command.line)
    below: dict[str, Entry] = {}
    remarks = [_unset(word) for word in dict.fromkeys(words) if MORE_WORDS.fullmatch(word)]
    remarks += [_unset(f"--{key}") for key in _CONFIGS if key in flags and flags[key].value is UNKNOWN]
    for name in _config_word(flags | entries, words):
        place = _near(name, document)
        if place is None:
            remarks.append(_missing(name, document.path.name))
            continue
        found = _inherited(place, set())
        below |= found.entries
        remarks += found.remarks
    for key in ("config", "config_file", "config_name", "config_path"):
        entries.pop(key, None)
    return Found(
        entries=below | entries,
        remarks=tuple(remarks),
        program=" ".join(command.words),
        environment=command.environment,
    )


def _of_call(call: Call) -> Found:
    entries = {}
    for key, value in call.arguments.items():
        for name, leaf in flat(value, key):
            entries[name] = Entry(leaf, call.line)
    return Found(entries=entries, program=call.name)


def _started(document: Document, framework: Framework) -> list[Command]:
    commands = () if document.script is None else document.script.commands
    return [c for c in commands if any(re.search(pattern, " ".join(c.words)) for pattern in framework.commands)]


def _keys_beside(command: Command, document: Document) -> dict[str, Entry]:
    """The keys of files that a Python program of the user's own is given, where they are there."""
    if not any(word.endswith(".py") for word in command.words):
        return {}
    found: dict[str, Entry] = {}
    for name in _config_word(flag_words(command.words, command.line), command.words):
        place = _near(name, document)
        found |= {} if place is None else _inherited(place, set()).entries
    return found


def _keys_of(document: Document) -> dict[str, Entry]:
    """A file's keys, those that it inherits and those that its commands take from files beside it."""
    found = _inherited(document, set()).entries
    for command in () if document.script is None else document.script.commands:
        found |= _keys_beside(command, document)
    return found


def _parts_for(document: Document, framework: Framework) -> list[Found]:
    """What of a file is this framework's: its command, its call, or all keys of a file of keys."""
    if document.script is not None:
        beside = (c for c in document.script.commands if _keys_beside(c, document))
        own = _started(document, framework) or list(beside)
        return [_of_command(command, framework, document) for command in own]
    if document.source is not None:
        if framework.own_loop:
            return [] if document.loop is None else [_of_call(document.loop)]
        calls = [_of_call(call) for call in document.calls if call.name in framework.calls]
        return [replace(found, environment=document.environment) for found in calls]
    return [_inherited(document, set())] if document.entries else []


def _score(document: Document, keys: Collection[str], framework: Framework) -> int:
    """How much in a file is this framework's: 1,000 for its command or call, 1 more or less as a module of its own is
    imported; a loop written by hand counts where no framework's call is; else its
    keys (those it inherits among them), if any is its own."""
    if document.source is not None or _started(document, framework):
        if not _parts_for(document, framework):
            return 0
        if framework.own_loop:
            return 1
        imported = not document.modules.isdisjoint(framework.modules)
        return 1000 + (1 if imported else -1 if framework.modules else 0)
    marks = sum(MARK for key in keys if key.startswith(framework.marks)) if framework.marks else 0
    marks += 0 if set(keys).isdisjoint(framework.tells) else TELL
    return marks and marks + sum(map(framework.knows, keys))  # keys that many share tell nothing alone


def recognised(documents: Sequence[Document], frameworks: Sequence[Framework]) -> Framework:
    """The framework whose command, class or keys the files have."""
    keys = [(document, tuple(_keys_of(document))) for document in documents]
    scores = {f.name: sum(_score(document, own, f) for document, own in keys) for f in frameworks}
    best = max(scores.values())
    first = [f for f in frameworks if scores[f.name] == best]
    names = ", ".join(sorted(f.name for f in (first if best else frameworks)))
    if not best:
        raise InputError("framework", f"given, since no command, class or key of the files tells it: one of {names}")
    if len(first) > 1:
        raise InputError("framework", f"given, since the files could be of any of {names}")
    return first[0]


def settings_of(
    documents: Sequence[Document],
    framework: Framework,
    overrides: Sequence[str],
    *,
    devices: int | None,
    version: str | None,
) -> tuple[Settings, list[Remark]]:
    """All keys that the files give to a framework, later ones over earlier ones, `overrides` over all."""
    entries: dict[str, Entry] = {}
    remarks: list[Remark] = []
    program = ""
    environment: dict[str, str] = {}
    variables: dict[str, Variable] = {}
    for document in documents:
        parts = list(_parts_for(document, framework))
        if not parts and not document.entries:
            has = "command" if document.script is not None else "configuration call"
            raise InputError(str(document.path), f"a {has} of {framework.title}", verb="have")
        if len(parts) > 1:
            remarks.append(_several(len(parts), document))
        for part in parts[:1]:
            entries |= part.entries
            remarks += part.remarks
            program, environment = program or part.program, dict(part.environment) or environment
        if document.script is not None:
            variables |= document.script.variables
            remarks += [_undecided(line, word) for line, word in document.script.undecided]
    for word in overrides:
        found = hydra_words([word], 0)
        if not found:
            raise InputError("KEY=VALUE", "a key, = and its value", word)
        entries |= {key: replace(entry, line=None) for key, entry in found.items()}
    entries = resolved(entries)
    path = documents[0].path
    settings = Settings(
        path=path,
        entries=entries,
        program=program,
        variables=variables,
        environment=environment,
        cut_off=tuple(_cut_off(documents)),
        devices=devices,
        version=version,
    )
    return settings, remarks


def _cut_off(documents: Sequence[Document]) -> Iterator[int]:
    for document in documents:
        if document.script is not None:
            first = ((c.line, c.words[0]) for c in document.script.commands)
            yield from (line for line, word in first if word.startswith("--") or OVERRIDE.fullmatch(word))


def _several(count: int, document: Document) -> Remark:
    return Remark(
        code="several",
        level="note",
        message=f"{document.path.name} starts {count} trainings: this is the first",
    )


def documents_of(paths: Sequence[Path]) -> Iterator[Document]:
    for path in paths:
        yield read_document(path)
