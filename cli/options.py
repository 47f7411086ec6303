"""What commands share: option types whose complaints name the option and its range, and the printing of results."""

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

F = TypeVar("F", bound=Callable[..., Any])
METHODS = ("exact", "gaussian")
SCALES = ("std", "std-unbiased", "none")


class Number(click.ParamType):
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


class Choice(click.ParamType):
    """One of a few words."""

    name = "word"

    def __init__(self, words: tuple[str, ...]) -> None:
        self.words = words

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        if value not in self.words:
            self.fail(f"must be one of {', '.join(self.words)}, got {value}", param, ctx)
        return value


class Numbers(click.ParamType):
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


class PlotFile(click.ParamType):
    """A file that matplotlib can write."""

    name = "file"
    kinds = (".png", ".pdf", ".svg")

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Path:
        path = Path(value)
        if path.suffix not in self.kinds:
            self.fail(f"must end in {', '.join(self.kinds)}, got {value}", param, ctx)
        if not path.parent.is_dir():
            self.fail(f"must be in a folder that exists, got {value}", param, ctx)
        return path


def number(name: str, kind: type[int] | type[float], rule: str, text: str, default: float | None = None) -> Any:
    """An option that is required unless it has a default."""
    shown = f"{text} ({rule})"
    if default is None:  # an explicit default of None would count as given
        return click.option(name, type=Number(kind, rule), required=True, help=shown)
    return click.option(name, type=Number(kind, rule), default=default, show_default=True, help=shown)


probs = click.option("--probs", type=Probs(), required=True, help=f"The policy: {Probs.rule}.")
group_size = number("--group-size", int, "at least 2", "Samples per prompt")
success_prob = number("--success-prob", float, "in [0, 1]", "Probability that a sample is rewarded")
scale = click.option(
    "--scale",
    type=Choice(SCALES),
    default="std",
    show_default=True,
    help=f"Advantage normalisation: {', '.join(SCALES)}.",
)
method = click.option(
    "--method",
    type=Choice(METHODS),
    default="exact",
    show_default=True,
    help=f"Law of one optimizer step: {', '.join(METHODS)} (exact for groups of up to 128).",
)
clip_low = click.option(
    "--clip-low",
    type=ClipSide(float, "in (0, 1] or none"),
    required=True,
    help="Lower bound of the ratio is 1 - this (in (0, 1] or none).",
)
clip_high = click.option(
    "--clip-high",
    type=ClipSide(float, "positive and finite, or none"),
    required=True,
    help="Upper bound of the ratio is 1 + this (positive and finite, or none).",
)
plot = click.option("--plot", type=PlotFile(), help="Draw it too (.png, .pdf or .svg).")
as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object and nothing else.")


def stacked(*options: Callable[[F], F]) -> Callable[[F], F]:
    """One decorator from several, help in the order given."""

    def decorate(function: F) -> F:
        for option in reversed(options):
            function = option(function)
        return function

    return decorate


shape_options = stacked(
    probs,
    number("--learning-rate", float, "at least 0 and finite", "Step size of vanilla gradient ascent on the logits"),
    group_size,
    number("--groups-per-minibatch", int, "at least 1", "Groups in one optimizer step"),
    number("--minibatches", int, "at least 1", "Optimizer steps per phase"),
    clip_low,
    clip_high,
)
phase_options = stacked(shape_options, success_prob, scale, as_json)


@contextmanager
def named_errors() -> Iterator[None]:
    """A ValueError that opens with the name of one of this command's options is the user's; others are bugs.

    `prob` is the library's word for the first entry of --probs.
    """
    try:
        yield
    except ValueError as error:
        field, _, rest = str(error).partition(" ")
        field = "probs" if field == "prob" else field
        context = click.get_current_context()
        for param in context.command.params:
            if param.name == field:
                raise click.BadParameter(rest, context, param) from error
        raise


@contextmanager
def working(text: str) -> Iterator[None]:
    """A spinner on stderr for what may take seconds, where a person is watching."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(text):
        yield


def draw(path: Path | None, figure: Callable[[], Any]) -> None:
    """Save the figure where one was asked for; matplotlib is loaded only then."""
    if path is None:
        return
    from .figures import save

    with working("drawing"):
        save(figure(), path)
    click.echo(f"wrote {path}", err=True)


def show(value: dict[str, Any], as_json: bool, title: str, text: dict[str, str] | None = None) -> None:
    """One JSON object, or a table of the same keys (cells taken from `text` where it has them)."""
    if as_json:
        click.echo(json.dumps(value, allow_nan=False))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(title=title, title_justify="left", show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for key, entry in (text or {key: readable(entry) for key, entry in value.items()}).items():
        table.add_row(key, entry)
    Console().print(table)


def readable(entry: Any) -> str:
    """Four to five digits of whatever a result holds."""
    if isinstance(entry, dict) and set(entry) == {"mean", "stderr"}:
        means, errors = entry["mean"], entry["stderr"]
        if isinstance(means, list):
            return "  ".join(f"{m:.5g} ± {e:.1g}" for m, e in zip(means, errors, strict=True))
        return f"{means:.5g} ± {errors:.1g}"
    if isinstance(entry, dict):
        return "\n".join(f"{key:>5}  {readable(part)}" for key, part in entry.items())
    if isinstance(entry, list | tuple):
        return "  ".join(readable(part) for part in entry)
    return f"{entry:.5g}" if isinstance(entry, float) else str(entry)
