"""Figures of forecasts: predicted beside measured changes, fans over phases, calibration. Pure functions of cases."""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from clipbias.common.style import BAND, GREY, MEASURED, PREDICTED, SEED
from clipbias.validate.judge.clip_effect import ClipEffect
from clipbias.validate.judge.foretold import TOKENS, Change
from clipbias.validate.judge.rivals import phases_read
from clipbias.validate.judge.skill import Calibration, Case
from clipbias.validate.judge.statistics import LEVEL, interval

_COLUMNS = 4
_INTERVAL = f"{100 * LEVEL:.0f} %"


def _tidy(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _grid(count: int, width: float, height: float, share: bool) -> tuple[Figure, list[Any]]:
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=share, squeeze=False).ravel()
    for empty in axes[count:]:
        empty.remove()
    return figure, list(axes[:count])


def change_bars(cases: Sequence[Case], name_of: Callable[[str], str]) -> Figure:
    """Change over the whole run: for every reward and observable the forecast (bar, its 90 % band of seeds as a line)
    and what was measured (dot, the interval of the mean over seeds)."""
    arms = list(dict.fromkeys(case.arm for case in cases))
    names = list(dict.fromkeys(case.observable for case in cases))
    figure, panels = _grid(len(names), 3.2, 0.9 + 0.3 * len(arms), share=True)
    for axes, name in zip(panels, names, strict=True):
        for case in (case for case in cases if case.observable == name):
            y, law, start = arms.index(case.arm), case.forecast, case.forecast.mean[..., 0]
            low, mean, high = (float(np.mean(part[..., -1] - start)) for part in (law.low, law.mean, law.high))
            axes.barh(y, mean, 0.62, color=BAND, edgecolor=PREDICTED, linewidth=0.8)
            axes.plot([low, high], [y, y], color=PREDICTED, linewidth=1.2)
            end = case.measured[:, -1] - case.measured[:, 0]
            seen = interval(end) if len(end) > 1 else None
            if seen is not None:
                axes.plot([seen.low, seen.high], [y, y], color=MEASURED, linewidth=2.6, alpha=0.55)
            axes.plot(end.mean(), y, marker="o", markersize=5, color=MEASURED)
        axes.axvline(0, color=GREY, linewidth=0.8)
        axes.set_yticks(range(len(arms)), arms)
        axes.set_ylim(len(arms) - 0.5, -0.5)
        axes.set_xlabel("change, tokens" if name in TOKENS else "change, log-odds", fontsize=8)
        axes.set_title(name_of(name), fontsize=10)
        _tidy(axes)
    figure.legend(
        handles=[
            Patch(facecolor=BAND, edgecolor=PREDICTED, label="forecast of the mean"),
            *panels[0].plot([], [], color=PREDICTED, linewidth=1.2, label="90 % of seeds expected here"),
            *panels[0].plot([], [], "o-", color=MEASURED, label=f"measured mean, {_INTERVAL} interval"),
        ],
        loc="outside lower center",
        ncols=3,
        fontsize=9,
        frameon=False,
    )
    return figure


def clip_effects(found: Sequence[tuple[str, ClipEffect]]) -> Figure:
    """By run: each clipped arm less the unclipped one, in log-odds. The forecast with two standard errors, the toy's
    claim, and what was measured, with the interval of the mean over pairs."""
    figure = Figure(figsize=(7.2, 1.2 + 0.7 * len(found)), layout="constrained")
    axes = figure.subplots()
    for y, (_, effect) in enumerate(found):
        seen = effect.pair.log_odds
        axes.errorbar(
            effect.forecast, y - 0.18, xerr=2 * effect.stderr, fmt="s", color=PREDICTED, label="forecast, ± 2 errors"
        )
        axes.plot(effect.pair.log_odds_predicted, y, "D", color=GREY, label="toy of two outcomes")
        axes.plot([seen.low, seen.high], [y + 0.18, y + 0.18], color=MEASURED, linewidth=2.6, alpha=0.55)
        axes.plot(seen.mean, y + 0.18, "o", color=MEASURED, label=f"measured, {_INTERVAL} interval")
    axes.axvline(0, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(found)), [f"{run}\n{effect.pair.arm} − {effect.pair.reference}" for run, effect in found])
    axes.set_ylim(len(found) - 0.5, -0.5)
    axes.set_xlabel("what the clip alone adds to the strategy's log-odds")
    _tidy(axes)
    labelled = dict(zip(*reversed(axes.get_legend_handles_labels()), strict=True))  # one of each
    figure.legend(
        list(labelled.values()), list(labelled), loc="outside lower center", ncols=3, fontsize=9, frameon=False
    )
    return figure


def change_scatter(found: Sequence[Change], name_of: Callable[[str], str]) -> Figure:
    """Measured against predicted mean changes, all rewards, by observable; on the line they agree."""
    figure = Figure(figsize=(5.6, 4.8), layout="constrained")
    axes = figure.subplots()
    markers = "osD^v<>P*X"
    for i, name in enumerate(dict.fromkeys(change.case.observable for change in found)):
        part = [change for change in found if change.case.observable == name]
        axes.errorbar(
            [change.predicted for change in part],
            [change.measured for change in part],
            yerr=[2 * change.measured_stderr for change in part],
            fmt=markers[i % len(markers)],
            markersize=5,
            elinewidth=0.8,
            label=name_of(name),
        )
    ends = [value for change in found for value in (change.predicted, change.measured)]
    line = [min(ends), max(ends)]
    axes.plot(line, line, color=GREY, linewidth=1, linestyle="--")
    axes.set(xlabel="predicted mean change", ylabel="measured mean change, ± 2 standard errors")
    axes.legend(fontsize=8, frameon=False)
    _tidy(axes)
    return figure


def fans(cases: Sequence[Case]) -> Figure:
    """One observable: every arm's band and mean over phases, with each measured seed and their mean."""
    figure, panels = _grid(len(cases), 3.1, 2.5, share=False)
    for axes, case in zip(panels, cases, strict=True):
        law, read = case.forecast, phases_read(case.measured)
        phases = np.arange(law.mean.shape[-1])
        axes.fill_between(phases, law.low, law.high, color=BAND, linewidth=0, label="90 % of seeds expected here")
        axes.plot(phases, law.mean, color=PREDICTED, linewidth=1.8, linestyle="--", label="forecast of the mean")
        for seed in case.measured:
            axes.plot(read, seed[read], color=SEED, linewidth=0.7, alpha=0.8)
        axes.plot([], [], color=SEED, linewidth=0.7, label="measured: one seed each")
        mean = case.measured[:, read].mean(axis=0)
        axes.plot(read, mean, color=MEASURED, linewidth=2, marker="o", markersize=3, label="measured mean")
        axes.set_title(case.arm, fontsize=9)
        axes.set_xlabel("phase", fontsize=8)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        _tidy(axes)
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="outside lower center", ncols=4 if len(cases) > 2 else 2, fontsize=8, frameon=False
    )
    return figure


def pit_histograms(parts: Sequence[tuple[str, Calibration]]) -> Figure:
    """Where seeds end within the law that was forecast, by tenths: flat if it is right, ∪ if it is too narrow."""
    figure = Figure(figsize=(3.6 * len(parts), 2.9), layout="constrained")
    for axes, (title, found) in zip(figure.subplots(1, len(parts), squeeze=False, sharey=True)[0], parts, strict=True):
        x = (np.arange(len(found.pit)) + 0.5) / len(found.pit)
        axes.bar(x, [part.value for part in found.pit], 0.092, color=BAND, edgecolor=PREDICTED, linewidth=0.8)
        for at, part in zip(x, found.pit, strict=True):
            if part.low is not None and part.high is not None:
                axes.plot([at, at], [part.low, part.high], color=PREDICTED, linewidth=1.2)
        axes.axhline(1 / len(found.pit), color=MEASURED, linewidth=1.2, linestyle="--")
        axes.set_title(f"{title}: {found.seeds} ends", fontsize=10)
        axes.set_xlabel("place in the forecast's law")
        _tidy(axes)
    return figure
