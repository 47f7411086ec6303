"""The report's figures: pure functions from a comparison to matplotlib figures."""

import math
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter
from scipy.special import entr, expit

from clipbias.common.arrays import Array
from clipbias.common.style import BAND, HIGH, LOW, MEASURED, PREDICTED, SEED
from clipbias.validate.judge.compare import RunComparison
from clipbias.validate.judge.pairs import clip_rivals
from clipbias.validate.judge.statistics import LEVEL, interval
from clipbias.validate.store.run_record import RunRecord

INTERVAL = f"{100 * LEVEL:.0f} % interval"
_COLUMNS = 3  # more panels in a row could not be read at the page's width
_BARS = 6  # error bars per curve that can be told apart


def _panels(count: int, width: float, height: float) -> tuple[Figure, list[Any]]:
    """A figure of `count` panels with one vertical scale, in as many rows as it takes."""
    columns = min(count, _COLUMNS)
    rows = math.ceil(count / columns)
    figure = Figure(figsize=(width * columns, height * rows), layout="constrained")
    axes = figure.subplots(rows, columns, sharey=True, squeeze=False).ravel()
    for empty in axes[count:]:
        empty.remove()
    return figure, list(axes[:count])


def _style(axes: Any, xlabel: str, ylabel: str) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if xlabel == "phase":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _legend_below(figure: Figure, panels: list[Any]) -> None:
    """One legend for all panels."""
    handles, labels = panels[0].get_legend_handles_labels()
    columns = 2 if len(panels) == 1 else 3
    figure.legend(handles, labels, loc="outside lower center", ncols=columns, fontsize=9, frameon=False)


def mean_curve(
    axes: Any,
    values: Array,
    color: str,
    label: str,
    lowest: float = -math.inf,
    highest: float = math.inf,
    first: int = 0,
) -> None:
    """Mean over seeds with its t interval, cut at what is possible; values [seeds, points], the first at x = first."""
    columns = [interval(values[:, t], lowest, highest) for t in range(values.shape[1])]
    x = first + np.arange(values.shape[1])
    axes.plot(x, [c.mean for c in columns], color=color, linewidth=2, label=label)
    axes.fill_between(x, [c.low for c in columns], [c.high for c in columns], color=color, alpha=0.18, linewidth=0)


def share_curves(run: RunRecord) -> Figure:
    """Every seed of every arm over the band that was fixed beforehand."""
    figure, panels = _panels(len(run.recipe.arm), 4.1, 3.9)
    for axes, arm in zip(panels, run.recipe.arm, strict=True):
        claim, shares = run.prediction.arms[arm.name], run.arms[arm.name].curves["share"]
        last = shares.shape[1] - 1
        phases = np.arange(last + 1)
        marked = np.unique(np.linspace(0, last, _BARS + 1).round().astype(int))[1:]
        band = expit(claim.band.log_odds_quantiles)
        walk = expit(claim.without_momentum.log_odds_quantiles)
        axes.fill_between(phases, band[:, 0], band[:, -1], color=BAND, linewidth=0, label="predicted: 90 % of seeds")
        axes.plot(phases, walk[:, 0], color=PREDICTED, linewidth=1.4, linestyle=":", label="the same without momentum")
        axes.plot(phases, walk[:, -1], color=PREDICTED, linewidth=1.4, linestyle=":")
        axes.plot(phases, shares.T, color=SEED, linewidth=0.7, alpha=0.7)
        axes.plot([], [], color=SEED, linewidth=0.7, label="measured: one seed each")
        axes.plot(phases, claim.band.share_mean, color=PREDICTED, linewidth=2, linestyle="--", label="predicted mean")
        means = [interval(shares[:, t], 0.0, 1.0) for t in phases]
        label = f"measured mean, {INTERVAL}"
        axes.plot(phases, [m.mean for m in means], color=MEASURED, linewidth=2.4, label=label)
        axes.errorbar(
            marked,
            [means[t].mean for t in marked],
            yerr=np.transpose([(means[t].mean - means[t].low, means[t].high - means[t].mean) for t in marked]),
            fmt="none",
            ecolor=MEASURED,
            elinewidth=1.8,
            capsize=4,
        )
        axes.set_title(arm.name)
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        _style(axes, "phase", "share of the strategy")
        axes.label_outer()
    _legend_below(figure, panels)
    return figure


def paired_curves(run: RunRecord, reference: str) -> Figure:
    """Difference in log-odds to the unclipped arm on the same seeds, with its interval, over the predicted mean."""
    arms = [arm.name for arm in clip_rivals(run.recipe)]
    figure, panels = _panels(len(arms), 4.6, 3.4)
    base = run.arms[reference].curves["log_odds"]
    for axes, name in zip(panels, arms, strict=True):
        mean_curve(axes, run.arms[name].curves["log_odds"] - base, MEASURED, f"measured mean, {INTERVAL}")
        means = [run.prediction.arms[n].band.log_odds_mean for n in (name, reference)]
        axes.plot(means[0] - means[1], color=PREDICTED, linewidth=2, linestyle="--", label="predicted mean")
        axes.set_title(f"{name} − {reference}")
        _style(axes, "phase", "difference in log-odds")
        axes.label_outer()
    _legend_below(figure, panels)
    return figure


def clip_fractions(comparison: RunComparison, arms: list[str], strategy: bool) -> Figure:
    """Clip events by mini-batch in the clipped `arms`: measured (bars, ± one standard error) and predicted (lines).
    strategy: of the tokens that decide it, else of all."""
    figure, panels = _panels(len(arms), 4.6, 3.4)
    for axes, name in zip(panels, arms, strict=True):
        arm = comparison.arms[name]
        found = arm.clip_fractions_strategy_token if strategy else arm.clip_fractions_all_tokens
        if found is None:
            raise ValueError(f"the clip events of {name} must be known by token")
        walk = arm.clip_fractions_without_momentum
        x = np.arange(1, len(found.low) + 1)
        for side, color, shift, measured, stderr, predicted, walked in (
            ("low", LOW, -0.2, found.low, found.low_stderr, found.low_predicted, walk.low),
            ("high", HIGH, 0.2, found.high, found.high_stderr, found.high_predicted, walk.high),
        ):
            bars, error = 100 * np.asarray(measured), 100 * np.asarray(stderr)
            axes.bar(x + shift, bars, 0.36, yerr=error, color=color, alpha=0.65, label=f"clip-{side} measured")
            line = {"color": color, "marker": "o", "markersize": 4, "label": f"clip-{side} predicted"}
            axes.plot(x + shift, 100 * np.asarray(predicted), **line)
            if not strategy:
                dotted = {"color": color, "linewidth": 1.4, "linestyle": ":"}
                axes.plot(x + shift, 100 * np.asarray(walked), label=f"clip-{side} without momentum", **dotted)
        axes.set_title(name)
        axes.set_xticks(x)
        _style(axes, "mini-batch of the phase", "% of tokens clipped")
        axes.label_outer()
    panels[0].set_ylim(0, None)  # once all are drawn: the panels share their scale, which this fixes at what is there
    _legend_below(figure, panels)
    return figure


def health_curves(run: RunRecord) -> Figure:
    """Entropy of the strategy (with its prediction), entropy of all tokens, and the accuracy of the rollouts."""
    figure = Figure(figsize=(12.3, 3.6), layout="constrained")
    strategy, tokens, accuracy = figure.subplots(1, 3)
    for i, arm in enumerate(run.recipe.arm):
        color = f"C{i}"
        curves = run.arms[arm.name].curves
        share = curves["share"]
        mean_curve(strategy, entr(share) + entr(1 - share), color, arm.name, 0.0, math.log(2))
        strategy.plot(run.prediction.arms[arm.name].band.strategy_entropy_mean, color=color, linestyle="--")
        mean_curve(tokens, curves["token_entropy"], color, arm.name, 0.0)
        mean_curve(accuracy, curves["accuracy"], color, arm.name, 0.0, 1.0)
    _style(strategy, "phase", "entropy of the strategy (nats)")
    strategy.set_title("choice of the strategy (dashed: predicted mean)", fontsize=10)
    _style(tokens, "phase", "entropy per token (nats)")
    tokens.set_title("all tokens", fontsize=10)
    _style(accuracy, "phase", "accuracy of the rollouts")
    accuracy.set_title("skill", fontsize=10)
    accuracy.set_ylim(0, None)
    _legend_below(figure, [strategy, tokens, accuracy])
    return figure


def decomposition(comparison: RunComparison) -> Figure:
    """Change of the share in each arm = clip drift + noise, predicted beside measured, each with its value."""
    paired = comparison.paired
    figure, panels = _panels(len(paired), 4.6, 3.2)
    x = np.arange(2)
    for axes, pair in zip(panels, paired, strict=True):
        predicted = [100 * pair.clip_drift_predicted, 100 * pair.noise_predicted]
        parts = (pair.clip_drift, pair.noise)
        mean, low, high = 100 * np.array([(part.mean, part.low, part.high) for part in parts]).T
        axes.plot(x - 0.12, predicted, "D", color=PREDICTED, label="predicted mean")
        axes.errorbar(
            x + 0.12,
            mean,
            yerr=[mean - low, high - mean],
            fmt="o",
            capsize=4,
            color=MEASURED,
            label=f"measured mean, {INTERVAL}",
        )
        for i in x:
            for value, side, color in ((predicted[i], -1, PREDICTED), (mean[i], 1, MEASURED)):
                place = {
                    "xytext": (26 * side, 6),
                    "textcoords": "offset points",
                    "ha": "center",
                    "backgroundcolor": "white",
                }
                axes.annotate(f"{value:+.1f}", (i + 0.12 * side, value), color=color, **place)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xlim(-0.6, len(x) - 0.4)
        axes.set_xticks(x, ["clip drift", "noise"])
        axes.set_title(pair.arm)
        _style(axes, "", "points of share")
        axes.label_outer()
    _legend_below(figure, panels)
    return figure
