"""What `--plot` draws: pure functions from what a `clipbias theory` command was asked to matplotlib figures.

Colours are those of `common.style`.
"""

from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, MaxNLocator, NullLocator, PercentFormatter
from scipy.special import expit, logit

from clipbias.common.files import replaced
from clipbias.common.style import DARK, DIVERGING, GREY, LIGHT, WARM
from clipbias.theory.formulas.drift import expected_gradient
from clipbias.theory.formulas.immunity import immune_above
from clipbias.theory.formulas.neutral import neutral_clip_high, neutral_ratio_std
from clipbias.theory.law import Law
from clipbias.theory.laws.calibrate import learning_rate_for_spread
from clipbias.theory.laws.decomposition import Decomposition
from clipbias.theory.laws.lattice import StepLaw
from clipbias.theory.laws.neutral_phase import neutral_clip_high_of_phase
from clipbias.theory.laws.paths import PathsResult
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip, Surrogate

DAPO = PpoClip(0.2, 0.28)


def save(figure: Figure, path: Path) -> None:
    """Whole or not at all."""
    with replaced(path) as draft:
        figure.savefig(draft, dpi=150, format=path.suffix.removeprefix("."))


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


def drift(surrogate: Surrogate, mu: float) -> Figure:
    """The ratios' bounds over the old probability, and the drift of the log-odds over old and present probability."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    bounds, field = figure.subplots(1, 2)
    old = np.linspace(0.001, 1.0, 400)
    bounds.plot(old, old, color=GREY, linewidth=1, label="no change")
    jumps = np.array([surrogate.jumps(float(b)) for b in old])  # [400, number of bounds]
    for ratio in jumps.T:
        if not 0 < ratio[-1] < np.inf:
            continue
        above = ratio[-1] > 1
        label = f"{'upper' if above else 'lower'} bound"
        label += f", {ratio[-1]:.3g}·b" if np.ptp(ratio) < 1e-12 else ""
        shown = (ratio * old > 0) & (ratio * old <= 1)
        look = {"color": WARM} if above else {"color": DARK, "linestyle": "--"}
        bounds.plot(old[shown], (ratio * old)[shown], label=label, **look)
    if len(bounds.lines) == 1:
        bounds.text(0.95, 0.05, "no bound", ha="right", fontsize=9)
    edge = immune_above(surrogate) if isinstance(surrogate, PpoClip) and surrogate.high is not None else None
    if edge is not None:
        bounds.axvspan(edge, 1, color=WARM, alpha=0.18, linewidth=0)
        bounds.text(edge - 0.01, 0.03, f"never clipped\nabove: b > {edge:.3f}", ha="right", fontsize=9)
    style(bounds, "old probability b", "probability π", "Where clipping begins")
    bounds.legend(framealpha=0.9, edgecolor="none", fontsize=9, loc="upper left")
    grid = np.linspace(0.005, 0.995, 121)
    values = np.array([[_log_odds_drift(b, p, surrogate, mu) for b in grid] for p in grid])
    _heat(figure, field, grid, grid, values, "expected gradient of the log-odds")
    field.plot(grid, grid, color=GREY, linewidth=1)
    style(field, "old probability b", "probability π", "Drift (white: none; two outcomes)")
    return figure


def _log_odds_drift(old: float, prob: float, surrogate: Surrogate, mu: float) -> float:
    gradient = expected_gradient((prob, 1 - prob), (old, 1 - old), surrogate, mu)
    return float(gradient[0] - gradient[1])


def outcomes(probs: tuple[float, ...], law: Law) -> Figure:
    """Where every outcome's log-odds went along paths, over its prior probability: mean with its error, and spread."""
    result = law.marginals
    assert isinstance(result, PathsResult)
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    move, share = figure.subplots(1, 2)
    prior, shift, spread = np.array(probs), result.log_odds_shift, result.log_odds_std.value
    for axes in (move, share):
        axes.set_xscale("log")
    move.axhline(0, color="black", linewidth=0.8)
    move.vlines(prior, shift.value - spread, shift.value + spread, color=LIGHT, linewidth=3, label="± spread")
    move.errorbar(
        prior,
        shift.value,
        2 * shift.stderr,
        fmt="o",
        color=DARK,
        markersize=4,
        capsize=2,
        label="mean, ± 2 standard errors",
    )
    low, middle, high = (law.quantile(level).value for level in (0.05, 0.5, 0.95))
    line = np.array([prior.min(), prior.max()])
    share.plot(line, line, color=GREY, linewidth=1, label="no change")
    share.vlines(prior, low, high, color=LIGHT, linewidth=3, label="90 %")
    share.plot(prior, middle, "_", color=DARK, markersize=9, label="median")
    share.plot(prior, result.prob_mean.value, "D", color=WARM, markersize=4, label="mean")
    after = f"after {law.phases} phase{'s' if law.phases > 1 else ''}"
    share.set_yscale("log")
    move.margins(y=0.25)
    for axis in (move.xaxis, share.xaxis, share.yaxis):
        axis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
        axis.set_major_formatter("{x:g}")
    move.legend(frameon=False, fontsize=9, ncols=2, loc="upper left")
    share.legend(frameon=False, fontsize=9, loc="upper left")
    style(move, "probability before", f"change of the log-odds {after}", "Log-odds of every outcome")
    style(share, "probability before", f"probability {after}", "Probabilities")
    return figure


def entropy_map(prob: float, config: PhaseConfig) -> Figure:
    """Entropy that PPO's clip adds to one phase, over (ε_l, ε_h), by the Gaussian step; config's own clip as a dot."""
    figure = Figure(figsize=(6.2, 4.6), layout="constrained")
    axes = figure.subplots()
    sides = np.linspace(0.04, 0.5, 24)
    free = phase(prob, replace(config, surrogate=UNCLIPPED), "gaussian").entropy_shift
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
    clip = config.surrogate
    if isinstance(clip, PpoClip) and clip.low and clip.high and max(clip.low, clip.high) <= sides[-1]:
        axes.plot(clip.low, clip.high, "o", color="black", label=f"{clip.low:g} / {clip.high:g}")
    style(axes, "ε_l (clip low)", "ε_h (clip high)", f"One phase from p = {prob:g}; black line: no entropy added")
    axes.legend(framealpha=0.9, fontsize=9, loc="lower right")
    return figure


def evolve(prob: float, config: PhaseConfig, law: Law) -> Figure:
    """Bands of p over the phases, and the portrait: where one phase takes the log-odds from every start."""
    figure = Figure(figsize=(10.5, 4.2), layout="constrained")
    bands, portrait = figure.subplots(1, 2)
    laws = law.log_odds_laws
    phases = np.arange(len(laws))
    quantile = {
        level: np.array([expit(after.quantile(level)) for after in laws]) for level in (0.05, 0.25, 0.5, 0.75, 0.95)
    }
    bands.fill_between(phases, quantile[0.05], quantile[0.95], color=LIGHT, alpha=0.5, linewidth=0, label="90 %")
    bands.fill_between(phases, quantile[0.25], quantile[0.75], color=LIGHT, linewidth=0, label="50 %")
    bands.plot(phases, quantile[0.5], color=DARK, label="median")
    bands.plot(phases, [after.prob_mean for after in laws], color=WARM, linestyle="--", label="mean")
    bands.axhline(prob, color=GREY, linewidth=1, linestyle=":")
    bands.set_ylim(0, 1)
    bands.xaxis.set_major_locator(MaxNLocator(integer=True))
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


def neutral(clip_low: float, at: tuple[float, float]) -> Figure:
    """The neutral ε_h over σ by the rule, with DAPO's pair; `at`: (σ, ε_h) that was asked for."""
    figure = Figure(figsize=(6.8, 4.6), layout="constrained")
    axes = figure.subplots()
    _rule(axes, clip_low, max(0.4, 1.2 * at[0]), at[1])
    axes.plot(*at, "o", color="black", label=f"σ = {at[0]:.3g}: {at[1]:.4f}")
    style(
        axes,
        "σ, standard deviation of a rare outcome's log-ratio",
        "ε_h (clip high)",
        f"Neutral clip at ε_l = {clip_low:g}",
    )
    axes.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0.0, 0.1))
    return figure


def _rule(axes: Any, clip_low: float, widest: float, highest: float) -> None:
    """T6 over σ from 0 to `widest`, with room for ε_h up to `highest`."""
    sigma = np.linspace(0.0, widest, 200)
    curve = np.array([neutral_clip_high(clip_low, s) for s in sigma])
    top = max(1.15 * float(curve[-1]), 0.4, 1.1 * highest)
    axes.fill_between(sigma, curve, top, color=LIGHT, alpha=0.6, linewidth=0)
    axes.fill_between(sigma, 0, curve, color=WARM, alpha=0.22, linewidth=0)
    axes.plot(sigma, curve, color=DARK, label=f"(1 + ε_h)(1 − {clip_low:g}) = exp(σ²)")
    axes.text(0.03 * widest, 0.93 * top, "by the rule rare outcomes rise", fontsize=10)
    axes.text(0.97 * widest, 0.05 * top, "by the rule rare outcomes fall", fontsize=10, ha="right")
    if clip_low == DAPO.low and DAPO.high is not None:
        dapo = neutral_ratio_std(clip_low, DAPO.high)
        label = f"DAPO's 0.28: neutral at σ = {dapo:.3f}"
        axes.plot(dapo, DAPO.high, "D", color=WARM, markeredgecolor="black", label=label)
    axes.set(xlim=(0, widest), ylim=(0, top))


def neutral_phases(prob: float, config: PhaseConfig, method: StepLaw, asked: float) -> Figure:
    """The neutral ε_h of whole phases against the rule: over σ (from half to twice the learning rate), and over the
    prior at the σ of the set-up; `asked`: the ε_h of the set-up itself, a ring in both."""
    clip = config.surrogate
    assert isinstance(clip, PpoClip)
    assert clip.low is not None
    free = replace(config, surrogate=UNCLIPPED)
    spread = (1 - prob) * phase(prob, free, "gaussian").log_odds_std
    figure = Figure(figsize=(11.5, 4.8), layout="constrained")
    over_sigma, over_prior = figure.subplots(1, 2)
    rates, priors = (0.5, 0.7, 1.0, 1.4, 2.0), (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.45)
    spreads, starts = [], []
    for factor in rates:
        trial = replace(config, learning_rate=factor * config.learning_rate)
        std = phase(prob, replace(trial, surrogate=UNCLIPPED), "gaussian").log_odds_std
        spreads.append(((1 - prob) * std, prob, trial))
    for prior in priors:
        rate = learning_rate_for_spread(prior, config, spread / (1 - prior))
        starts.append((prior, prior, replace(config, learning_rate=rate)))
    widest, highest = max(0.4, 1.2 * spreads[-1][0]), 0.0
    kinds: tuple[tuple[Literal["drift", "entropy"], str, str], ...] = (
        ("drift", "log-odds do not drift", "s"),
        ("entropy", "no entropy added", "v"),
    )
    for of, name, marker in kinds:
        for axes, trials in ((over_sigma, spreads), (over_prior, starts)):
            at, found = _neutral_bounds(trials, of, method)
            axes.plot(at, found, marker=marker, color="black", linestyle=":", label=f"a whole phase: {name}")
            highest = max([highest, *found])
    for axes, place in ((over_sigma, spread), (over_prior, prob)):
        look = {"markersize": 11, "markerfacecolor": "none", "markeredgecolor": WARM, "markeredgewidth": 2}
        axes.plot(place, asked, "o", label=f"this set-up: {asked:.4f}", zorder=5, **look)
    _rule(over_sigma, clip.low, widest, max(highest, asked))
    rule = neutral_clip_high(clip.low, spread)
    over_prior.axhline(rule, color=DARK, label=f"the rule at σ = {spread:.3g}: {rule:.3f}")
    over_prior.axhline(clip.low, color=GREY, linewidth=1, linestyle="--", label="symmetric")
    ends = min(0.008, 0.8 * prob), min(1.0, max(0.55, 1.1 * prob))
    over_prior.set(xscale="log", xlim=ends, ylim=over_sigma.get_ylim())
    over_prior.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
    over_prior.xaxis.set_major_formatter("{x:g}")
    style(
        over_sigma,
        "σ, standard deviation of the log-ratio (at the end, unclipped)",
        "ε_h (clip high)",
        f"Neutral clip at ε_l = {clip.low:g}, p = {prob:g}",
    )
    style(over_prior, "prior probability p", "ε_h (clip high)", f"The same over the prior, at σ = {spread:.3g}")
    over_sigma.legend(frameon=False, fontsize=9, loc="lower left", bbox_to_anchor=(0.0, 0.1))
    over_prior.legend(frameon=False, fontsize=9, loc="lower left")
    return figure


def _neutral_bounds(
    trials: list[tuple[float, float, PhaseConfig]], of: Literal["drift", "entropy"], method: StepLaw
) -> tuple[list[float], list[float]]:
    """Places and neutral ε_h of those (place, prob, configuration) that have one."""
    places, bounds = [], []
    for place, prob, config in trials:
        with suppress(ValueError):
            bounds.append(neutral_clip_high_of_phase(prob, config, of, method))
            places.append(place)
    return places, bounds


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
