"""Rival accounts of the gain under random rewards, and the measurements that tell them apart (`record/rivals.toml`).

What an account expects is our reading. What was seen is not: it is computed from the published figures.
"""

import math
from dataclasses import dataclass
from importlib.resources import files
from string import ascii_uppercase
from typing import Literal

from clipbias.common.errors import check
from clipbias.common.tables import parse_toml, read_dataclass

from .chance import Chance
from .figure import Figure
from .mixture import REACH, counted
from .record import Record
from .verdict import MARGIN, NOISE_SUFFICES

Expects = Literal["+", "0", "?"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A published figure, or its difference to another."""

    figure: str
    less: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """expects: of each account in order, by our reading; seen: published figures that bear on it."""

    what: str
    expects: tuple[Expects, ...]
    seen: tuple[Pair, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accounts:
    """`record/rivals.toml`."""

    accounts: tuple[str, ...]
    measurement: tuple[Measurement, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What a pair says. value: in `unit`, rates in points. sign: −1, 0 or +1. noise: the chance that one seed of noise
    alone shows as much, None where it was not computed."""

    pair: Pair
    value: float
    unit: str
    sign: int
    noise: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A measurement. letter: what it is called."""

    letter: str
    what: str
    expects: tuple[Expects, ...]
    seen: tuple[Seen, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """Of an account. apart: letters of the measurements on which it and the first account differ; speaks_for,
    speaks_against: what was seen as it expects, and otherwise, with the letter; undecided: what noise alone may have
    made."""

    account: str
    apart: tuple[str, ...]
    speaks_for: tuple[tuple[str, Seen], ...]
    speaks_against: tuple[tuple[str, Seen], ...]
    undecided: tuple[tuple[str, Seen], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rivals:
    accounts: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def telling(self) -> tuple[Row, ...]:
        """Measurements on which the first account stands alone against all the others."""
        return tuple(row for row in self.rows if all(row.expects[0] != other != "?" for other in row.expects[1:]))

    @property
    def standings(self) -> tuple[Standing, ...]:
        return tuple(self._standing(i) for i in range(len(self.accounts)))

    def _standing(self, i: int) -> Standing:
        told = [(row, seen) for row in self.rows for seen in row.seen if row.expects[i] != "?"]
        decided = [(row, seen) for row, seen in told if not may_be_noise(seen)]
        return Standing(
            account=self.accounts[i],
            apart=tuple(row.letter for row in self.rows if {row.expects[0], row.expects[i]} == {"+", "0"}),
            speaks_for=tuple((row.letter, seen) for row, seen in decided if fits(row.expects[i], seen.sign)),
            speaks_against=tuple((row.letter, seen) for row, seen in decided if not fits(row.expects[i], seen.sign)),
            undecided=tuple((row.letter, seen) for row, seen in told if may_be_noise(seen)),
        )


def fits(expects: Expects, sign: int) -> bool:
    return sign == (1 if expects == "+" else 0)


def may_be_noise(seen: Seen) -> bool:
    """A change that one seed of noise alone shows with a chance of NOISE_SUFFICES or more decides nothing."""
    return seen.sign != 0 and seen.noise is not None and seen.noise >= NOISE_SUFFICES


def read_rivals(record: Record, chances: tuple[Chance, ...]) -> Rivals:
    """Raises InputError where a row has not one word for each account, or names no figure of the record."""
    text = (files(__package__) / "record" / "rivals.toml").read_text(encoding="utf-8")
    given = read_dataclass(Accounts, parse_toml(text, "rivals"))
    rows = []
    for letter, row in zip(ascii_uppercase, given.measurement, strict=False):
        check(len(row.expects) == len(given.accounts), row.what, f"{len(given.accounts)} words", row.expects)
        seen = tuple(_seen(record, pair, chances) for pair in row.seen)
        rows.append(Row(letter=letter, what=row.what, expects=row.expects, seen=seen))
    return Rivals(accounts=given.accounts, rows=tuple(rows))


def _seen(record: Record, pair: Pair, chances: tuple[Chance, ...]) -> Seen:
    figure = record.figure(pair.figure)
    other = None if pair.less is None else record.figure(pair.less)
    rate = figure.unit in ("%", "fraction", "points")
    away = figure.plain - (0.0 if other is None else other.plain)
    alike = [chance for chance in chances if (chance.figure, chance.less) == (pair.figure, pair.less)]
    return Seen(
        pair=pair,
        value=100 * away if rate else away,
        unit="points" if rate else figure.unit,
        sign=sign_of(figure, other),
        noise=min(alike, key=lambda chance: chance.seeds).probability if alike else None,
    )


def sign_of(figure: Figure, other: Figure | None) -> int:
    """Of a difference: 0 within the rules' margin, within the readings, or within 90 % of what counting answers shows.

    Counts of right answers vary by at most their own size, a rate r on n problems by r(1 − r)/n, a gain, which is the
    difference of two, by at most 1/2n.
    """
    if figure.unit == "sign":
        return int(figure.value)
    away = figure.plain - (0.0 if other is None else other.plain)
    both = [figure] if other is None else [figure, other]
    readings = sum(f.plain_half_width for f in both)
    variance = sum(_counting(f) for f in both)
    within = max(MARGIN.get(figure.unit, 0.0) + readings, REACH * math.sqrt(variance))
    return 0 if abs(away) <= within else int(math.copysign(1, away))


def _counting(figure: Figure) -> float:
    if figure.unit == "count":
        return figure.value
    if figure.problems is None:
        return 0.0
    return 2 * counted(0.5, figure.problems) if figure.unit == "points" else counted(figure.plain, figure.problems)
