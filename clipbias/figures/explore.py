"""What the explorer draws beside the figures of `theory` commands."""

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from clipbias.common.style import DARK, GREY, HIGH, LIGHT, LOW, WARM
from clipbias.theory.law import Law

from .theory import style

KNOWN = (
    ("PPO, TRL, verl", 0.2, 0.2),
    ("DAPO", 0.2, 0.28),
    ("EasyR1", 0.2, 0.3),
    ("torchtune", 0.1, 0.1),
)  # increments by default, as their code has them (docs/frameworks.md); DAPO: arXiv:2503.14476


def bounds(ratio_std: float, clip_low: float | None, clip_high: float | None) -> Figure:
    """Pairs of bounds that leave a rare outcome alone (T6), (1 + ε_h)(1 − ε_l) = exp(2σ²) beside a quiet rest and
    exp(σ²) where all spread alike, with known recipes; `ratio_std`: σ."""
    figure = Figure(figsize=(6.4, 4.6), layout="constrained")
    axes = figure.subplots()
    low = np.linspace(0.0, 0.5, 200)
    for exponent, look, rest in ((2.0, "-", "the rest hardly moves"), (1.0, "--", "all spread alike")):
        curve = np.exp(exponent * ratio_std**2) / (1 - low) - 1
        axes.plot(low, curve, look, color=DARK, label=f"neutral, {rest} (σ = {ratio_std:.3g})")
    axes.plot(low, low, ":", color=GREY, label="symmetric")
    for name, at_low, at_high in KNOWN:
        axes.plot(at_low, at_high, "o", color=WARM, markeredgecolor="black")
        axes.annotate(name, (at_low, at_high), (6, -4), textcoords="offset points", fontsize=8)
    if clip_low is not None and clip_high is not None:
        axes.plot(clip_low, clip_high, "D", markersize=11, color="none", markeredgecolor="black", label="yours")
    axes.text(0.02, 0.57, "rare outcomes rise", fontsize=9)
    axes.text(0.48, 0.02, "rare outcomes fall", fontsize=9, ha="right")
    axes.set(xlim=(0, 0.5), ylim=(0, 0.6))
    style(axes, "ε_l (clip low)", "ε_h (clip high)", "Which bounds leave a rare outcome alone")
    axes.legend(frameon=False, fontsize=8, loc="upper center", bbox_to_anchor=(0.5, -0.16), ncols=2)
    return figure


def clipped(law: Law) -> Figure:
    """Share of samples clipped in each optimizer step of a phase, by side."""
    figure = Figure(figsize=(6.4, 3.4), layout="constrained")
    axes = figure.subplots()
    low, high = law.clip_low_fraction.value, law.clip_high_fraction.value
    step = np.arange(1, len(low) + 1)
    axes.bar(step - 0.2, high, 0.4, color=HIGH, edgecolor="black", label="praise beyond the upper bound")
    axes.bar(step + 0.2, low, 0.4, color=LOW, edgecolor="black", hatch="//", label="blame beyond the lower bound")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.yaxis.set_major_formatter(PercentFormatter(1.0, decimals=1))
    axes.set_ylim(0, max(1e-3, 1.25 * float(max(low.max(), high.max()))))
    style(axes, "optimizer step of a phase", "samples clipped", "What the clip cuts")
    axes.legend(frameon=False, fontsize=8, loc="upper left")
    return figure


def ends(law: Law, share: float) -> Figure:
    """The first outcome's probability after the last phase: median, half and nine tenths of all trainings."""
    figure = Figure(figsize=(6.4, 2.4), layout="constrained")
    axes = figure.subplots()
    low, quarter, median, three, high = (float(law.quantile(q).value[0]) for q in (0.05, 0.25, 0.5, 0.75, 0.95))
    axes.barh(0, high - low, left=low, height=0.3, color=LIGHT, alpha=0.5, label="90 %")
    axes.barh(0, three - quarter, left=quarter, height=0.3, color=LIGHT, edgecolor="black", label="50 %")
    axes.plot([median, median], [-0.15, 0.15], color=DARK, linewidth=2, label="median")
    axes.plot(float(law.prob_mean.value[0]), 0, "D", color=WARM, label="mean")
    axes.axvline(share, color=GREY, linestyle=":", label="at the start")
    axes.set(xlim=(0, 1), ylim=(-0.5, 0.5), yticks=[])
    axes.xaxis.set_major_formatter(PercentFormatter(1.0))
    style(axes, f"share after {law.phases} phases", "", "The law of the policy")
    axes.legend(frameon=False, fontsize=8, ncols=5, loc="lower center")
    return figure
