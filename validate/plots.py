"""The report's figures: pure functions from a comparison to matplotlib figures."""

from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from scipy.special import entr

from .compare import LEVEL, interval
from .measured import RunData

PREDICTED, MEASURED, SEED = "#8172b3", "#c44e52", "#c9a1a3"
LOW, HIGH = "#4c72b0", "#dd8452"


def _style(axes: Any, xlabel: str, ylabel: str) -> None:
    axes.set(xlabel=xlabel, ylabel=ylabel)
    if xlabel == "phase":
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _band(axes: Any, values: np.ndarray, color: str, label: str) -> None:
    """Mean over seeds with its t interval; values [seeds, points]."""
    columns = [interval(values[:, t]) for t in range(values.shape[1])]
    x = np.arange(values.shape[1])
    axes.plot(x, [c.mean for c in columns], color=color, linewidth=2, label=label)
    axes.fill_between(x, [c.low for c in columns], [c.high for c in columns], color=color, alpha=0.18, linewidth=0)


def share_curves(run: RunData) -> Figure:
    """Every seed of every arm over the band that was fixed beforehand."""
    arms = [arm.name for arm in run.recipe.arm]
    figure = Figure(figsize=(4.1 * len(arms), 3.7), layout="constrained")
    panels = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    phases = np.arange(run.recipe.training.phases + 1)
    for axes, name in zip(panels, arms, strict=True):
        predicted, shares = run.prediction["arms"][name], run.arms[name].curves["share"]
        band = 1 / (1 + np.exp(-np.asarray(predicted["log_odds_quantiles"])))
        axes.fill_between(
            phases, band[:, 0], band[:, -1], color=PREDICTED, alpha=0.18, linewidth=0, label="predicted 90 %"
        )
        axes.fill_between(
            phases, band[:, 1], band[:, -2], color=PREDICTED, alpha=0.22, linewidth=0, label="predicted 50 %"
        )
        walk = 1 / (1 + np.exp(-np.asarray(predicted["without_momentum"]["log_odds_quantiles"])))
        axes.plot(phases, walk[:, [0, -1]], color=PREDICTED, linewidth=1, linestyle=":")
        axes.plot([], [], color=PREDICTED, linewidth=1, linestyle=":", label="90 % without momentum")
        axes.plot(phases, predicted["share_mean"], color=PREDICTED, linestyle="--", label="predicted mean")
        axes.plot(phases, shares.T, color=SEED, linewidth=0.7)
        axes.plot(
            phases,
            shares.mean(axis=0),
            color=MEASURED,
            linewidth=2.2,
            label=f"measured mean, {len(shares)} seeds",
        )
        axes.axhline(shares[0, 0], color="black", linewidth=0.8, linestyle=":")
        axes.set_title(name)
        axes.set_ylim(0, 1)
        _style(axes, "phase", "share of the strategy")
        axes.label_outer()
    panels[0].legend(fontsize=8, loc="lower left", frameon=False)
    return figure


def paired_curves(run: RunData, reference: str) -> Figure:
    """Difference in log-odds to the unclipped arm on the same seeds, with its interval, over the predicted mean."""
    arms = [arm.name for arm in run.recipe.arm if arm.name != reference]
    figure = Figure(figsize=(4.6 * len(arms), 3.4), layout="constrained")
    panels = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    base = run.arms[reference].curves["log_odds"]
    for axes, name in zip(panels, arms, strict=True):
        _band(axes, run.arms[name].curves["log_odds"] - base, MEASURED, f"measured, {LEVEL:.0%} interval")
        means = [np.asarray(run.prediction["arms"][n]["log_odds_mean"]) for n in (name, reference)]
        axes.plot(means[0] - means[1], color=PREDICTED, linestyle="--", label="predicted mean")
        axes.axhline(0, color="black", linewidth=0.8, linestyle=":")
        axes.set_title(f"{name} − {reference}")
        _style(axes, "phase", "difference in log-odds")
        axes.label_outer()
    panels[0].legend(fontsize=8, frameon=False)
    return figure


def clip_fractions(comparison: dict[str, Any], arms: list[str], key: str) -> Figure:
    """Clip events by mini-batch in the clipped `arms`: measured (bars, ± one standard error) and predicted (lines)."""
    figure = Figure(figsize=(4.6 * len(arms), 3.2), layout="constrained")
    panels = figure.subplots(1, len(arms), sharey=True, squeeze=False)[0]
    for axes, name in zip(panels, arms, strict=True):
        fractions = comparison["arms"][name][key]
        x = np.arange(1, len(fractions["low"]) + 1)
        for side, color, shift in (("low", LOW, -0.2), ("high", HIGH, 0.2)):
            measured = 100 * np.asarray(fractions[side])
            error = 100 * np.asarray(fractions[f"{side}_stderr"])
            axes.bar(x + shift, measured, 0.36, yerr=error, color=color, alpha=0.65, label=f"clip-{side} measured")
            predicted = 100 * np.asarray(fractions[f"{side}_predicted"])
            axes.plot(x + shift, predicted, color=color, marker="o", markersize=4, label=f"clip-{side} predicted")
            if key == "clip_fractions_all_tokens":
                walk = 100 * np.asarray(comparison["arms"][name]["clip_fractions_without_momentum"][side])
                axes.plot(
                    x + shift, walk, color=color, linewidth=1, linestyle=":", label=f"clip-{side} without momentum"
                )
        axes.set_title(name)
        axes.set_xticks(x)
        axes.set_ylim(0, None)
        _style(axes, "mini-batch of the phase", "% of tokens clipped")
        axes.label_outer()
    panels[0].legend(fontsize=8, frameon=False)
    return figure


def health_curves(run: RunData) -> Figure:
    """Entropy of the strategy (with its prediction), entropy of all tokens, and the accuracy of the rollouts."""
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    strategy, tokens, accuracy = figure.subplots(1, 3)
    for i, arm in enumerate(run.recipe.arm):
        color = f"C{i}"
        curves = run.arms[arm.name].curves
        share = curves["share"]
        _band(strategy, entr(share) + entr(1 - share), color, arm.name)
        strategy.plot(run.prediction["arms"][arm.name]["strategy_entropy_mean"], color=color, linestyle="--")
        _band(tokens, curves["token_entropy"], color, arm.name)
        _band(accuracy, curves["accuracy"], color, arm.name)
    _style(strategy, "phase", "entropy of the strategy (nats)")
    strategy.set_title("strategy entropy (dashed: predicted mean)", fontsize=10)
    _style(tokens, "phase", "entropy per token (nats)")
    tokens.set_title("token entropy", fontsize=10)
    _style(accuracy, "phase", "accuracy of the rollouts")
    accuracy.set_title("skill", fontsize=10)
    accuracy.set_ylim(0, None)
    strategy.legend(fontsize=8, frameon=False)
    return figure


def decomposition(comparison: dict[str, Any]) -> Figure:
    """Change of the share in each arm = clip drift + noise, predicted beside measured."""
    paired = comparison["paired"]
    figure = Figure(figsize=(4.6 * len(paired), 3.2), layout="constrained")
    panels = figure.subplots(1, len(paired), sharey=True, squeeze=False)[0]
    for axes, pair in zip(panels, paired, strict=True):
        parts = ("clip_drift", "noise")
        x = np.arange(len(parts))
        axes.bar(
            x - 0.2,
            [100 * pair[f"{p}_predicted"] for p in parts],
            0.36,
            color=PREDICTED,
            alpha=0.6,
            label="predicted",
        )
        means = [100 * pair[p]["mean"] for p in parts]
        spread = [100 * (pair[p]["high"] - pair[p]["mean"]) for p in parts]
        axes.bar(
            x + 0.2,
            means,
            0.36,
            yerr=spread,
            capsize=4,
            color=MEASURED,
            alpha=0.7,
            label=f"measured, {LEVEL:.0%} interval",
        )
        axes.axhline(0, color="black", linewidth=0.8)
        axes.set_xticks(x, ["clip drift", "noise"])
        axes.set_title(pair["arm"])
        _style(axes, "", "points of share")
        axes.label_outer()
    panels[0].legend(fontsize=8, frameon=False)
    return figure
