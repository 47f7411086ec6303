"""Who switches strategy, and what of the gain each kind of switch brings; accuracy against the strategy's share."""

from dataclasses import dataclass

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from clipbias.validate.recipe.arm import PLAIN
from clipbias.validate.store.run_record import RunRecord

from .finding import Finding, difference_pvalue, judge, number, points, seeds_note
from .gains import untrained
from .statistics import Interval, interval

KINDS = ((True, True), (True, False), (False, True), (False, False))  # strategy before, after


def kind_name(kind: tuple[bool, bool], strategy: str) -> str:
    return " → ".join(strategy if side else "other" for side in kind)


@dataclass(frozen=True, slots=True)
class Switches:
    """Of pairs (an untrained and a trained answer to one problem), by kind, [4], summed over seeds: how many, and the
    accuracy of each side; gain: what each kind adds to accuracy, by seed [seeds, 4]; predicted [4]: the same if
    accuracies within strategies stay and the two answers are independent draws."""

    strategy: str
    pairs: NDArray[np.float64]
    before: NDArray[np.float64]
    after: NDArray[np.float64]
    gain: NDArray[np.float64]
    predicted: NDArray[np.float64]


def switches(run: RunRecord, arm: str) -> Switches:
    table = run.rows("switches", arm=arm, style=PLAIN)
    counts = np.zeros((len(run.seeds), len(KINDS), 3))
    for row in table.to_pylist():
        kind = KINDS.index((row["uses_strategy"], row["uses_strategy_after"]))
        found = row["count_all"], row["correct_sum"], row["correct_after_sum"]
        counts[run.seeds.index(row["seed"]), kind] = found
    total = counts[:, :, 0].sum(axis=1, keepdims=True)
    whole = counts.sum(axis=0)
    share = run.prediction.arms[arm].band.share_mean
    with_, without = (_accuracy(run, uses) for uses in (True, False))
    start = untrained(run, PLAIN).share
    end = start + share[-1] - share[0]
    up, down = (1 - start) * end * (with_ - without), start * (1 - end) * (without - with_)
    return Switches(
        strategy=run.prediction.strategy,
        pairs=whole[:, 0],
        before=whole[:, 1] / np.maximum(whole[:, 0], 1),
        after=whole[:, 2] / np.maximum(whole[:, 0], 1),
        gain=(counts[:, :, 2] - counts[:, :, 1]) / total,
        predicted=np.array([0.0, down, up, 0.0]),
    )


def _accuracy(run: RunRecord, uses: bool) -> float:
    """Of the untrained model's held-out answers with the strategy or without (0 where there are none)."""
    rows = run.rows("answers", arm="untrained", style=PLAIN, uses_strategy=uses)
    count = rows["count_all"].to_numpy()
    right = rows.filter(pc.equal(rows["correct"], True))["count_all"].to_numpy()
    return float(right.sum() / count.sum()) if count.sum() else 0.0


def contribution(found: Switches, kind: int) -> Interval:
    return interval(found.gain[:, kind])


def switching_findings(run: RunRecord, arm: str) -> list[Finding]:
    """Does switching explain the gain? Predicted: each kind's part by the mixture; those who stay gain nothing."""
    found = switches(run, arm)
    lines = []
    for kind, pair in enumerate(KINDS):
        part, claim = contribution(found, kind), float(found.predicted[kind])
        pvalue = difference_pvalue(found.gain[:, kind], claim)
        lines.append(
            Finding(
                experiment="e",
                organism=run.organism,
                subject=f"{arm}: gain by those who go {kind_name(pair, found.strategy)}",
                predicted=f"{100 * claim:+z.1f} points",
                measured=f"{points(part)} ({seeds_note(part.n)})",
                verdict=judge(found.gain[:, kind], claim, min(1.0, len(KINDS) * pvalue), 0.01),
                pvalue=min(1.0, len(KINDS) * pvalue),
            )
        )
    return lines


def slope_finding(run: RunRecord, arm: str) -> Finding:
    """Slope of the rollouts' accuracy on the share of rollouts with the strategy over the phases, by seed (least
    squares), against the difference of the untrained model's two accuracies, which is what the mixture predicts."""
    curves, slopes = run.arms[arm].curves, []
    for share, accuracy in zip(curves["rollout_share"][:, 1:], curves["accuracy"][:, 1:], strict=True):
        centred = share - share.mean()
        slopes.append(float(centred @ accuracy / (centred @ centred)) if centred.any() else 0.0)
    values, claim = np.array(slopes), _accuracy(run, True) - _accuracy(run, False)
    pvalue = difference_pvalue(values, claim)
    return Finding(
        experiment="e",
        organism=run.organism,
        subject=f"{arm}: slope of accuracy on the share of the strategy",
        predicted=f"{claim:+z.2f}",
        measured=f"{number(interval(values))} ({seeds_note(len(values))})",
        verdict=judge(values, claim, pvalue, 0.1),
        pvalue=pvalue,
    )
