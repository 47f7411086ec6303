"""Reads the published record: the works, their figures, and the recipes whose clip was spoken of (`record/*.toml`)."""

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from clipbias.common.errors import InputError, check
from clipbias.common.tables import parse_toml, read_dataclass

from .figure import Figure, Work


@dataclass(frozen=True, slots=True, kw_only=True)
class PublishedRecipe:
    """A configuration with what was said of its clip. suffix: of the file it stood in."""

    id: str
    work: str
    claim: str
    acts: bool
    framework: str
    suffix: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    works: dict[str, Work]
    figures: dict[str, Figure]
    recipes: tuple[PublishedRecipe, ...]

    def figure(self, name: str) -> Figure:
        if name not in self.figures:
            raise InputError("figure", "one of the record", name)
        return self.figures[name]

    def ancestors(self, name: str) -> frozenset[str]:
        """The figures that one was computed from, however far back; a table's name stands for all of its figures."""
        found: set[str] = set()
        waiting = list(self.figure(name).of)
        while waiting:
            part = waiting.pop()
            named = [f for f in self.figures if f == part or f.startswith(f"{part}.")]
            check(bool(named), f"{name}.of", "figures or tables of the record", part)
            for figure in named:
                if figure not in found:
                    found.add(figure)
                    waiting += self.figures[figure].of
        return frozenset(found)


def read_record() -> Record:
    """The record that comes with the package."""
    works: dict[str, Work] = {}
    figures: dict[str, Figure] = {}
    recipes: list[PublishedRecipe] = []
    for name in ("works", "spurious", "others", "recipes"):
        text = (files(__package__) / "record" / f"{name}.toml").read_text(encoding="utf-8")
        tables = parse_toml(text, name)
        for table in tables.get("work", []):
            work = read_dataclass(Work, table, f"{name}.")
            _add(works, work.id, work)
        for table in tables.get("table", []):
            for figure in _figures(table):
                _add(figures, figure.id, figure)
        recipes += [read_dataclass(PublishedRecipe, table, f"{name}.") for table in tables.get("recipe", [])]
    return Record(works=works, figures=figures, recipes=tuple(recipes))


def _add(to: dict[str, Any], name: str, value: object) -> None:
    check(name not in to, "id", "given once", name)
    to[name] = value


def _figures(table: dict[str, Any]) -> Iterator[Figure]:
    shared = {key: value for key, value in table.items() if key not in ("name", "values")}
    for key, value in _leaves(table["values"]):
        yield read_dataclass(Figure, shared | {"id": f"{table['name']}.{key}", "value": value}, f"{table['name']}.")


def _leaves(values: dict[str, Any], before: str = "") -> Iterator[tuple[str, Any]]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, f"{before}{key}.")
        else:
            yield before + key, value
