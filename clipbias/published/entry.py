"""An entry: what is asked of theory about one published figure, and the question itself, without the answer.

A question is a dataclass with a method `predict` and fields for what is known. It is built here, from figures that are
not its outcome and were not computed from it, so that no prediction can depend on what it is compared with.
"""

from dataclasses import dataclass
from functools import cache, cached_property
from importlib.resources import files
from typing import Any, Literal, Protocol, runtime_checkable

from clipbias.common.errors import InputError, check
from clipbias.common.tables import parse_toml, read_dataclass

from .figure import Figure
from .mixture import Dominant, MovedShare, OneStrategy, Parts, Subset
from .record import Record
from .signs import (
    Bandit,
    CoinGradient,
    Covariance,
    Inertia,
    NeutralBound,
    NoiseEntropy,
    Push,
    Reach,
    Recipe,
    Selection,
    TokenEntropy,
)
from .training import Faster, ImpliedActivation, Training, Wilder
from .verdict import Prediction

Basis = Literal["before", "same run", "other run"]


@runtime_checkable
class Question(Protocol):
    def predict(self) -> Prediction: ...


QUESTIONS: dict[str, type[Question]] = {
    "moved-share": MovedShare,
    "one-strategy": OneStrategy,
    "subset": Subset,
    "parts": Parts,
    "dominant": Dominant,
    "training": Training,
    "faster": Faster,
    "wilder": Wilder,
    "implied-activation": ImpliedActivation,
    "push": Push,
    "neutral-bound": NeutralBound,
    "coin-gradient": CoinGradient,
    "reach": Reach,
    "selection": Selection,
    "noise-entropy": NoiseEntropy,
    "covariance": Covariance,
    "token-entropy": TokenEntropy,
    "inertia": Inertia,
    "bandit": Bandit,
    "recipe": Recipe,
}  # what entries.toml calls them


@dataclass(frozen=True, kw_only=True)
class Entry:
    """group: of entries that are read together. figure: the outcome. still: what would be measured if nothing happened;
    still_figure gives it. question: None where out_of_scope says why. used: the figures in the question; assumed: its
    numbers that no figure gives, by field. note: what to know of the question."""

    id: str
    group: str
    claim: str
    figure: Figure
    still: float
    still_figure: str | None
    question: Question | None
    out_of_scope: str | None
    used: tuple[Figure, ...]
    assumed: tuple[tuple[str, float], ...]
    note: str | None

    @cached_property
    def basis(self) -> Basis:
        """Whether the question holds only what was known before training, or a state of the same run or of another."""
        during = [figure for figure in self.used if figure.when in ("during", "after")]
        if any(figure.work == self.figure.work for figure in during):
            return "same run"
        return "other run" if during else "before"


@dataclass(slots=True)
class _Resolver:
    """Replaces the names of figures and fragments in a question's table."""

    record: Record
    fragments: dict[str, Any]
    used: dict[str, Figure]
    assumed: list[tuple[str, float]]

    def value(self, given: Any, path: str) -> Any:
        match given:
            case dict():
                return {key: self.value(item, f"{path}.{key}" if path else key) for key, item in given.items()}
            case list():
                return [self.value(item, f"{path}[{i}]") for i, item in enumerate(given)]
            case str() if given.startswith("@"):
                check(given[1:] in self.fragments, path, f"one of {', '.join(self.fragments)}", given)
                return self.value(self.fragments[given[1:]], path)
            case str() if "." in given:
                figure = self.record.figure(given)
                self.used[given] = figure
                return figure.plain
            case bool() | str():
                return given
            case _:
                self.assumed.append((path, float(given)))
                return given


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparisons:
    """Entries that are compared with each other in `entries.toml`. between: pairs of arms, of which one is subtracted
    from the other; still: arms in which nothing was to happen; clipped, unclipped: arms under random rewards."""

    between: tuple[tuple[str, str], ...]
    still: tuple[str, ...]
    clipped: tuple[str, ...]
    unclipped: tuple[str, ...]


def read_comparisons() -> Comparisons:
    return read_dataclass(Comparisons, _tables()["comparisons"], "comparisons.")


@cache
def _tables() -> dict[str, Any]:
    text = (files(__package__) / "record" / "entries.toml").read_text(encoding="utf-8")
    return parse_toml(text, "entries")


def read_entries(record: Record) -> tuple[Entry, ...]:
    """All entries of the record, the recipes at the end.

    Raises: InputError where a question holds its own outcome, or something that was computed from it.
    """
    tables = _tables()
    found = [_entry(record, tables["fragment"], table) for table in tables["entry"]]
    found += [_of_recipe(record, recipe.id) for recipe in record.recipes]
    check(len({entry.id for entry in found}) == len(found), "id", "given once", "two of one name")
    return tuple(found)


def _entry(record: Record, fragments: dict[str, Any], table: dict[str, Any]) -> Entry:
    known = {"id", "group", "claim", "figure", "still", "ask", "given", "out_of_scope", "note"}
    check(set(table) <= known, table["id"], f"made of {', '.join(sorted(known))}", sorted(set(table) - known))
    figure, resolver = record.figure(table["figure"]), _Resolver(record, fragments, {}, [])
    question = None
    check(("ask" in table) != ("out_of_scope" in table), table["id"], "either asked or out of scope", table)
    if "ask" in table:
        check(table["ask"] in QUESTIONS, f"{table['id']}.ask", f"one of {', '.join(QUESTIONS)}", table["ask"])
        question = read_dataclass(QUESTIONS[table["ask"]], resolver.value(table["given"], ""), f"{table['id']}.")
    for name in resolver.used:
        if name == figure.id or figure.id in record.ancestors(name):
            raise InputError(table["id"], f"asked without its own outcome, which {name} is or was made of")
    still = table.get("still")
    return Entry(
        id=table["id"],
        group=table["group"],
        claim=table["claim"],
        figure=figure,
        still=0.0 if still is None else record.figure(still).plain,
        still_figure=still,
        question=question,
        out_of_scope=table.get("out_of_scope"),
        used=tuple(resolver.used.values()),
        assumed=tuple(resolver.assumed),
        note=table.get("note"),
    )


def _of_recipe(record: Record, name: str) -> Entry:
    recipe = next(r for r in record.recipes if r.id == name)
    figure = Figure(
        id=f"recipe.{name}",
        work=recipe.work,
        place=recipe.framework,
        when="claim",
        unit="sign",
        value=float(recipe.acts),
    )
    return Entry(
        id=f"recipe.{name}",
        group="recipes",
        claim=recipe.claim,
        figure=figure,
        still=0.0,
        still_figure=None,
        question=Recipe(framework=recipe.framework, suffix=recipe.suffix, text=recipe.text),
        out_of_scope=None,
        used=(),
        assumed=(),
        note=None,
    )
