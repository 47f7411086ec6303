"""What `--plot` draws: pure functions from what a `clipbias theory` command was asked to matplotlib figures.

Colours are told apart in grey and by colour-blind readers; lines differ in style as well.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from scipy.special import expit, logit

from ..theory.config import PhaseConfig
from ..theory.drift import expected_gradient
from ..theory.evolve import EvolveResult
from ..theory.immunity import immune_above
from ..theory.neutral import neutral_clip_high, neutral_ratio_std
from ..theory.noise import Decomposition
from ..theory.phase import phase
from ..theory.surrogate import PpoClip

DARK, LIGHT, WARM, GREY = "#0b3c5d", "#9ec9e2", "#d1662c", "#7a7a7a"
DIVERGING = "PuOr_r"
DAPO = PpoClip(0.2, 0.28)


def save(figure: Figure, path: Path) -> None:
    """Whole or not at all."""
    draft = path.with_name(f".{path.stem}.{os.getpid()}{path.suffix}")
    try:
        figure.savefig(draft, dpi=150)
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def style(axes: Any, xlabel: str, ylabel: str, title: str = "") -> None:
    """The house's axes."""
    axes.set(xlabel=xlabel, ylabel=ylabel)
    axes.set_title(title, fontsize=10, loc="left")
    axes.spines[["top", "right"]].set_visible(False)


def _heat(figure: Figure, axes: Any, x: Any, y: Any, values: Any, label: str) -> None:
    """A diverging map, white at 0."""
    top = float(np.abs(values).max()) or 1.0
    mesh = axes.pcolormesh(x, y, values, cmap=DIVERGING, norm=TwoSlopeNorm(0.0, -top, top), shading="gouraud")
    bar = figure.colorbar(mesh, ax=axes)
    bar.set_label(label)


def drift(clip: PpoClip, mu: float) -> Figure:
    """The clip's bounds over the old probability, and the drift of the log-odds over old and present probability."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    bounds, field = figure.subplots(1, 2)
    old = np.linspace(0.0, 1.0, 401)
    bounds.plot(old, old, color=GREY, linewidth=1, label="no change")
    if clip.high is not None:
        bounds.plot(old, np.minimum(old * clip.upper_bound, 1), color=WARM, label=f"upper bound, (1 + {clip.high:g})·b")
        edge = immune_above(clip)
        bounds.axvspan(edge, 1, color=WARM, alpha=0.18, linewidth=0)
        bounds.text(edge - 0.01, 0.03, f"never clipped\nabove: b > {edge:.3f}", ha="right", fontsize=9)
    if clip.low is not None:
        bounds.plot(old, old * clip.lower_bound, color=DARK, linestyle="--", label=f"lower bound, (1 − {clip.low:g})·b")
    style(bounds, "old probability b", "probability π", "Where clipping begins")
    bounds.legend(frameon=False, fontsize=9, loc="upper left")
    grid = np.linspace(0.005, 0.995, 121)
    values = np.array([[_log_odds_drift(b, p, clip, mu) for b in grid] for p in grid])
    _heat(figure, field, grid, grid, values, "expected gradient of the log-odds")
    field.plot(grid, grid, color=GREY, linewidth=1)
    style(field, "old probability b", "probability π", "Drift (white: none; two outcomes)")
    return figure


def _log_odds_drift(old: float, prob: float, clip: PpoClip, mu: float) -> float:
    gradient = expected_gradient((prob, 1 - prob), (old, 1 - old), clip, mu)
    return float(gradient[0] - gradient[1])


def entropy_map(prob: float, config: PhaseConfig, clip: PpoClip) -> Figure:
    """Entropy that the clip adds to one phase, over (ε_l, ε_h), by the Gaussian step; the clip asked for as a dot."""
    figure = Figure(figsize=(6.2, 4.6), layout="constrained")
    axes = figure.subplots()
    sides = np.linspace(0.04, 0.5, 24)
    free = phase(prob, replace(config, surrogate=PpoClip(None, None)), "gaussian").entropy_shift
    values = np.array(
        [
            [phase(prob, replace(config, surrogate=PpoClip(low, high)), "gaussian").entropy_shift for low in sides]
            for high in sides
        ]
    )
    added = values - free
    _heat(figure, axes, sides, sides, added, "entropy added by the clip (nats)")
    if added.min() < 0 < added.max():
        axes.contour(sides, sides, added, levels=[0.0], colors="black", linewidths=1.0)
    axes.plot(sides, sides, color=GREY, linewidth=1, linestyle=":", label="symmetric")
    if clip.low is not None and clip.high is not None and max(clip.low, clip.high) <= sides[-1]:
        axes.plot(clip.low, clip.high, "o", color="black", label=f"{clip.low:g} / {clip.high:g}")
    style(axes, "ε_l (clip low)", "ε_h (clip high)", f"One phase from p = {prob:g}; black line: no entropy added")
    axes.legend(framealpha=0.9, fontsize=9, loc="lower right")
    return figure


def evolve(prob: float, config: PhaseConfig, result: EvolveResult) -> Figure:
    """Bands of p over the phases, and the portrait: where one phase takes the log-odds from every start."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    bands, portrait = figure.subplots(1, 2)
    phases = np.arange(len(result.laws))
    quantile = {
        level: np.array([expit(law.quantile(level)) for law in result.laws]) for level in (0.05, 0.25, 0.5, 0.75, 0.95)
    }
    bands.fill_between(phases, quantile[0.05], quantile[0.95], color=LIGHT, alpha=0.5, linewidth=0, label="90 %")
    bands.fill_between(phases, quantile[0.25], quantile[0.75], color=LIGHT, linewidth=0, label="50 %")
    bands.plot(phases, quantile[0.5], color=DARK, label="median")
    bands.plot(phases, [law.prob_mean for law in result.laws], color=WARM, linestyle="--", label="mean")
    bands.axhline(prob, color=GREY, linewidth=1, linestyle=":")
    bands.set_ylim(0, 1)
    bands.yaxis.set_major_formatter(PercentFormatter(1.0))
    style(bands, "phase", "probability of the first outcome", "The law of the policy")
    bands.legend(frameon=False, fontsize=9, ncols=2)
    starts = expit(np.linspace(-4, 4, 81))
    ones = [phase(float(start), config, "gaussian") for start in starts]
    shift, std = np.array([one.log_odds_shift for one in ones]), np.array([one.log_odds_std for one in ones])
    portrait.plot(starts, shift, color=DARK, label="mean")
    portrait.plot(starts, shift + std, color=GREY, linewidth=1, linestyle="--", label="± one standard deviation")
    portrait.plot(starts, shift - std, color=GREY, linewidth=1, linestyle="--")
    portrait.axhline(0, color="black", linewidth=0.8)
    portrait.set_ylim(*(np.array([-1.3, 1.3]) * max(float(std.max()), 1e-9)))
    style(portrait, "probability at the start of a phase", "change of the log-odds in it", "One phase from every start")
    portrait.legend(frameon=False, fontsize=9)
    return figure


def neutral(clip_low: float, ratio_std: float | None, clip_high: float) -> Figure:
    """The neutral ε_h over σ; what was asked for as a dot, and DAPO's pair."""
    figure = Figure(figsize=(6.4, 4.4), layout="constrained")
    axes = figure.subplots()
    widest = max(0.4, 1.5 * (ratio_std or 0.0))
    sigma = np.linspace(0.0, widest, 200)
    curve = np.array([neutral_clip_high(clip_low, s) for s in sigma])
    top = max(1.15 * float(curve[-1]), 1.1 * clip_high, 0.4)
    axes.fill_between(sigma, curve, top, color=LIGHT, alpha=0.6, linewidth=0)
    axes.fill_between(sigma, 0, curve, color=WARM, alpha=0.22, linewidth=0)
    axes.plot(sigma, curve, color=DARK, label=f"(1 + ε_h)(1 − {clip_low:g}) = exp(σ²)")
    axes.text(0.03 * widest, 0.93 * top, "rare outcomes rise", fontsize=10)
    axes.text(0.97 * widest, 0.05 * top, "rare outcomes fall", fontsize=10, ha="right")
    if clip_low == DAPO.low and DAPO.high is not None:
        at = neutral_ratio_std(clip_low, DAPO.high)
        axes.plot(
            at, DAPO.high, "D", color=WARM, markeredgecolor="black", label=f"DAPO's 0.28: neutral at σ = {at:.3f}"
        )
    if ratio_std is None:
        axes.axhline(clip_high, color="black", linestyle="--", label=f"this set-up, whole phase: {clip_high:.3f}")
    else:
        axes.plot(ratio_std, clip_high, "o", color="black", label=f"σ = {ratio_std:g}: {clip_high:.4f}")
    axes.set(xlim=(0, widest), ylim=(0, top))
    style(
        axes,
        "σ, standard deviation of a rare outcome's log-ratio",
        "ε_h (clip high)",
        f"Neutral clip at ε_l = {clip_low:g}",
    )
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0.0, 0.1))
    return figure


def reward(parts: Decomposition, prob: float, phases: int) -> Figure:
    """Selection, clip drift and noise, in p and in log-odds."""
    figure = Figure(figsize=(8.4, 3.6), layout="constrained")
    names = ("selection", "clip drift", "noise")
    start = float(logit(prob))
    for axes, label, values in (
        (figure.add_subplot(1, 2, 1), f"change of E[p] from {prob:g}", parts.in_prob),
        (figure.add_subplot(1, 2, 2), f"change of E[log-odds] from {start:.2f}", parts.in_log_odds),
    ):
        bars = axes.bar((*names, "total"), (*values, sum(values)), color=(DARK, WARM, LIGHT, GREY), edgecolor="black")
        axes.bar_label(bars, fmt="%+.3f", fontsize=9, padding=2)
        axes.axhline(0, color="black", linewidth=0.8)
        axes.margins(y=0.18)
        style(axes, f"after {phases} phase{'s' if phases > 1 else ''}", label)
    return figure
