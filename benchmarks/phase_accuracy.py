"""How exact is T4? Drawn configurations, the closed form against the simulator: `python benchmarks/phase_accuracy.py`.

Prints one line per configuration and the worst of all: error of the mean and of the spread of the log-odds in units of
that spread, their z-scores, and the seconds that the closed form took.
"""

import time

import click
import numpy as np
from clipbias.simulate.tabular import simulate
from clipbias.theory.config import PhaseConfig
from clipbias.theory.phase import phase
from clipbias.theory.surrogate import PpoClip


def drawn(rng: np.random.Generator) -> tuple[float, PhaseConfig]:
    """All scales, sides off in one of five, groups from 2 to 64; rewards as rare as 1 in 500 in one of four."""
    gamma = rng.uniform(0.05, 0.95)
    if rng.random() < 0.25:
        rare = 10 ** rng.uniform(-2.7, -1.3)
        gamma = rare if rng.random() < 0.5 else 1 - rare
    clip = PpoClip(*(None if rng.random() < 0.2 else float(rng.uniform(0.05, 0.5)) for _ in range(2)))
    return float(rng.uniform(0.03, 0.97)), PhaseConfig(
        learning_rate=float(np.exp(rng.uniform(np.log(0.1), np.log(4.0)))),
        group_size=int(rng.choice([2, 3, 4, 5, 6, 8, 12, 16, 24, 32, 40, 64])),
        groups_per_minibatch=int(rng.integers(1, 7)),
        minibatches=int(rng.integers(1, 12)),
        success_prob=float(gamma),
        surrogate=clip,
        scale=("std", "std-unbiased", "none")[rng.integers(3)],
    )


@click.command()
@click.option("--configurations", default=150, show_default=True)
@click.option("--replicates", default=2_000_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(configurations: int, replicates: int, seed: int) -> None:
    rng, rows = np.random.default_rng(seed), []
    for i in range(configurations):
        prob, config = drawn(rng)
        start = time.perf_counter()
        law = phase(prob, config)
        seconds = time.perf_counter() - start
        found = simulate(config, (prob, 1 - prob), 1, replicates, seed=i)
        std = float(found.log_odds_std.mean)
        mean_error = law.log_odds_shift - float(found.log_odds_shift.mean)
        std_error = law.log_odds_std - std
        z = mean_error / float(found.log_odds_shift.stderr), std_error / float(found.log_odds_std.stderr)
        rows.append((abs(mean_error) / std, abs(z[0]), abs(std_error) / std, abs(z[1]), seconds))
        click.echo(
            f"mean {100 * mean_error / std:+.3f} % (z {z[0]:+.1f}), spread {100 * std_error / std:+.3f} %"
            f" (z {z[1]:+.1f}), {seconds:.2f} s: p = {prob:.3f}, {config}"
        )
    worst = np.max(rows, axis=0)
    click.echo(
        f"largest of {configurations}: mean {100 * worst[0]:.3f} % (|z| {worst[1]:.1f}), spread {100 * worst[2]:.3f} %"
        f" (|z| {worst[3]:.1f}), {worst[4]:.1f} s"
    )


if __name__ == "__main__":
    main()
