"""What was published, one number or direction at a time, with its source and how well it is known."""

from dataclasses import dataclass
from typing import Literal

When = Literal["set-up", "before", "during", "after", "claim"]
Unit = Literal["%", "points", "fraction", "share", "count", "number", "increment", "small increment", "sign"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """id: what figures call it. where: an arXiv number or a public thread. versions: those that its figures may name.
    notes: misprints and contradictions within it."""

    id: str
    cite: str
    where: str
    versions: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """value: as published, in `unit`; a direction is −1, 0 or +1. place: the table, plot or sentence. version: of the
    work, where versions differ. when: known "before" training, a state "during" it that a claim may be conditional on,
    a result "after" it, part of the "set-up", or a "claim" about a direction. half_width: how far a reading from a plot
    may be off. problems: behind an accuracy or share. seeds: fewest and most that may stand behind it. of: the figures
    it was computed from. note: a doubt about it.
    """

    id: str
    work: str
    place: str
    when: When
    unit: Unit
    value: float
    version: str | None = None
    half_width: float = 0.0
    problems: int | None = None
    seeds: tuple[int, int] | None = None
    of: tuple[str, ...] = ()
    note: str | None = None

    @property
    def plain(self) -> float:
        """Percent and points as fractions, all else as it is."""
        return self.value / self.scale

    @property
    def plain_half_width(self) -> float:
        return self.half_width / self.scale

    @property
    def scale(self) -> float:
        return 100.0 if self.unit in ("%", "points") else 1.0
