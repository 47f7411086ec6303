"""All that `clipbias validate published` says, as one object."""

from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from .chance import Chance, Pattern, Quiet, chances, pattern, quiet
from .confront import Line, confront, rules_sha256
from .deciding import Deciding, deciding
from .entry import read_comparisons
from .headline import Headline, headline
from .record import Record
from .rivals import Rivals, read_rivals


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    record: Record
    lines: tuple[Line, ...]
    headline: Headline
    rivals: Rivals
    deciding: Deciding
    chances: tuple[Chance, ...]
    quiet: tuple[Quiet, ...]
    pattern: Pattern
    rules_sha256: str

    @property
    def groups(self) -> tuple[str, ...]:
        """In the order of the entries."""
        return tuple(dict.fromkeys(line.entry.group for line in self.lines))

    def of(self, group: str) -> tuple[Line, ...]:
        return tuple(line for line in self.lines if line.entry.group == group)

    def counts(self, group: str | None = None) -> Counter[str]:
        """Verdicts, "out of scope" among them."""
        lines = self.lines if group is None else self.of(group)
        return Counter("out of scope" if line.judged is None else line.judged.verdict for line in lines)

    def to_json(self) -> dict[str, Any]:
        works = {line.entry.figure.work for line in self.lines}
        return {
            "rules_sha256": self.rules_sha256,
            "entries": [line.to_json(self.record) for line in self.lines],
            "works": {w.id: asdict(w) for w in self.record.works.values() if w.id in works},
            "counts": dict(self.counts()),
            "headline": asdict(self.headline),
            "rivals": asdict(self.rivals) | {"standings": [asdict(standing) for standing in self.rivals.standings]},
            "deciding": asdict(self.deciding),
            "noise_alone": [asdict(chance) | {"suffices": chance.suffices} for chance in self.chances],
            "noise_itself": [asdict(row) for row in self.quiet],
            "pattern": asdict(self.pattern),
        }


def published() -> Answer:
    record, lines = confront()
    comparisons, found = read_comparisons(), headline(record, lines)
    alone = chances(lines, comparisons)
    return Answer(
        record=record,
        lines=lines,
        headline=found,
        rivals=read_rivals(record, alone),
        deciding=deciding(found.designs),
        chances=alone,
        quiet=quiet(lines, comparisons),
        pattern=pattern(lines, comparisons),
        rules_sha256=rules_sha256(),
    )
