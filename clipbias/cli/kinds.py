"""Option types whose complaints say what is allowed, in words."""

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    ParamType = click.ParamType[Any]  # generic since click 8.4
else:
    ParamType = click.ParamType


class Number(ParamType):
    """An int or a float; `rule` is the allowed range in words, which the library enforces."""

    def __init__(self, kind: type[int] | type[float], rule: str) -> None:
        self.kind, self.rule = kind, rule
        self.name = "integer" if kind is int else "number"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        try:
            return self.kind(value)
        except (ValueError, OverflowError):
            kind = "a whole number, " if self.kind is int else ""
            self.fail(f"must be {kind}{self.rule}, got {value}", param, ctx)


class ClipSide(Number):
    """A float, or `none` for a side that is off."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        return None if value == "none" else super().convert(value, param, ctx)


class Choice(ParamType):
    """One of a few words."""

    name = "word"

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.words:
            self.fail(f"must be one of {', '.join(self.words)}, got {value}", param, ctx)
        return value


class Spec(ParamType):
    """An instance of a library class: name:parameter=value,…"""

    name = "name:a=x,b=y"
    rule = ""

    @staticmethod
    def classes() -> dict[str, Any]:
        """By the word that stands for each; imported only when needed."""
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if not isinstance(value, str):
            return value
        from clipbias.common.errors import InputError
        from clipbias.theory.notation import from_text

        try:
            return from_text(value, self.classes())
        except InputError as error:  # which says what it got
            self.fail(f"must be {self.rule} ({error})", param, ctx)
        except ValueError as error:
            self.fail(f"must be {self.rule}, got {value} ({error})", param, ctx)


class SurrogateSpec(Spec):
    """A class of `theory.surrogate` with its parameters."""

    rule = (
        "one of ppo, cispo, sapo, dppo, gspo, probability, with parameters as in cispo:cap=5 or"
        " ppo:low=0.2,high=none,dual=3"
    )

    @staticmethod
    def classes() -> dict[str, Any]:
        from clipbias.theory.surrogate import SURROGATES

        return SURROGATES


class OptimizerSpec(Spec):
    """A class of `theory.update_rule` with its parameters."""

    rule = "one of sgd, adam, with parameters as in sgd:momentum=0.9 or adam:beta2=0.95,weight_decay=0.1"

    @staticmethod
    def classes() -> dict[str, Any]:
        from clipbias.theory.update_rule import OPTIMIZERS

        return OPTIMIZERS


class Numbers(ParamType):
    """Numbers with commas between; `rule` says in words what `allowed` decides."""

    rule = ""

    @staticmethod
    def allowed(values: tuple[float, ...]) -> bool:
        raise NotImplementedError

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if isinstance(value, tuple):
            return value
        try:
            values = tuple(float(part) for part in value.split(","))
        except ValueError:
            values = ()
        if not values or not self.allowed(values):
            self.fail(f"must be {self.rule}, got {value}", param, ctx)
        return values


class Probs(Numbers):
    name = "p1,p2,…"
    rule = "at least two numbers in (0, 1) that add to 1"

    @staticmethod
    def allowed(values: tuple[float, ...]) -> bool:
        return len(values) >= 2 and all(0 < p < 1 for p in values) and abs(sum(values) - 1) <= 1e-9


class SuccessProbs(Numbers):
    name = "g1,g2,…"
    rule = "numbers in [0, 1], one for each outcome"

    @staticmethod
    def allowed(values: tuple[float, ...]) -> bool:
        return all(0 <= p <= 1 for p in values)


class OutputFile(ParamType):
    """A file to write, in a folder that exists."""

    name = "file"
    kinds: tuple[str, ...] = ()

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix not in self.kinds:
            self.fail(f"must end in {', '.join(self.kinds)}, got {value}", param, ctx)
        if path.is_dir():
            self.fail(f"must be a file, not a folder, got {value}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"must be in a folder that exists, got {value}", param, ctx)
        if not os.access(path.parent, os.W_OK | os.X_OK):
            self.fail(f"must be in a folder that may be written to, got {value}", param, ctx)
        return path


class PlotFile(OutputFile):
    """What matplotlib can write."""

    kinds = (".png", ".pdf", ".svg")


class ParquetFile(OutputFile):
    kinds = (".parquet",)
