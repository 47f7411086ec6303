"""Rival accounts of the gain under random rewards, and the measurements that tell them apart (`record/rivals.toml`)."""

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

from clipbias.common.errors import check
from clipbias.common.tables import parse_toml, read_dataclass

from .record import Record

Expects = Literal["+", "0", "?"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """expects: of each account in order; seen: published figures that bear on it."""

    what: str
    expects: tuple[Expects, ...]
    seen: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    accounts: tuple[str, ...]
    measurement: tuple[Measurement, ...]

    @property
    def telling(self) -> tuple[Measurement, ...]:
        """Those on which the first account stands alone against all the others."""
        return tuple(m for m in self.measurement if all(m.expects[0] != other != "?" for other in m.expects[1:]))


def read_rivals(record: Record) -> Rivals:
    """Raises InputError where a row has not one word for each account, or names no figure of the record."""
    text = (files(__package__) / "record" / "rivals.toml").read_text(encoding="utf-8")
    rivals = read_dataclass(Rivals, parse_toml(text, "rivals"))
    for row in rivals.measurement:
        check(len(row.expects) == len(rivals.accounts), row.what, f"{len(rivals.accounts)} words", row.expects)
        for name in row.seen:
            record.figure(name)
    return rivals
