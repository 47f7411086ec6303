"""Every entry predicted, then compared with what was published, by the rules that were fixed before."""

import hashlib
import math
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path
from typing import Any

from clipbias.common.errors import InputError
from clipbias.common.progress import steps

from . import verdict as rules
from .entry import Entry, read_entries
from .record import Record, read_record
from .verdict import MARGIN, WIDEST, Direction, Judged, Number, Outcome, Prediction, judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """An entry with what theory says and the verdict; both None where it is out of scope."""

    entry: Entry
    prediction: Prediction | None
    judged: Judged | None

    def to_json(self, record: Record) -> dict[str, Any]:
        entry, figure = self.entry, self.entry.figure
        work = record.works[figure.work]
        published = {
            "value": figure.value,
            "unit": figure.unit,
            "half_width": figure.half_width,
            "if_nothing_happened": entry.still * figure.scale,
            "seeds": None if figure.seeds is None else list(figure.seeds),
            "problems": figure.problems,
            "doubt": figure.note,
        }
        kind = "out of scope" if self.prediction is None else "predicted"
        return {
            "id": entry.id,
            "group": entry.group,
            "claim": entry.claim,
            "source": {"work": work.cite, "where": work.where, "version": figure.version, "place": figure.place},
            "published": published,
            "kind": "direction only" if isinstance(self.prediction, Direction) else kind,
            "out_of_scope": entry.out_of_scope,
            "predicted": predicted_json(self.prediction, figure.scale),
            "basis": entry.basis if self.prediction is not None else None,
            "assumed": dict(entry.assumed),
            "uses": [f.id for f in entry.used],
            "note": entry.note,
            "verdict": None if self.judged is None else self.judged.verdict,
            "why": None if self.judged is None else self.judged.why,
        }


def predicted_json(prediction: Prediction | None, scale: float) -> dict[str, Any] | None:
    """In the unit of the figure."""
    match prediction:
        case Number():
            band = [prediction.low * scale, prediction.high * scale]
            return {"value": prediction.value * scale, "band": band, "level": rules.LEVEL}
        case Direction():
            return {"direction": prediction.sign, "size": prediction.size, "spread": prediction.spread}
        case None:
            return None


def outcome_of(entry: Entry, prediction: Prediction) -> Outcome:
    """What was published, as the rules take it: of a number that only a direction is said of, its direction."""
    figure = entry.figure
    value, margin = figure.plain, MARGIN.get(figure.unit, 0.0)
    if isinstance(prediction, Direction) and figure.unit != "sign":
        away = value - entry.still
        value = math.copysign(1.0, away) if abs(away) > margin + figure.plain_half_width else 0.0
    return Outcome(
        value=value,
        half_width=figure.plain_half_width,
        still=entry.still,
        margin=margin,
        widest=WIDEST.get(figure.unit, 0.0),
    )


def rules_sha256() -> str:
    """The hash of the rules that judge. Raises InputError where they are not those that were fixed."""
    found = hashlib.sha256(Path(rules.__file__).read_bytes()).hexdigest()
    fixed = (files(__package__) / "record" / "rules.sha256").read_text(encoding="utf-8").strip()
    if found != fixed:
        raise InputError("rules", f"those of SHA-256 {fixed}, which were fixed before any prediction", found)
    return found


def confront() -> tuple[Record, tuple[Line, ...]]:
    """All entries."""
    rules_sha256()
    record = read_record()
    entries, lines = read_entries(record), []
    with steps("entries", len(entries)) as done:
        for i, entry in enumerate(entries):
            prediction = None if entry.question is None else entry.question.predict()
            judged = None if prediction is None else judge(prediction, outcome_of(entry, prediction))
            lines.append(Line(entry=entry, prediction=prediction, judged=judged))
            done(i + 1)
    return record, tuple(lines)
