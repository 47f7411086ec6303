"""Every prediction that was ever hashed, and what became of it: one file that only grows.

A line is a JSON object with the SHA-256 of the line before it, so that a line cannot be edited, dropped or put between
two others without all that follow saying so. A prediction's later fate is a further line; its last one counts. What
cannot be seen in the file itself, the loss of its newest lines, is seen against its own history and the frozen runs.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

from clipbias.common.errors import InputError, check
from clipbias.common.files import locked, read_text, write_text
from clipbias.validate.recipe.recipe import Recipe

from .manifest import NAME, Manifest, now, read_manifest

FILE = "ledger.jsonl"
NONE_BEFORE = "0" * 64  # what the first line names as the line before it

# hashed: before its run, which is not finished yet. finished: its run is complete, and not kept. frozen: it is kept.
# abandoned: its run was never finished. retrospective: it was written when its run's results were known.
Fate = Literal["hashed", "finished", "frozen", "abandoned", "retrospective"]
FATES: tuple[Fate, ...] = get_args(Fate)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """prediction_sha256: of prediction.json or forecast.json. written: when that was; entered: when this line was.
    model, where: names; where is a folder beside the ledger, or a commit and a file in it."""

    prediction_sha256: str
    written: str
    recipe: str
    recipe_sha256: str
    model: str
    fate: Fate
    where: str
    entered: str
    note: str = ""

    def __post_init__(self) -> None:
        check(self.fate in FATES, "fate", f"one of {', '.join(FATES)}", self.fate)
        hexadecimal = len(self.prediction_sha256) == 64 and set(self.prediction_sha256) <= set("0123456789abcdef")
        check(hexadecimal, "prediction_sha256", "64 hexadecimal digits", self.prediction_sha256)


def _sha256(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


def _line(previous: str, entry: Entry) -> str:
    return json.dumps({"previous": previous, **asdict(entry)}, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Ledger:
    """head: the SHA-256 of the last line, which stands for all of them."""

    entries: tuple[Entry, ...]
    head: str

    @property
    def fates(self) -> dict[str, Entry]:
        """By prediction, in the order in which they came, the last that is known of each."""
        return {entry.prediction_sha256: entry for entry in self.entries}


def read_ledger(path: Path) -> Ledger:
    """A file that is not there is an empty ledger. InputError names the first line that was touched."""
    previous, entries = NONE_BEFORE, []
    names = {field.name for field in fields(Entry)} | {"previous"}
    text = read_text(path) if path.is_file() else ""
    if text and not text.endswith("\n"):
        raise InputError(str(path), "whole lines; the last one has no end", verb="have")
    for number, line in enumerate(text.splitlines(), 1):
        try:
            found = json.loads(line)
        except json.JSONDecodeError as error:
            raise InputError(f"{path}:{number}", f"a JSON object: {error}") from None
        if not isinstance(found, dict) or found.keys() != names or set(map(type, found.values())) != {str}:
            raise InputError(f"{path}:{number}", f"an object of the texts {', '.join(sorted(names))}")
        if found.pop("previous") != previous:
            raise InputError(f"{path}:{number}", "the line that was written after the one before it")
        entries.append(Entry(**found))
        if _line(previous, entries[-1]) != line:
            raise InputError(f"{path}:{number}", "as it was written", verb="be")
        previous = _sha256(line)
    return Ledger(entries=tuple(entries), head=previous)


def append(path: Path, entries: Iterable[Entry]) -> Ledger:
    """Add lines; the only way in which the file is written. Nothing is written where a line was touched. What is known
    already, the same fate of the same prediction, is not entered twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent, "ledger"):
        known = read_ledger(path)
        text, head, fates = read_text(path) if path.is_file() else "", known.head, known.fates
        added = []
        for entry in entries:
            last = fates.get(entry.prediction_sha256)
            if last is not None and last.fate == entry.fate:
                continue
            line = _line(head, entry)
            text, head, fates = f"{text}{line}\n", _sha256(line), fates | {entry.prediction_sha256: entry}
            added.append(entry)
        if added:
            write_text(path, text)
    return Ledger(entries=(*known.entries, *added), head=head)


def entry_of(manifest: Manifest, recipe: Recipe, fate: Fate, where: str) -> Entry:
    """Of a run whose prediction is written."""
    model = recipe.model
    return Entry(
        prediction_sha256=manifest.prediction_sha256 or "",
        written=manifest.prediction_written or "",
        recipe=recipe.name,
        recipe_sha256=manifest.recipe_sha256,
        model=Path(model.organism or model.path or "").stem,
        fate=fate,
        where=where,
        entered=now(),
    )


def missing(ledger: Ledger, results: Path) -> Sequence[Path]:
    """Frozen runs under `results` of which the ledger does not say that they are frozen."""
    frozen = {entry.prediction_sha256 for entry in ledger.entries if entry.fate == "frozen"}
    folders = [file.parent for file in sorted(results.glob(f"*/{NAME}"))]
    return [folder for folder in folders if read_manifest(folder).prediction_sha256 not in frozen]


def checked_ledger(path: Path) -> Ledger:
    """A ledger that is whole and has every frozen run that stands beside it."""
    check(path.is_file(), "ledger", "a file", str(path))
    ledger = read_ledger(path)
    lost = missing(ledger, path.parent)
    if lost:
        raise InputError(str(path), f"every frozen run; {lost[0]} is not in it", verb="hold")
    return ledger
