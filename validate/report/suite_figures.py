"""The suite report's figures."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter

from clipbias.common.style import BAND, HIGH, LOW, MEASURED, PREDICTED
from clipbias.validate.judge.clipping import ArmDifference
from clipbias.validate.judge.coverage import Coverage
from clipbias.validate.judge.gains import Gain
from clipbias.validate.judge.statistics import Interval
from clipbias.validate.judge.tokens import TokenTest
from clipbias.validate.store.run_record import RunRecord

from .run_figures import INTERVAL, mean_curve

_INCH_PER_ARM = 0.27


def _bare(axes: Any) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(alpha=0.25, linewidth=0.6)


def _interval(axes: Any, of: Interval, y: float, scale: float = 1.0) -> None:
    mean, low, high = scale * of.mean, scale * of.low, scale * of.high
    axes.errorbar(mean, y, xerr=[[mean - low], [high - mean]], fmt="o", capsize=3, color=MEASURED, markersize=4)


def gain_panels(found: Sequence[Gain]) -> Figure:
    """By arm: change of the share (left) and of the accuracy on held-out problems (right), predicted and measured."""
    figure = Figure(figsize=(10.5, 1.3 + _INCH_PER_ARM * len(found)), layout="constrained")
    panels = figure.subplots(1, 2, sharey=True)
    shares = [(gain.share_predicted, gain.share) for gain in found]
    accuracies = [(gain.accuracy_predicted, gain.accuracy) for gain in found]
    for axes, title, rows in zip(panels, ("share of the strategy", "accuracy"), (shares, accuracies), strict=True):
        for y, (predicted, measured) in enumerate(rows):
            axes.plot(100 * predicted, y - 0.15, "D", color=PREDICTED, markersize=4.5)
            _interval(axes, measured, y + 0.15, scale=100.0)
        axes.axvline(0, color="black", linewidth=0.8)
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("change in points")
        _bare(axes)
    panels[0].set_yticks(range(len(found)), [gain.arm for gain in found])
    panels[0].invert_yaxis()
    panels[1].plot([], [], "D", color=PREDICTED, label="predicted")
    panels[1].plot([], [], "o-", color=MEASURED, label=f"measured, {INTERVAL}")
    figure.legend(loc="outside lower center", ncols=2, fontsize=9, frameon=False)
    return figure


def difference_panel(found: list[ArmDifference], reference: str) -> Figure:
    figure = Figure(figsize=(8.0, 1.3 + _INCH_PER_ARM * len(found)), layout="constrained")
    axes = figure.subplots()
    for y, one in enumerate(found):
        axes.plot(one.claim.value, y - 0.15, "D", color=PREDICTED, markersize=4.5)
        _interval(axes, one.claim.estimate, y + 0.15)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.set_yticks(range(len(found)), [one.arm for one in found])
    axes.invert_yaxis()
    axes.set_xlabel(f"log-odds of the strategy at the end, arm − {reference}, paired by seed")
    axes.plot([], [], "D", color=PREDICTED, label="predicted")
    axes.plot([], [], "o-", color=MEASURED, label=f"measured, {INTERVAL}")
    axes.legend(fontsize=9, frameon=False)
    _bare(axes)
    return figure


def training_curves(run: RunRecord, arms: tuple[str, ...]) -> Figure:
    """Share of the strategy, mean probability of the sampled tokens, and accuracy of the rollouts over training."""
    figure = Figure(figsize=(12.3, 3.7), layout="constrained")
    panels = figure.subplots(1, 3)
    for color, name in zip(("C0", "C1", "C2", "C3"), arms, strict=False):
        curves = run.arms[name].curves
        for axes, column in zip(panels, ("share", "token_prob", "accuracy"), strict=True):
            first = 0 if column == "share" else 1
            mean_curve(axes, curves[column][:, first:], color, name, 0.0, 1.0, first)
    for axes, title in zip(
        panels, ("share of the strategy", "mean probability of a token", "accuracy of the rollouts"), strict=True
    ):
        axes.set_title(title, fontsize=11)
        axes.set_xlabel("phase")
        axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=0))
        _bare(axes)
    panels[0].legend(fontsize=9, frameon=False)
    return figure


def token_panels(test: TokenTest) -> Figure:
    """Clip fractions by mini-batch, and the clip's push by tenth of the old probability, from mini-batch 3 on."""
    figure = Figure(figsize=(11.0, 3.7), layout="constrained")
    fractions, push = figure.subplots(1, 2)
    for side, color, found in (("low", LOW, test.low), ("high", HIGH, test.high)):
        measured = {"yerr": 200 * found.stderr, "fmt": "o", "capsize": 3, "label": f"clip-{side} measured"}
        fractions.errorbar(test.minibatches, 100 * found.measured, color=color, **measured)
        fractions.plot(test.minibatches, 100 * found.expected, "--", color=color, label=f"clip-{side} predicted")
    fractions.set(xlabel="mini-batch of the phase", ylabel="% of tokens clipped")
    fractions.set_ylim(0, None)
    fractions.legend(fontsize=8, frameon=False)
    x = np.arange(len(test.push)) / len(test.push) + 0.05
    push.axhline(0, color="black", linewidth=0.8)
    push.plot(x, test.push_expected, "D--", color=PREDICTED, markersize=4.5, label="predicted from mini-batch 2")
    push.errorbar(
        x,
        test.push,
        yerr=2 * test.push_stderr,
        fmt="o",
        color=MEASURED,
        capsize=3,
        label="measured, ± 2 std. errors",
    )
    push.set(xlabel="old probability of the token", ylabel="push of the clip per token (advantage)")
    push.legend(fontsize=8, frameon=False)
    for axes in (fractions, push):
        _bare(axes)
    return figure


def coverage_panel(found: Coverage) -> Figure:
    figure = Figure(figsize=(6.0, 3.2), layout="constrained")
    axes = figure.subplots()
    axes.axhspan(88, 92, color=BAND)
    axes.axhline(90, color=PREDICTED, linestyle="--", label="a true prediction")
    known = [(10 * (i + 1), 100 * share) for i, share in enumerate(found.by_tenth) if share is not None]
    axes.plot(*zip(*known, strict=True), "o-", color=MEASURED, label="measured")
    axes.set(xlabel="% of the training done", ylabel="% inside the 90 % band", ylim=(0, 101))
    axes.legend(fontsize=9, frameon=False)
    _bare(axes)
    return figure
