"""What the clip does token by token: clip fractions and push in mini-batches 3…M, predicted from mini-batch 2."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbias.common.arrays import Array
from clipbias.validate.predict.token_law import TENTHS
from clipbias.validate.store.run_record import RunRecord

from . import margins
from .finding import Finding, Kind, Minibatches, Push, finding
from .statistics import Interval, interval
from .verdict import Claim, judge

SIDES: tuple[Kind, Kind] = ("clip low", "clip high")
FIRST = 3  # mini-batch: what the second did predicts those from here on


@dataclass(frozen=True, slots=True, kw_only=True)
class Fractions:
    """Share of tokens clipped on one side in mini-batches 3…M: [M − 2] means over seeds, their standard errors, and
    what mini-batch 2 predicts; whole: of the mean over those mini-batches."""

    measured: Array
    stderr: Array
    expected: Array
    whole: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenTest:
    """Over all mini-batches from the third on: clip fractions, and the push by tenth of the old probability [10] with
    its standard error over seeds and what mini-batch 2 predicts; tokens by tenth [10]."""

    arm: str
    minibatches: NDArray[np.int64]
    low: Fractions
    high: Fractions
    tokens: NDArray[np.int64]
    push: Array
    push_stderr: Array
    push_expected: Array


def token_test(run: RunRecord, arm: str) -> TokenTest:
    training = next(a for a in run.recipe.arm if a.name == arm).training(run.recipe.training)
    shape = (len(run.seeds), TENTHS, training.minibatches)
    rows = run.rows("tenths", arm=arm).sort_by([(n, "ascending") for n in ("seed", "tenth", "minibatch")])
    of = {name: rows[name].to_numpy().reshape(shape).astype(np.float64) for name in rows.column_names if name != "arm"}
    later = slice(FIRST - 1, None)

    def by_seed(name: str, axis: int) -> Array:
        found = of[name][:, :, later].sum(axis=axis) / np.maximum(of["tokens"][:, :, later].sum(axis=axis), 1)
        return np.asarray(found)

    def stderr(values: Array) -> Array:
        return np.asarray(values.std(axis=0, ddof=1) / np.sqrt(len(values)))

    # expected per reference token, weighted as the tokens of the later mini-batches are spread over the tenths
    tokens = of["tokens"].sum(axis=0)

    def expected(name: str, axis: int) -> Array:
        per_token = of[f"{name}_expected"].sum(axis=0) / np.maximum(of["reference"].sum(axis=0), 1)
        weighted = (per_token * tokens)[:, later].sum(axis=axis)
        return np.asarray(weighted / np.maximum(tokens[:, later].sum(axis=axis), 1))

    def fractions(side: str) -> Fractions:
        values = by_seed(side, 1)
        return Fractions(
            measured=values.mean(axis=0),
            stderr=stderr(values),
            expected=expected(side, 0),
            whole=interval(values.mean(axis=1), 0.0, 1.0),
        )

    push = by_seed("push", 2)
    return TokenTest(
        arm=arm,
        minibatches=np.arange(FIRST, training.minibatches + 1),
        low=fractions("low"),
        high=fractions("high"),
        tokens=tokens[:, later].sum(axis=1).astype(np.int64),
        push=push.mean(axis=0),
        push_stderr=stderr(push),
        push_expected=expected("push", 1),
    )


def token_findings(run: RunRecord, arm: str) -> list[Finding]:
    """Over mini-batches 3…M together: how often the clip acts on either side, and how hard it pushes."""
    test = token_test(run, arm)
    claims = []
    for side in (test.low, test.high):
        value = float(side.expected.mean())
        claims.append(Claim(value=value, estimate=side.whole, margin=margins.CLIP_FRACTION * value))
    low, high = (
        finding(
            "d",
            kind,
            "fraction of tokens",
            organism=run.organism,
            run=run.name,
            arm=arm,
            claim=claim,
            judgement=judgement,
            details=Minibatches(first=FIRST, last=int(test.minibatches[-1])),
        )
        for kind, claim, judgement in zip(SIDES, claims, judge(claims), strict=True)
    )
    return [low, high, push_finding(run, test)]


def push_finding(run: RunRecord, test: TokenTest) -> Finding:
    """It holds if every sign that is told from zero is right and the size within twice, measured as the slope of the
    measured on the predicted tenths (least squares)."""
    told = np.abs(test.push) > 2 * test.push_stderr
    agree = np.sign(test.push) == np.sign(test.push_expected)
    square = float(test.push_expected @ test.push_expected)
    size = float(test.push @ test.push_expected) / square if square else float("nan")
    fits = bool(agree[told].all()) and 0.5 < size < 2
    return Finding(
        experiment="d",
        kind="push",
        unit="ratio",
        organism=run.organism,
        run=run.name,
        arm=test.arm,
        claim=1.0,
        seeds=len(run.seeds),
        verdict="cannot tell" if not told.any() else "held" if fits else "failed",
        details=Push(
            tenths=TENTHS,
            lowered=int((test.push_expected < 0).sum()),
            told=int(told.sum()),
            agree=int((told & agree).sum()),
            size=size if square else None,
        ),
    )
