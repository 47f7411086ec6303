"""Figures, bands and ways in words and tables of Markdown."""

from collections.abc import Iterable, Sequence

from .confront import Line
from .figure import Figure
from .verdict import Direction, Number

WAYS = {-1: "falls", 0: "stays", 1: "rises"}
_ACTS = {0: "cannot act", 1: "can act"}
UNITS = {"%": " %", "points": " points", "count": " answers"}


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    return "\n".join(lines)


def number(value: float, unit: str) -> str:
    match unit:
        case "%" | "points":
            shown = f"{value:.1f}"
        case "count":
            shown = f"{value:.0f}"
        case "small increment":
            shown = f"{value:.2g}"
        case "share":
            shown = f"{value:.4f}"
        case _:
            shown = f"{value:.2f}"
    return shown.removeprefix("-") if float(shown) == 0 else shown  # no minus before nothing


def named(figure: Figure) -> str:
    """The value as published, with what its reading may be off."""
    reading = f" ± {figure.half_width:g}" if figure.half_width else ""
    return f"{number(figure.value, figure.unit)}{reading}{UNITS.get(figure.unit, '')}"


def source(figure: Figure) -> str:
    return figure.work if figure.version is None else f"{figure.work} {figure.version}"


def published(line: Line) -> str:
    figure, still = line.entry.figure, line.entry.still
    if figure.unit == "sign":
        return way(line, int(figure.value))
    return f"{named(figure)}{'' if still == 0 else f', from {number(still * figure.scale, figure.unit)}'}"


def theory(line: Line) -> str:
    figure = line.entry.figure
    match line.prediction:
        case Number() as band:
            low, value, high = (number(x * figure.scale, figure.unit) for x in (band.low, band.value, band.high))
            return f"{value} [{low}, {high}]"
        case Direction() as direction:
            return way(line, direction.sign)
    return ""


def way(line: Line, sign: int) -> str:
    return (_ACTS if line.entry.group == "recipes" else WAYS)[sign]


def span(low: str, high: str) -> str:
    return f"{low} to {high}"


def chance(probability: float) -> str:
    """To two digits; none of 40,000 draws is below 0.0001."""
    if probability < 1e-4:
        return "below 0.0001"
    return f"{probability:.2f}" if probability >= 0.1 else f"{probability:.2g}"
