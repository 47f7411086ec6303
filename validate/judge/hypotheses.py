"""The paper's hypotheses about incorrect and random rewards, each as a claim that can fail."""

import numpy as np

from clipbias.validate.store.run_record import RunRecord

from .clipping import LEAST
from .finding import Finding, difference_pvalue, judge, number, points, seeds_note
from .statistics import interval

INCORRECT, FORMAT = "incorrect", "format"
LEAST_ADVANTAGE = 0.02  # of an advantage, whose spread is 1, and of a share


def incorrect_findings(run: RunRecord) -> list[Finding]:
    """Does a wrong label act by lying near the truth, or like a format reward? Two settings of γ by strategy, both
    written before the run: what the wrong labels pay the untrained model, and what a box would. The one whose end of
    the log-odds is nearer is supported; the measured share's own change says which way it went."""
    end, share = run.arms[INCORRECT].curves["log_odds"][:, -1], run.arms[INCORRECT].curves["share"]
    claims = {
        "incorrect rewards act as if paid as the wrong labels pay": run.prediction.arms[INCORRECT].band.log_odds_mean,
        "incorrect rewards act as if paid as a format reward pays": run.prediction.arms[FORMAT].band.log_odds_mean,
    }
    start = float(claims["incorrect rewards act as if paid as the wrong labels pay"][0])
    ends = {name: float(means[-1]) for name, means in claims.items()} | {"incorrect rewards do nothing": start}
    summary, moved = interval(end), interval(share[:, -1] - share[:, 0], -1.0, 1.0)
    nearest = min(ends, key=lambda name: abs(ends[name] - summary.mean))
    return [
        Finding(
            experiment="h",
            organism=run.organism,
            subject=name,
            predicted=f"log-odds end at {claim:+z.2f}",
            measured=f"{number(summary)} ({seeds_note(summary.n)}; share {points(moved)} points)"
            + (", the nearest" if name == nearest else ""),
            verdict=judge(end - start, claim - start, difference_pvalue(end, claim), LEAST),
            pvalue=difference_pvalue(end, claim),
        )
        for name, claim in ends.items()
    ]


def credit_findings(run: RunRecord, arm: str) -> list[Finding]:
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
            measured=f"{mean.mean:+z.4f} [{mean.low:+z.4f}, {mean.high:+z.4f}] ({seeds_note(mean.n)})",
            verdict=judge(advantage, 0.0, difference_pvalue(advantage, 0.0), LEAST_ADVANTAGE),
            pvalue=difference_pvalue(advantage, 0.0),
        ),
        Finding(
            experiment="i",
            organism=run.organism,
            subject=f"{arm}: right among the praised less right among the blamed",
            predicted="0",
            measured=f"{100 * praised.mean():.1f} % less {100 * blamed.mean():.1f} %: {100 * gap.mean:+z.2f} points"
            f" [{100 * gap.low:+z.2f}, {100 * gap.high:+z.2f}]",
            verdict=judge(praised - blamed, 0.0, difference_pvalue(praised - blamed, 0.0), LEAST_ADVANTAGE),
            pvalue=difference_pvalue(praised - blamed, 0.0),
        ),
    ]
