"""The paper's hypotheses about incorrect and random rewards, each as a claim that can fail."""

from typing import Literal

import numpy as np

from clipbias.validate.store.run_record import RunRecord

from . import margins
from .finding import Finding, Praise, Rival, finding
from .statistics import interval
from .verdict import Claim, judge

INCORRECT, FORMAT = "incorrect", "format"  # arms


def rival_findings(run: RunRecord) -> list[Finding]:
    """Does a wrong label act by lying near the truth, or like a format reward? Two settings of γ by strategy, both
    written before the run: what the wrong labels pay the untrained model, and what a box would. The one whose end of
    the log-odds is nearer is supported; the measured share's own change says which way it went. The three exclude one
    another, so each is judged alone."""
    end, share = run.arms[INCORRECT].curves["log_odds"][:, -1], run.arms[INCORRECT].curves["share"]
    labels, box = (run.prediction.arms[name].band.log_odds_mean for name in (INCORRECT, FORMAT))
    ends: dict[Literal["labels", "format", "nothing"], float] = {
        "labels": float(labels[-1]),
        "format": float(box[-1]),
        "nothing": float(labels[0]),
    }
    measured, moved = interval(end), interval(share[:, -1] - share[:, 0], -1.0, 1.0)
    nearest = min(ends, key=lambda name: abs(ends[name] - measured.mean))
    found = []
    for name, value in ends.items():
        claim = Claim(value=value, estimate=measured, margin=margins.LOG_ODDS)
        found.append(
            finding(
                "h",
                "rival",
                "log-odds",
                organism=run.organism,
                run=run.name,
                arm=INCORRECT,
                claim=claim,
                judgement=judge([claim])[0],
                details=Rival(acts_like=name, nearest=name == nearest, share=moved),
            )
        )
    return found


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
    credit = Claim(value=0.0, estimate=interval(advantage), margin=margins.ADVANTAGE)
    praise = Claim(value=0.0, estimate=interval(praised - blamed), margin=margins.PRAISE)
    return [
        finding(
            "i",
            "credit",
            "advantage",
            organism=run.organism,
            run=run.name,
            arm=arm,
            claim=credit,
            judgement=judge([credit])[0],
        ),
        finding(
            "i",
            "praise",
            "fraction of answers",
            organism=run.organism,
            run=run.name,
            arm=arm,
            claim=praise,
            judgement=judge([praise])[0],
            details=Praise(praised=float(praised.mean()), blamed=float(blamed.mean())),
        ),
    ]
