"""Where the cheaper laws of a phase can be trusted: errors of the Gaussian step and of T5 against the exact step.

Writes a picture: error of the mean log-odds in per cent of their spread, over the learning rate (as the standard
deviation of the first step) and the probability of the first outcome, for three sizes of mini-batch. White contour:
1 %. Hatched: `paths` warns. One phase of 8 steps, γ = 0.2, 0.2/0.2.
"""

from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from scipy.special import expit

from clipbias.theory.laws.paths import paths
from clipbias.theory.laws.phase import first_step_std, phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip

SHAPES = [(4, 1), (16, 1), (16, 4)]
PROBS = expit(np.linspace(-4.0, 4.0, 17))
STEPS = np.geomspace(0.02, 0.5, 13)
POINTS = 2048


def errors(prob: float, config: PhaseConfig) -> tuple[float, float, bool]:
    """(Gaussian step, T5) in per cent of the exact spread, and whether T5 warns."""
    exact = phase(prob, config)
    followed = paths((prob, 1 - prob), config, points=POINTS)
    found = phase(prob, config, "gaussian").log_odds_shift, float(followed.log_odds_shift.value[0])
    gaussian, sampled = (100 * abs(shift - exact.log_odds_shift) / exact.log_odds_std for shift in found)
    return gaussian, sampled, bool(followed.warnings)


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("docs/accuracy.png"), show_default=True)
def main(out: Path) -> None:
    figure = Figure(figsize=(11, 6.4), layout="constrained")
    axes = figure.subplots(2, len(SHAPES), sharex=True, sharey=True)
    for column, (size, groups) in enumerate(SHAPES):
        unit = PhaseConfig(
            learning_rate=1.0,
            group_size=size,
            groups_per_minibatch=groups,
            minibatches=8,
            success_prob=0.2,
            surrogate=PpoClip(0.2, 0.2),
        )
        table = np.array(
            [
                [errors(p, replace(unit, learning_rate=float(step) / first_step_std(p, unit))) for step in STEPS]
                for p in PROBS
            ]
        )
        for row, name in enumerate(("Gaussian step", "T5 (paths)")):
            panel, values = axes[row, column], np.maximum(table[:, :, row], 0.01)
            mesh = panel.pcolormesh(STEPS, PROBS, values, norm=LogNorm(0.03, 30), cmap="cividis", shading="nearest")
            panel.contour(STEPS, PROBS, values, levels=[1.0], colors="white", linewidths=1.2)
            if row and table[:, :, 2].any():
                panel.contourf(STEPS, PROBS, table[:, :, 2], levels=[0.5, 1.5], colors="none", hatches=["///"])
            panel.set(xscale="log")
            panel.xaxis.set(major_locator=LogLocator(subs=(1, 2, 5)), minor_locator=NullLocator())
            panel.xaxis.set_major_formatter("{x:g}")
            panel.set_title(f"{name}, {groups} group{'s' if groups > 1 else ''} of {size}", fontsize=10, loc="left")
        held = ~table[:, :, 2].astype(bool)
        gaussian, followed = table[:, :, 0], table[:, :, 1]
        click.echo(
            f"{groups} × {size}: largest error {gaussian.max():.2f} % (Gaussian), {followed.max():.2f} % (T5),"
            f" {followed[held].max():.2f} % where T5 does not warn ({held.mean():.0%} of the map)"
        )
    figure.supxlabel("standard deviation of the first step (log-odds)", fontsize=10)
    figure.supylabel("probability of the first outcome", fontsize=10)
    figure.colorbar(mesh, ax=axes, label="error of the mean, % of the spread")
    figure.savefig(out, dpi=110)


if __name__ == "__main__":
    main()
