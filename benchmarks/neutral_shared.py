"""Where T6 holds when noise is shared: a tail's drift in the torch engine, against (1+ε_h)(1−ε_l) = exp(2σ²−σ̄²).

Draws the neutral clip-high over the spread σ of the ratios, over the steps of a phase, and the push over an outcome's
probability; prints how often the sign of the drift is the rule's. Error bars: two standard errors.

    python benchmarks/neutral_shared.py [--out docs/neutral-shared.png]
"""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
import torch
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from scipy.optimize import brentq

from clipbias.simulate.autograd.shared_noise import Crowd, at_spread, crowd, measured_push, predicted_push, step_stds
from clipbias.theory.formulas.neutral import neutral_clip_high
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

LOW, STD = 0.2, 0.15
TWO_STEPS = PhaseConfig(
    learning_rate=1.0, group_size=16, groups_per_minibatch=16, minibatches=2, success_prob=0.5, surrogate=UNCLIPPED
)
TAILS = (0.1, 0.5, 0.9)
STDS = (0.06, 0.1, 0.15, 0.2, 0.25, 0.3)
STEPS = (2, 3, 4, 6, 8, 12, 16, 32)


def shared(tail: float) -> Crowd:
    return crowd(pairs=200, directions=8, tail=tail, exponent=0.3)


def measured_neutral(of: Crowd, config: PhaseConfig, near: float, replicates: int) -> tuple[float, float]:
    """ε_h without drift by a straight line through six measurements around it, and its standard error."""
    highs = near * np.linspace(0.85, 1.15, 6)
    push = measured_push(of, config, [PpoClip(LOW, float(high)) for high in highs], replicates, 1)
    slope, offset = np.polyfit(highs, push.value[:, 0], 1)
    found = -offset / slope
    nearest = int(abs(highs - found).argmin())
    if not highs[0] <= found <= highs[-1]:
        return measured_neutral(of, config, float(np.clip(found, highs[0], highs[-1])), replicates)
    return found, push.stderr[nearest, 0] / slope


def predicted_neutral(of: Crowd, config: PhaseConfig) -> float:
    return float(brentq(lambda high: predicted_push(of, config, PpoClip(LOW, high))[0], 0.05, 1.0, xtol=1e-3))


def over_spread(panel) -> None:
    fine = np.linspace(0.03, 0.31, 60)
    for tail, colour in zip(TAILS, ("C0", "C1", "C2"), strict=True):
        of, rows = shared(tail), []
        for std in STDS:
            config, rest = at_spread(of, TWO_STEPS, std)
            rows.append(measured_neutral(of, config, neutral_clip_high(LOW, std, rest), 4000))
        found, error = np.array(rows).T
        panel.errorbar(STDS, found, 2 * error, fmt="o", ms=4, color=colour, label=f"tail of {tail:g}")
        share = rest / std
        panel.plot(fine, [neutral_clip_high(LOW, s, share * s) for s in fine], color=colour, lw=1)
    panel.plot(fine, [neutral_clip_high(LOW, s) for s in fine], "k--", lw=1, label="exp(σ²): all spread alike")
    panel.set(xlabel="σ of a rare outcome's log-ratio", ylabel="neutral clip-high", title="two steps, clip-low 0.2")
    panel.legend(frameon=False)


def over_steps(panel) -> None:
    of, rows, free = shared(0.5), [], []
    for steps in STEPS:
        config, rest = at_spread(of, replace(TWO_STEPS, groups_per_minibatch=4, minibatches=steps), STD)
        free.append(predicted_neutral(of, config))
        rows.append(measured_neutral(of, config, free[-1], 3000))
    found, error = np.array(rows).T
    panel.errorbar(STEPS, found, 2 * error, fmt="o", ms=4, color="C1", label="measured")
    panel.plot(STEPS, free, "C1", lw=1, label="ratios as without a clip")
    panel.axhline(neutral_clip_high(LOW, STD, rest), color="k", ls="--", lw=1, label="rule at the last step's σ")
    panel.set(xscale="log", xlabel="steps in a phase", title=f"tail of 0.5, σ = {STD} in the last step")
    panel.set_xticks(STEPS, [str(s) for s in STEPS])
    panel.xaxis.set_minor_formatter(NullFormatter())
    panel.legend(frameon=False)


def over_prior(panel) -> None:
    of = crowd(pairs=500, directions=16, tail=0.8, exponent=1.5, edges=(1, 2, 4, 8, 32, 128))
    config, _ = at_spread(of, TWO_STEPS, STD)
    rare = float(step_stds(of, config)[-50:].mean())
    config = replace(config, learning_rate=config.learning_rate * STD / rare)  # σ of the rarest
    clip = PpoClip(LOW, 0.28)
    push = measured_push(of, config, [clip], 12_000, 2)
    prior = np.array([of.probs[of.bin_of == bin_].mean() for bin_ in range(len(of.masses))])
    panel.errorbar(prior, push.value[0], 2 * push.stderr[0], fmt="o", ms=4, color="C3", label="measured")
    panel.plot(prior, predicted_push(of, config, clip), "C3", lw=1, label="predicted, each with its own σ")
    panel.axhline(
        predicted_push(of, config, clip)[-1], color="k", ls="--", lw=1, label="as if all were like the rarest"
    )
    panel.set(
        xscale="log", xlabel="probability of an outcome", ylabel="push, in units of μ·b", title="0.2/0.28, two steps"
    )
    panel.legend(frameon=False)


def signs(steps: int) -> tuple[int, int, int]:
    """(settings, drifts beyond three standard errors, those with the rule's sign) over a grid of ε_l, ε_h, σ."""
    clips = [PpoClip(low, high) for low in (0.1, 0.2, 0.3) for high in (0.1, 0.15, 0.2, 0.25, 0.3, 0.4)]
    of, stds, decided, right = shared(0.5), (0.1, 0.15, 0.2, 0.3), 0, 0
    setting = replace(TWO_STEPS, groups_per_minibatch=16 if steps == 2 else 4, minibatches=steps)
    for seed, std in enumerate(stds):
        config, rest = at_spread(of, setting, std)
        push = measured_push(of, config, clips, 2000, seed)
        for clip, mean, error in zip(clips, push.value[:, 0], push.stderr[:, 0], strict=True):
            decided += abs(mean) > 3 * error
            rises = clip.high > neutral_clip_high(clip.low, std, rest)
            right += abs(mean) > 3 * error and (mean > 0) == rises
    return len(clips) * len(stds), int(decided), int(right)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/neutral-shared.png"), show_default=True)
def main(out: Path) -> None:
    torch.set_num_threads(1)
    figure = Figure(figsize=(13, 4), layout="constrained")
    for panel, drawn in zip(figure.subplots(1, 3), (over_spread, over_steps, over_prior), strict=True):
        drawn(panel)
    figure.savefig(out, dpi=130)
    for steps in (2, 8, 32):
        settings, decided, right = signs(steps)
        print(f"{steps:2d} steps: {settings} settings, {decided} drifts seen, {right} with the rule's sign", flush=True)


if __name__ == "__main__":
    main()
