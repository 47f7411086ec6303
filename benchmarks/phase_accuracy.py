"""How exact are T4 and T10? Drawn configurations, the closed form against the simulator.

`python benchmarks/phase_accuracy.py` for T4; for T10, whose warnings set its stated domain apart, with
`--phases 8 --configurations 200 --replicates 200000 --largest-group 16`. Prints one line per configuration and the
worst of all: error of the mean and of the spread of the log-odds in units of that spread, their z-scores, and the
seconds that the closed form took.
"""

import time

import click
import numpy as np

from clipbias.simulate.compiled.tabular import simulate
from clipbias.theory.law import law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip

SIZES = (2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 40, 64)


def drawn(rng: np.random.Generator, largest_group: int) -> tuple[float, PhaseConfig]:
    """All scales, sides off in one of five, groups from 2 to 64; rewards as rare as 1 in 500 in one of four."""
    gamma = rng.uniform(0.05, 0.95)
    if rng.random() < 0.25:
        rare = 10 ** rng.uniform(-2.7, -1.3)
        gamma = rare if rng.random() < 0.5 else 1 - rare
    clip = PpoClip(*(None if rng.random() < 0.2 else float(rng.uniform(0.05, 0.5)) for _ in range(2)))
    return float(rng.uniform(0.03, 0.97)), PhaseConfig(
        learning_rate=float(np.exp(rng.uniform(np.log(0.1), np.log(4.0)))),
        group_size=int(rng.choice([size for size in SIZES if size <= largest_group])),
        groups_per_minibatch=int(rng.integers(1, 7)),
        minibatches=int(rng.integers(1, 12)),
        success_prob=float(gamma),
        surrogate=clip,
        scale=("std", "std-unbiased", "none")[rng.integers(3)],
    )


def solved(prob: float, config: PhaseConfig, phases: int) -> tuple[float, float, bool]:
    """Mean and standard deviation of the change of x, and whether the closed form warns."""
    found = law((prob, 1 - prob), config, phases)
    return float(found.log_odds_shift.value), float(found.log_odds_std.value), bool(found.warnings)


@click.command()
@click.option("--configurations", default=150, show_default=True)
@click.option("--phases", default=1, show_default=True)
@click.option("--replicates", default=2_000_000, show_default=True)
@click.option("--largest-group", default=max(SIZES), show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(configurations: int, phases: int, replicates: int, largest_group: int, seed: int) -> None:
    rng, rows, doubted = np.random.default_rng(seed), [], []
    for i in range(configurations):
        prob, config = drawn(rng, largest_group)
        start = time.perf_counter()
        shift, spread, doubt = solved(prob, config, phases)
        seconds = time.perf_counter() - start
        found = simulate((prob, 1 - prob), config, phases, replicates, seed=i)
        std = float(found.log_odds_std.value)
        mean_error, std_error = shift - float(found.log_odds_shift.value), spread - std
        z = mean_error / float(found.log_odds_shift.stderr), std_error / float(found.log_odds_std.stderr)
        rows.append((abs(mean_error) / std, abs(z[0]), abs(std_error) / std, abs(z[1]), seconds))
        doubted.append(doubt)
        click.echo(
            f"mean {100 * mean_error / std:+.3f} % (z {z[0]:+.1f}), spread {100 * std_error / std:+.3f} %"
            f" (z {z[1]:+.1f}), {seconds:.2f} s{', warned' if doubt else ''}: p = {prob:.3f}, {config}"
        )
    table, outside = np.array(rows), np.array(doubted)
    for part, name in ((table[~outside], "without a warning"), (table[outside], "with a warning")):
        if len(part):
            worst = part.max(axis=0)
            click.echo(
                f"largest of {len(part)} {name}: mean {100 * worst[0]:.3f} % (|z| {worst[1]:.1f}),"
                f" spread {100 * worst[2]:.3f} % (|z| {worst[3]:.1f}), {worst[4]:.1f} s"
            )


if __name__ == "__main__":
    main()
