"""Is a null band right? Simulated placebos, and the random arms of the frozen runs, against the band of 90 %.

`python benchmarks/null_band.py`: first drawn set-ups of the toy, in each some placebos simulated with all their seeds
and counted as an evaluation counts (every problem with its own chance of a right answer); the band knows the start, the
agreement of answers, and a spread that a simulated pilot measured. Then every seed of every arm of docs/results that
was paid by a coin, with the spread of that run's pilot. Shares of what lies inside, with their binomial errors; of the
runs' seeds that error is too small, since the seeds of a run share its pilot.
"""

import math
from dataclasses import replace
from pathlib import Path

import click
import numpy as np
from scipy.special import entr, expit, logit

from clipbias.common.arrays import Array
from clipbias.simulate.compiled.tabular import trajectories
from clipbias.theory.formulas.evaluation_noise import Evaluation, agreement
from clipbias.theory.formulas.momentum import effective_share
from clipbias.theory.laws.null_band import Band, NullBands, null_bands
from clipbias.theory.laws.placebo import Walk
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from clipbias.validate.store.frozen import read_frozen

RESULTS = Path(__file__).parents[1] / "docs" / "results"
PILOT = 2000  # seeds of a toy's pilot
MEASURES = ("share", "entropy", "accuracy")


def entropy(rate: Array) -> Array:
    return np.asarray(entr(rate) + entr(1 - rate))


def holds(found: Band | None, change: float, *, mean: bool = True) -> bool:
    assert found is not None
    low, high = found.mean_of_seeds if mean else found.one_seed
    return low <= change <= high


def toy_placebos(rng: np.random.Generator, seed: int, count: int) -> dict[str, list[bool]]:
    """Placebos of one drawn set-up: which measured means over seeds are in its band."""
    gates = (PpoClip(0.2, 0.2), PpoClip(0.2, 0.28), PpoClip(None, 0.2), PpoClip(0.2, None), UNCLIPPED)
    config = PhaseConfig(
        learning_rate=float(np.exp(rng.uniform(np.log(0.2), np.log(1.2)))),
        group_size=int(rng.choice([4, 8, 16])),
        groups_per_minibatch=int(rng.integers(2, 9)),
        minibatches=int(rng.choice([1, 2, 4, 8])),
        success_prob=float(rng.uniform(0.3, 0.7)),
        surrogate=gates[rng.integers(len(gates))],
    )
    share, phases, seeds = float(rng.uniform(0.2, 0.8)), int(rng.integers(2, 21)), int(rng.integers(1, 6))
    problems, samples = int(rng.integers(100, 501)), int(rng.choice([1, 4, 16]))
    with_it, without = rng.beta(1.2, 0.8, problems), rng.beta(0.8, 1.2, problems)
    rates, answers, start = share * with_it + (1 - share) * without, problems * samples, (share, 1 - share)
    pilot = trajectories(start, replace(config, surrogate=UNCLIPPED), 1, PILOT, 2 * seed)[1][:, :, 0]
    ends = trajectories(start, config, phases, count * seeds, 2 * seed + 1)[1][:, -1, 0].reshape(count, seeds)
    found = null_bands(
        share=share,
        accuracy=float(rates.mean()),
        contrast=float((with_it - without).mean()),
        counted=Evaluation(problems=problems, samples=samples, agreement=agreement(rates)),
        seeds=seeds,
        walk=Walk(spread=float(np.diff(logit(pilot), axis=1).std(ddof=1)), phases=phases, config=config),
    )
    inside: dict[str, list[bool]] = {name: [] for name in MEASURES}
    for each in ends:
        before, after = rng.binomial(answers, share) / answers, rng.binomial(answers, each) / answers
        own = (rates, *(end * with_it + (1 - end) * without for end in each))
        right = [rng.binomial(samples, p).sum() / answers for p in own]
        change = {
            "share": float(after.mean() - before),
            "entropy": float(entropy(after).mean() - entropy(np.array(before))),
            "accuracy": float(np.mean(right[1:]) - right[0]),
        }
        for name in MEASURES:
            inside[name].append(holds(getattr(found, name), change[name]))
    return inside


def run_bands(folder: Path) -> dict[str, dict[str, list[bool]]]:
    """By arm that a coin paid: which seeds' changes are inside."""
    run = read_frozen(folder)
    base = run.recipe.training
    found: dict[str, dict[str, list[bool]]] = {}
    for arm in run.recipe.arm:
        curves = run.arms[arm.name].curves["log_odds"]
        training = arm.training(run.recipe.training)
        if arm.reward != "random" or replace(training, phases=base.phases) != base:
            continue  # the pilot's spread is of the run's own training
        pilot, share = run.pilot(arm), expit(curves)
        degrees = (pilot.seeds * (run.recipe.pilot.phases - run.recipe.pilot.burn_in) - 1) * effective_share(
            training.momentum, training.minibatches
        )
        walk = Walk(
            spread=pilot.value,
            phases=training.phases,
            config=training.toy(1.0, arm.gate),
            momentum=training.momentum,
            degrees=degrees,
        )
        bands: NullBands = null_bands(share=float(share[0, 0]), walk=walk)
        ends = {"share": share[:, -1] - share[:, 0], "entropy": entropy(share[:, -1]) - entropy(share[:, 0])}
        found[arm.name] = {
            name: [holds(getattr(bands, name), float(c), mean=False) for c in change] for name, change in ends.items()
        }
    return found


def said(name: str, inside: list[bool]) -> str:
    rate, count = float(np.mean(inside)), len(inside)
    return f"{name}: {100 * rate:.1f} ± {100 * math.sqrt(rate * (1 - rate) / count):.1f} % of {count}"


@click.command()
@click.option("--set-ups", default=20, show_default=True)
@click.option("--placebos", default=20, show_default=True, help="In each set-up.")
@click.option("--seed", default=1, show_default=True)
def main(set_ups: int, placebos: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    toys = [toy_placebos(rng, 1000 * seed + i, placebos) for i in range(set_ups)]
    for name in MEASURES:
        click.echo(said(f"toy, {name}", [hit for toy in toys for hit in toy[name]]))
    whole: dict[str, list[bool]] = {"share": [], "entropy": []}
    for folder in sorted(path.parent for path in RESULTS.glob("*/curves.parquet")):
        for arm, inside in run_bands(folder).items():
            click.echo(f"{folder.name}, {arm}: {'; '.join(said(name, hits) for name, hits in inside.items())}")
            for name, hits in inside.items():
                whole[name] += hits
    for name, hits in whole.items():
        click.echo(said(f"all runs, {name}", hits))


if __name__ == "__main__":
    main()
