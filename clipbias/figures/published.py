"""Published values as points over predicted bands, on the scale on which nothing happened is 0."""

from typing import Any

from matplotlib.figure import Figure

from clipbias.common.style import BAND, GREY, MEASURED, PREDICTED
from clipbias.published.answer import Answer
from clipbias.published.confront import Line
from clipbias.published.verdict import Number

from .theory import style

SHOWN = (
    ("forced code", "code share alone"),
    ("share over steps", "removing the clip", "success probability"),
    ("gains",),
    ("which problems",),
)  # a panel each
_POINTS = ("%", "points", "fraction")


def published(answer: Answer) -> Figure:
    """All entries in points or answers with a band, by group."""
    panels = [[line for line in answer.lines if _fits(line, groups)] for groups in SHOWN]
    height = 0.19 * max(len(panels[0]) + len(panels[2]), len(panels[1]) + len(panels[3])) + 2.2
    figure = Figure(figsize=(13, height), layout="constrained")
    left, right = figure.subfigures(1, 2, squeeze=False)[0]
    for side, column in ((left, (0, 2)), (right, (1, 3))):
        rows = side.subplots(2, 1, height_ratios=[len(panels[i]) + 1 for i in column])
        for axes, i in zip(rows, column, strict=True):
            unit = "right answers" if SHOWN[i] == ("which problems",) else "points"
            _panel(axes, panels[i], f"{unit}, less what they were", ", ".join(SHOWN[i]))
    handles, labels = rows[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=3, frameon=False, fontsize=9)
    return figure


def _fits(line: Line, groups: tuple[str, ...]) -> bool:
    unit = line.entry.figure.unit
    return line.entry.group in groups and isinstance(line.prediction, Number) and unit in (*_POINTS, "count")


def _panel(axes: Any, lines: list[Line], label: str, title: str) -> None:
    places = range(len(lines))
    bands, middles, points, readings = [], [], [], []
    for line in lines:
        entry, band = line.entry, line.prediction
        assert isinstance(band, Number)
        scale = 1.0 if entry.figure.unit == "count" else 100.0
        low, high, value = (scale * (x - entry.still) for x in (band.low, band.high, band.value))
        bands.append((low, high - low))
        middles.append(value)
        points.append(scale * (entry.figure.plain - entry.still))
        readings.append(scale * entry.figure.plain_half_width)
    axes.barh(
        places, [w for _, w in bands], left=[x for x, _ in bands], height=0.7, color=BAND, label="predicted, 90 %"
    )
    axes.plot(middles, places, "|", color=PREDICTED, markersize=8, label="predicted")
    axes.errorbar(
        points, list(places), xerr=readings, fmt="o", color=MEASURED, markersize=3.5, linewidth=1, label="published"
    )
    axes.axvline(0.0, color=GREY, linewidth=0.8)
    axes.set_yticks(list(places), [line.entry.id for line in lines], fontsize=6.5)
    axes.invert_yaxis()
    axes.use_sticky_edges = False  # else a band's end would be the edge of the panel
    axes.margins(x=0.03, y=0.01)
    style(axes, label, "", title)
