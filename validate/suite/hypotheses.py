"""The paper's hypotheses about incorrect and random rewards, each as a claim that can fail."""

import numpy as np

from ..score import interval
from .findings import Finding, difference_pvalue, judge, points, seeds_note
from .freeze import Frozen
from .gains import LEAST, POINT

INCORRECT, FORMAT = "incorrect", "format"
LEAST_ADVANTAGE = 0.02  # of an advantage, whose spread is 1, and of a share


def incorrect_findings(run: Frozen) -> list[Finding]:
    """Does a wrong label act by lying near the truth, or like a format reward? Two settings of γ by strategy, both
    written before the run: what the wrong labels pay the untrained model, and what a box would. The one whose end of
    the share is nearer is supported."""
    share = run.arms[INCORRECT].curves["share"]
    change = share[:, -1] - share[:, 0]
    claims = {
        f"incorrect rewards act as if paid as {what}": run.prediction["arms"][arm]["share_mean"][-1]
        - run.prediction["arms"][arm]["share_mean"][0]
        for what, arm in (("the wrong labels pay", INCORRECT), ("a format reward pays", FORMAT))
    } | {"incorrect rewards do nothing": 0.0}
    summary = interval(change, -1.0, 1.0)
    nearest = min(claims, key=lambda name: abs(claims[name] - summary.mean))
    pvalues = {name: difference_pvalue(change, claim, tolerance=POINT) for name, claim in claims.items()}
    return [
        Finding(
            experiment="h",
            organism=run.organism,
            subject=name,
            predicted=f"share {100 * claim:+.1f} points",
            measured=f"{points(summary)} ({seeds_note(summary.n)})" + (", the nearest" if name == nearest else ""),
            verdict=judge(change, claim, pvalues[name], LEAST),
            pvalue=pvalues[name],
        )
        for name, claim in claims.items()
    ]


def credit_findings(run: Frozen, arm: str) -> list[Finding]:
    """The intuitive hypothesis: most rewarded answers are right, so random rewards teach what is right. Theory (T9):
    group centring makes the mean advantage of right answers 0, since most punished answers are right as well."""
    by_seed = []
    for seed in run.seeds:
        rows = {row["correct"]: row for row in run.rows("credit", arm=arm, seed=seed).to_pylist()}
        if True in rows and False in rows:
            right, wrong = rows[True], rows[False]
            by_seed.append(
                (
                    right["advantage_sum"] / right["count_all"],
                    right["praised_sum"] / (right["praised_sum"] + wrong["praised_sum"]),
                    right["blamed_sum"] / (right["blamed_sum"] + wrong["blamed_sum"]),
                )
            )
    if len(by_seed) < 2:
        return []
    advantage, praised, blamed = np.array(by_seed).T
    mean, gap = interval(advantage), interval(praised - blamed)
    return [
        Finding(
            experiment="i",
            organism=run.organism,
            subject=f"{arm}: mean advantage of right answers",
            predicted="0 (the intuitive hypothesis: positive)",
            measured=f"{mean.mean:+.4f} [{mean.low:+.4f}, {mean.high:+.4f}] ({seeds_note(mean.n)})",
            verdict=judge(advantage, 0.0, difference_pvalue(advantage, 0.0), LEAST_ADVANTAGE),
            pvalue=difference_pvalue(advantage, 0.0),
        ),
        Finding(
            experiment="i",
            organism=run.organism,
            subject=f"{arm}: right among the praised less right among the blamed",
            predicted="0",
            measured=f"{100 * praised.mean():.1f} % less {100 * blamed.mean():.1f} %: {100 * gap.mean:+.2f} points"
            f" [{100 * gap.low:+.2f}, {100 * gap.high:+.2f}]",
            verdict=judge(praised - blamed, 0.0, difference_pvalue(praised - blamed, 0.0), LEAST_ADVANTAGE),
            pvalue=difference_pvalue(praised - blamed, 0.0),
        ),
    ]
