"""How far selecting rewards move the log-odds: the suite's predictions, the same toy under Adam, and what was measured.

The suite predicts with plain ascent, whose learning rate makes its unclipped spread that of the pilot. Adam divides by
the size of the whole gradient, which under random rewards is noise, but under rewards that look is signal as well. Here
the toy itself takes Adam's steps (`simulate.tabular`), with the learning rate at which its spread under random rewards
is the pilot's. This was written after the runs: it explains, it does not predict.

    python docs/results/after_the_fact/selection_under_adam.py [--results docs/results] [--json]
"""

import json
import math
from pathlib import Path

import click
import numpy as np
from scipy.optimize import brentq

from clipbias.simulate.compiled.tabular import simulate
from clipbias.theory.law import Law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.update_rule import UpdateRule
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.run_record import RunRecord

REPLICATES = 2000
WARM, LAST = 3, 8  # phases between which the spread grows as in a pilot after its burn-in


def adam_toy(
    run: RunRecord, prob: float, rate: float, arm: str, chances: float | tuple[float, float], phases: int
) -> Law:
    """The arm's own groups, mini-batches and clip."""
    named = next(a for a in run.recipe.arm if a.name == arm)
    shape = named.training(run.recipe.training).toy(rate, named.gate)
    config = PhaseConfig(
        learning_rate=rate,
        group_size=shape.group_size,
        groups_per_minibatch=shape.groups_per_minibatch,
        minibatches=shape.minibatches,
        success_prob=chances,
        surrogate=named.gate,
        scale=shape.scale,
    )
    update = UpdateRule(optimizer=run.recipe.training.update, split=True)
    return simulate((prob, 1 - prob), config, phases, REPLICATES, 1, update)


def adam_rate(run: RunRecord, prob: float) -> float:
    """The learning rate at which a phase of random rewards spreads the log-odds as in the pilot."""

    def excess(log_rate: float) -> float:
        early, late = (adam_toy(run, prob, math.exp(log_rate), "random", 0.5, t) for t in (WARM, LAST))
        variance = float(late.log_odds_std.value**2 - early.log_odds_std.value**2) / (LAST - WARM)
        return math.log(max(variance, 1e-12)) / 2 - math.log(run.prediction.pilot.value)

    return math.exp(brentq(excess, math.log(1e-4), math.log(0.5), xtol=0.02))


def compare(run: RunRecord) -> list[dict[str, float | str]]:
    """Change of the mean log-odds over the whole training, for every arm whose reward pays the strategies unequally."""
    prob = run.prediction.start.share
    rate, rows = adam_rate(run, prob), []
    for arm in run.recipe.arm:
        claim, found = run.prediction.arms[arm.name], run.arms[arm.name].curves["log_odds"]
        if arm.blind or claim.payment is None or claim.payment.with_strategy == claim.payment.without:
            continue
        paid = claim.payment.with_strategy, claim.payment.without
        law = adam_toy(run, prob, rate, arm.name, paid, found.shape[1] - 1)
        rows.append(
            {
                "run": run.name,
                "arm": arm.name,
                "plain": float(claim.band.log_odds_mean[-1] - claim.band.log_odds_mean[0]),
                "plain_std": float(claim.band.log_odds_std[-1]),
                "adam": float(law.log_odds_mean.value - claim.band.log_odds_mean[0]),
                "adam_std": float(law.log_odds_std.value),
                "measured": float((found[:, -1] - found[:, 0]).mean()),
                "measured_std": float(found[:, -1].std(ddof=1)),
            }
        )
    return rows


@click.command()
@click.option("--results", default="docs/results", show_default=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(results: Path, as_json: bool) -> None:
    rows = [row for folder in sorted(results.glob("rewards-*")) for row in compare(read_frozen(folder))]
    plain, adam, measured = (np.array([row[name] for row in rows]) for name in ("plain", "adam", "measured"))
    between = (np.minimum(plain, adam) <= measured) & (measured <= np.maximum(plain, adam))
    factor = float(plain @ measured / (plain @ plain))  # fitted to the arms that it is tried on
    summary = {
        "arms": len(rows),
        "rms_error_plain": float(np.sqrt(np.mean((plain - measured) ** 2))),
        "rms_error_adam": float(np.sqrt(np.mean((adam - measured) ** 2))),
        "best_factor_of_plain": factor,
        "rms_error_of_that": float(np.sqrt(np.mean((factor * plain - measured) ** 2))),
        "rms_change": float(np.sqrt(np.mean(measured**2))),
        "between": int(between.sum()),
        "median_std_over_measured_plain": float(np.median([r["plain_std"] / r["measured_std"] for r in rows])),
        "median_std_over_measured_adam": float(np.median([r["adam_std"] / r["measured_std"] for r in rows])),
    }
    if as_json:
        click.echo(json.dumps({"arms": rows, "summary": summary}))
        return
    for row in rows:
        texts = [f"{name} {row[name]:+6.2f} ± {row[f'{name}_std']:.2f}" for name in ("plain", "adam", "measured")]
        click.echo(f"{row['run']:22} {row['arm']:22} " + "   ".join(texts))
    for name, value in summary.items():
        click.echo(f"{name:32} {value:.3g}")


if __name__ == "__main__":
    main()
