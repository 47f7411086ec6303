"""What a forecast of the share has to beat: the two-outcome toy, mended or not, and four rivals, on the frozen runs.

The toy's laws are those that were hashed before the runs. Mending them (two numbers, fitted to the ends of the other
organisms) was thought of afterwards. Arms in which nothing is predicted to move are left out. Beside this file stands
what it printed with --json.

    python docs/results/after_the_fact/rivals_of_a_forecast.py [--results docs/results] [--json]
"""

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import click
import numpy as np

from clipbias.validate.judge.crps import crps_normal, crps_quantiles
from clipbias.validate.judge.rivals import (
    Law,
    driftless_walk,
    kept_value,
    nothing_happens,
    recalibrated_elsewhere,
    recalibration,
    saturating,
    toy_law,
)
from clipbias.validate.judge.scores import STILL
from clipbias.validate.judge.skill import Case, Scorecard, Span, scorecard
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.run_record import RunRecord


def case(run: RunRecord, arm: Arm) -> Case:
    measured, start = run.arms[arm.name].curves["log_odds"], run.prediction.start.log_odds
    phases, pilot = measured.shape[1] - 1, run.pilot(arm)
    return Case(
        organism=run.organism,
        arm=f"{run.name}/{arm.name}",
        observable="share",
        looks=not arm.blind,
        measured=measured,
        forecast=toy_law(run.prediction.arms[arm.name].band, run.prediction.levels),
        rivals={
            "nothing": nothing_happens(start, phases),
            "walk": driftless_walk(start, pilot.value, pilot.autocorrelation_predicted, phases),
            "kept": kept_value(measured),
            "saturating": saturating(measured),
        },
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Ends:
    """Over single ends, all alike: how many, those in the 90 % band, and mean CRPS of the toy as a normal law, by its
    five quantiles, and mended on other organisms or on other runs, with the ends in the bands then."""

    ends: int
    inside: int
    crps: float
    crps_quantiles: float
    crps_elsewhere: float
    inside_elsewhere: int
    crps_other_runs: float
    inside_other_runs: int


def _over_ends(cases: list[Case], laws: list[Law]) -> tuple[float, int]:
    """(Mean CRPS, ends in the 90 % band)."""
    ends = [c.measured[:, -1] for c in cases]
    scores = [crps_normal(y, law.mean[-1], law.std[-1]) for y, law in zip(ends, laws, strict=True)]
    inside = [(law.low[-1] <= y) & (y <= law.high[-1]) for y, law in zip(ends, laws, strict=True)]
    return float(np.concatenate(scores).mean()), int(np.concatenate(inside).sum())


def mended(cases: list[Case], groups: list[str]) -> list[Law]:
    return recalibrated_elsewhere([c.forecast for c in cases], [c.measured for c in cases], groups)


def over_ends(cases: list[Case], runs: dict[str, RunRecord]) -> Ends:
    crps, inside = _over_ends(cases, [c.forecast for c in cases])
    quantiles = []
    for c in cases:
        name, arm = c.arm.split("/")
        prediction = runs[name].prediction
        last = prediction.arms[arm].band.log_odds_quantiles[-1]
        quantiles.append(crps_quantiles(c.measured[:, -1], last, prediction.levels))
    elsewhere = _over_ends(cases, mended(cases, [c.organism for c in cases]))
    other_runs = _over_ends(cases, mended(cases, [c.arm.split("/")[0] for c in cases]))
    return Ends(
        ends=sum(len(c.measured) for c in cases),
        inside=inside,
        crps=crps,
        crps_quantiles=float(np.concatenate(quantiles).mean()),
        crps_elsewhere=elsewhere[0],
        inside_elsewhere=elsewhere[1],
        crps_other_runs=other_runs[0],
        inside_other_runs=other_runs[1],
    )


def cards(cases: list[Case]) -> dict[str, Scorecard]:
    """Of the toy, and of the toy mended on other organisms, with the toy among its rivals."""
    laws = mended(cases, [c.organism for c in cases])
    again = [
        replace(c, forecast=law, rivals=c.rivals | {"toy": c.forecast}) for c, law in zip(cases, laws, strict=True)
    ]
    return {"toy": scorecard(cases), "toy mended elsewhere": scorecard(again)}


def said(span: Span) -> str:
    return f"{span.value:.3f} [{span.low:.3f}, {span.high:.3f}]"


def show(name: str, card: Scorecard) -> None:
    click.echo(f"  {name}: CRPS {said(card.crps)}")
    for rival, score in card.rivals.items():
        click.echo(f"    against {rival:12} CRPS {said(score.crps)}, skill {said(score.skill)}")
    found = card.calibration
    if found is not None:
        click.echo(f"    in the 90 % bands {said(found.inside)}, spread over error {said(found.spread_skill)}")
        click.echo("    PIT by tenth " + " ".join(f"{part.value:.2f}" for part in found.pit))
    click.echo(f"    signs {card.signs.right} of {card.signs.told}")
    click.echo(f"    worth a fraction {said(card.equivalent_crps)} of a run, by the mean {said(card.equivalent_error)}")


@click.command()
@click.option("--results", default="docs/results", show_default=True, type=click.Path(exists=True, path_type=Path))
@click.option("--json", "as_json", is_flag=True)
def main(results: Path, as_json: bool) -> None:
    runs = {file.parent.name: read_frozen(file.parent) for file in sorted(results.glob("*/manifest.json"))}
    cases = [
        case(run, arm)
        for run in runs.values()
        for arm in run.recipe.arm
        if run.prediction.arms[arm.name].band.log_odds_std[-1] >= STILL
    ]
    looking = [c for c in cases if c.looks]
    groups = {
        "rewards that look": looking,
        "rewards that look, in the runs of four organisms": [c for c in looking if c.arm.startswith("rewards-")],
        "random rewards": [c for c in cases if not c.looks],
    }
    factors = recalibration([c.forecast for c in looking], [c.measured for c in looking])
    found = {
        name: {"ends": asdict(over_ends(part, runs)), "cards": {k: asdict(v) for k, v in cards(part).items()}}
        for name, part in groups.items()
    }
    if as_json:
        click.echo(json.dumps({"groups": found, "mended_on_all_that_look": asdict(factors)}, indent=1))
        return
    for name, part in groups.items():
        click.echo(f"{name}: {len(part)} arms")
        for key, value in found[name]["ends"].items():
            click.echo(f"  {key} {value:.4g}")
        for key, card in cards(part).items():
            show(key, card)
    click.echo(f"fitted to all that look: change × {factors.shrink:.2f}, added spread {factors.added:.2f}")


if __name__ == "__main__":
    main()
