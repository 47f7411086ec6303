"""What `clipbias simulate plot` draws: a map over two settings, or curves over one, with their errors."""

from dataclasses import dataclass
from typing import Any

import matplotlib
import numpy as np
from matplotlib.colors import Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from clipbias.common.arrays import Array
from clipbias.common.style import DARK, DIVERGING, GREY, SEQUENTIAL, WARM
from clipbias.simulate.sweeps.columns import Column
from clipbias.theory.formulas.neutral import neutral_clip_high

from .theory import DAPO, style

NAMES = {"clip_low": "ε_l (clip low)", "clip_high": "ε_h (clip high)"}
STYLES = ("-", "--", "-.", ":")
MARKERS = "osD^vPX*"
LOG_FROM = 30.0  # times the smallest value: an axis that reaches so far is logarithmic


def within_two_errors(value: Column) -> Any:
    """Which values cannot be told from 0."""
    errors = np.zeros_like(value.values) if value.stderr is None else value.stderr
    return np.abs(value.values) <= 2 * errors


def label(column: Column) -> str:
    return NAMES.get(column.name, column.name.replace("_", " "))


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells that points over x and y fill. columns, rows: the distinct values."""

    x: Column
    y: Column
    columns: Array
    rows: Array

    @classmethod
    def of(cls, x: Column, y: Column) -> "Grid":
        return cls(x, y, np.unique(x.values), np.unique(y.values))

    @property
    def is_filled(self) -> bool:
        """False for points drawn at random, each in a row and a column of its own, and for a single row or column."""
        several = min(len(self.columns), len(self.rows)) > 1
        return several and 2 * len(self.x.values) > len(self.columns) * len(self.rows)

    def cells(self, values: Array) -> Array:
        """[rows, columns], NaN where there is no point."""
        found = np.full((len(self.rows), len(self.columns)), np.nan)
        found[np.searchsorted(self.rows, self.y.values), np.searchsorted(self.columns, self.x.values)] = values
        return found


def heat_map(
    x: Column,
    y: Column,
    value: Column,
    rule: tuple[float, float] | None = None,
    hatch: tuple[Column, str, float] | None = None,
) -> Figure:
    """value over x and y: cells where the points fill a grid, else a dot for each point.

    Quantities of either sign are white at 0, with the line where they are 0 and dots on what is within 2 standard
    errors of it. hatch: a quantity, < or >, and a level. rule: draw that of `theory.neutral` at these σ and σ̄.
    """
    figure = Figure(figsize=(6.8, 5.4), layout="constrained")
    axes, grid = figure.subplots(), Grid.of(x, y)
    low, high = float(value.values.min()), float(value.values.max())
    signed = "_shift" in value.name or low < 0 < high
    top = max(-low, high) or 1.0
    norm = TwoSlopeNorm(0.0, -top, top) if signed else Normalize(low, high)
    look: dict[str, Any] = {"cmap": DIVERGING if signed else SEQUENTIAL, "norm": norm}
    if grid.is_filled:
        drawn: Any = axes.pcolormesh(grid.columns, grid.rows, grid.cells(value.values), shading="nearest", **look)
    else:
        drawn = axes.scatter(x.values, y.values, c=value.values, s=34, edgecolors=GREY, linewidths=0.4, **look)
    _scale(axes, "x", grid.columns)
    _scale(axes, "y", grid.rows)
    figure.colorbar(drawn, ax=axes).set_label(label(value) + (" (nats)" if value.name.startswith("entropy") else ""))
    handles = [] if hatch is None else _hatch(axes, grid, *hatch)
    if signed:
        near = within_two_errors(value)
        if near.any():
            axes.plot(x.values[near], y.values[near], ".", color="black", markersize=3.5, label="within 2 s.e. of 0")
        if grid.is_filled and low < 0 < high:
            axes.contour(grid.columns, grid.rows, grid.cells(value.values), levels=[0.0], colors="black")
            axes.plot([], [], color="black", label=f"{label(value)} = 0, measured")
    if (x.name, y.name) == ("clip_low", "clip_high"):
        _clip_landmarks(axes, grid, rule)
    style(axes, label(x), label(y))
    handles += axes.get_legend_handles_labels()[0]
    if handles:
        figure.legend(handles=handles, loc="outside lower center", ncols=2, frameon=False, fontsize=9)
    return figure


def _hatch(axes: Any, grid: Grid, quantity: Column, side: str, level: float) -> Any:
    """Mark where the quantity is on that side of the level; what the legend would not find by itself."""
    text, values = f"{label(quantity)} {side} {level:g}", quantity.values
    inside = values < level if side == "<" else values > level
    if not grid.is_filled:
        axes.plot(grid.x.values[inside], grid.y.values[inside], "x", color="black", markersize=5, label=text)
        return []
    if inside.any():
        levels = [values.min() - 1.0, level] if side == "<" else [level, values.max() + 1.0]
        cells = grid.cells(values)
        area = axes.contourf(grid.columns, grid.rows, cells, levels=levels, colors="none", hatches=["///"])
        area.set_edgecolor(GREY)
        if not inside.all():
            axes.contour(grid.columns, grid.rows, cells, levels=[level], colors=GREY)
    return [Patch(facecolor="none", edgecolor=GREY, hatch="///", label=text)]


def _clip_landmarks(axes: Any, grid: Grid, rule: tuple[float, float] | None) -> None:
    """Clips that are in use, and the rule for rare outcomes."""
    limits, columns, rows = (axes.get_xlim(), axes.get_ylim()), grid.columns, grid.rows
    both = np.array([max(columns[0], rows[0]), min(columns[-1], rows[-1])])
    if both[0] < both[1]:
        axes.plot(both, both, color=GREY, linestyle=":", label="symmetric clip")
    for low, high, marker, name in ((0.2, 0.2, "o", "PPO"), (DAPO.low, DAPO.high, "D", "DAPO")):
        if columns[0] <= low <= columns[-1] and rows[0] <= high <= rows[-1]:
            text = f"{name}, {low:g} / {high:g}"
            axes.plot(low, high, marker, color=WARM, markeredgecolor="black", linestyle="", markersize=8, label=text)
    if rule is not None:
        ratio_std, rest_std = rule
        sides = np.linspace(columns[0], min(columns[-1], 0.99), 200)
        right = f"exp({ratio_std:g}²)" if rest_std == ratio_std else f"exp(2·{ratio_std:g}² − {rest_std:g}²)"
        neutral = [neutral_clip_high(side, ratio_std, rest_std) for side in sides]
        axes.plot(sides, neutral, color=DARK, linestyle="--", label=f"(1 + ε_h)(1 − ε_l) = {right}")
    axes.set(xlim=limits[0], ylim=limits[1])


def curves(x: Column, value: Column, by: Column | None = None) -> Figure:
    """value over x with ± 2 standard errors, a line for each value of `by`."""
    figure = Figure(figsize=(6.6, 4.4), layout="constrained")
    axes = figure.subplots()
    groups = np.zeros(1) if by is None else np.unique(by.values)
    shades = matplotlib.colormaps[SEQUENTIAL](np.linspace(0.0, 0.85, len(groups)))
    for i, group in enumerate(groups):
        member = np.full(len(x.values), True)
        text = None
        if by is not None:
            member = np.isnan(by.values) if np.isnan(group) else by.values == group
            text = by.says(group)
        at = np.flatnonzero(member)[np.argsort(x.values[member])]
        means = value.values[at]
        look: dict[str, Any] = {"marker": MARKERS[i % len(MARKERS)], "linestyle": STYLES[i % len(STYLES)]}
        axes.plot(x.values[at], means, color=shades[i], label=text, markersize=4.5, **look)
        if value.stderr is not None:
            errors = 2 * value.stderr[at]
            axes.fill_between(x.values[at], means - errors, means + errors, color=shades[i], alpha=0.25, linewidth=0)
    if "_shift" in value.name:
        axes.axhline(0, color="black", linewidth=0.8)
    _scale(axes, "x", np.unique(x.values))
    style(axes, label(x), label(value), "" if value.stderr is None else "Bands: ± 2 standard errors")
    if by is not None:
        axes.legend(title=label(by), frameon=False, fontsize=9, ncols=1 + len(groups) // 6)
    return figure


def _scale(axes: Any, axis: str, values: Any) -> None:
    if values[0] > 0 and values[-1] >= LOG_FROM * values[0]:
        axes.set(**{f"{axis}scale": "log"})
        getattr(axes, f"{axis}axis").set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
