"""Ways of removing the clip against the clip itself, seed by seed, and what the clip does token by token."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbias.validate.predict.token_law import TENTHS
from clipbias.validate.store.run_record import RunRecord

from .finding import Finding, Verdict, difference_pvalue, judge, number, points, seeds_note
from .statistics import Interval, holm, interval

LEAST = 0.05  # log-odds


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """arm − reference at the end, seed by seed, in log-odds, and as a share; kl, reference_kl: mean KL of a phase in
    nats a token, before its last update (so 0 where a phase has one)."""

    arm: str
    predicted: float
    measured: Interval
    pvalue_zero: float
    pvalue_predicted: float
    verdict: Verdict
    share: Interval
    kl: Interval
    reference_kl: Interval


def differences(run: RunRecord, reference: str) -> list[ArmDifference]:
    """Of all other arms; both p-values corrected for their number (Holm)."""
    names = [arm.name for arm in run.recipe.arm if arm.name != reference]

    def end(name: str, column: str = "log_odds") -> NDArray[np.float64]:
        return run.arms[name].curves[column][:, -1]

    def claim(name: str) -> float:
        return float(run.prediction.arms[name].band.log_odds_mean[-1])

    def kl(name: str) -> Interval:
        return interval(np.nanmean(run.arms[name].curves["phase_kl"][:, 1:], axis=1), 0.0)

    values = {name: end(name) - end(reference) for name in names}
    claims = {name: claim(name) - claim(reference) for name in names}
    zero = holm([difference_pvalue(values[name], 0.0) for name in names])
    claimed = holm([difference_pvalue(values[name], claims[name]) for name in names])
    return [
        ArmDifference(
            arm=name,
            predicted=claims[name],
            measured=interval(values[name]),
            pvalue_zero=p_zero,
            pvalue_predicted=p_claimed,
            verdict=judge(values[name], claims[name], p_claimed, LEAST),
            share=interval(end(name, "share") - end(reference, "share")),
            kl=kl(name),
            reference_kl=kl(reference),
        )
        for name, p_zero, p_claimed in zip(names, zero, claimed, strict=True)
    ]


def difference_findings(run: RunRecord, reference: str) -> list[Finding]:
    return [
        Finding(
            experiment="c",
            organism=run.organism,
            subject=f"{d.arm} − {reference}: log-odds of the strategy",
            predicted=f"{d.predicted:+z.3f}",
            measured=f"{number(d.measured)} ({seeds_note(d.measured.n)}; no difference: p = {d.pvalue_zero:.3f};"
            f" share {points(d.share)}; KL of a phase {d.kl.mean:.4f} against {d.reference_kl.mean:.4f} a token)",
            verdict=d.verdict,
            pvalue=d.pvalue_predicted,
        )
        for d in differences(run, reference)
    ]


def probability_findings(run: RunRecord, arm: str, reference: str | None) -> list[Finding]:
    """The paper's observation, put to the sampled tokens of the rollouts: under random rewards their probability rises
    with the clip, and by more than without (reference). Last phase less first; seeds paired."""

    def rise(name: str) -> NDArray[np.float64]:
        found = run.arms[name].curves["token_prob"]
        return np.asarray(found[:, -1] - found[:, 1])

    rows = [(f"{arm}: mean probability of a token", rise(arm))]
    if reference is not None:
        rows.append((f"{arm} − {reference}: mean probability of a token", rise(arm) - rise(reference)))
    return [
        Finding(
            experiment="d",
            organism=run.organism,
            subject=subject,
            predicted="rises (the paper)",
            measured=f"{points(interval(values))} points ({seeds_note(len(values))})",
            verdict="held" if interval(values).low > 0 else "failed" if interval(values).high < 0 else "cannot tell",
        )
        for subject, values in rows
    ]


@dataclass(frozen=True, slots=True)
class TokenTest:
    """Over all mini-batches from the third on: clip fractions [M] and the push by tenth of the old probability [10],
    predicted from mini-batch 2 and measured; *_stderr over seeds."""

    arm: str
    minibatches: NDArray[np.int64]
    low: NDArray[np.float64]
    low_stderr: NDArray[np.float64]
    low_expected: NDArray[np.float64]
    high: NDArray[np.float64]
    high_stderr: NDArray[np.float64]
    high_expected: NDArray[np.float64]
    tokens: NDArray[np.int64]
    push: NDArray[np.float64]
    push_stderr: NDArray[np.float64]
    push_expected: NDArray[np.float64]


def token_test(run: RunRecord, arm: str) -> TokenTest:
    training = next(a for a in run.recipe.arm if a.name == arm).training(run.recipe.training)
    shape = (len(run.seeds), TENTHS, training.minibatches)
    rows = run.rows("tenths", arm=arm).sort_by([(n, "ascending") for n in ("seed", "tenth", "minibatch")])
    of = {name: rows[name].to_numpy().reshape(shape).astype(np.float64) for name in rows.column_names if name != "arm"}
    later = slice(2, None)

    def share(name: str, axis: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """By seed, then mean and standard error."""
        part = of[name][:, :, later].sum(axis=axis) / np.maximum(of["tokens"][:, :, later].sum(axis=axis), 1)
        return part.mean(axis=0), part.std(axis=0, ddof=1) / np.sqrt(len(part))

    # expected per reference token, weighted as the tokens of the later mini-batches are spread over the tenths
    per_token = {
        name: of[f"{name}_expected"].sum(axis=0) / np.maximum(of["reference"].sum(axis=0), 1)
        for name in ("low", "high", "push")
    }
    tokens = of["tokens"].sum(axis=0)

    def expected(name: str, axis: int) -> NDArray[np.float64]:
        weighted = (per_token[name] * tokens)[:, later].sum(axis=axis)
        return np.asarray(weighted / np.maximum(tokens[:, later].sum(axis=axis), 1))

    return TokenTest(
        arm,
        np.arange(3, training.minibatches + 1),
        *share("low", 1),
        expected("low", 0),
        *share("high", 1),
        expected("high", 0),
        tokens[:, later].sum(axis=1).astype(np.int64),
        *share("push", 2),
        expected("push", 1),
    )


def _ratio(part: float, whole: float) -> tuple[float, str]:
    """part/whole, and the same in words; NaN where nothing was predicted."""
    return (float("nan"), "beyond comparison with") if whole == 0 else (part / whole, f"{part / whole:.2f} times")


def token_findings(run: RunRecord, arm: str) -> list[Finding]:
    """Over mini-batches 3…M together. Fractions hold within two standard errors and a tenth, for the independence of
    sign and ratio that the claim takes for granted; the push holds if every sign is right and its size within twice."""
    test, found = token_test(run, arm), []
    for side in ("low", "high"):
        measured, expected = getattr(test, side), getattr(test, f"{side}_expected")
        stderr = float(np.sqrt(np.mean(getattr(test, f"{side}_stderr") ** 2)))
        _, times = _ratio(measured.sum(), expected.sum())
        near = abs(measured.mean() - expected.mean()) < 2 * stderr + 0.1 * expected.mean()
        found.append(
            Finding(
                experiment="d",
                organism=run.organism,
                subject=f"{arm}: tokens clipped {side}, mini-batches 3 to {test.minibatches[-1]}",
                predicted=f"{100 * expected.mean():.3f} % of all, from mini-batch 2",
                measured=f"{100 * measured.mean():.3f} % ± {100 * stderr:.3f} ({times})",
                verdict="held" if near else "failed",
            )
        )
    told = np.abs(test.push) > 2 * test.push_stderr
    agree = np.sign(test.push) == np.sign(test.push_expected)
    lowered = int((test.push_expected < 0).sum())
    size, times = _ratio(test.push @ test.push_expected, test.push_expected @ test.push_expected)
    found.append(
        Finding(
            experiment="d",
            organism=run.organism,
            subject=f"{arm}: push of the clip by tenth of the old probability",
            predicted=f"down in {lowered} of {TENTHS} tenths, most for rare tokens",
            measured=f"of {int(told.sum())} tenths whose push is told from zero {int((told & agree).sum())} have the"
            f" predicted sign; its size is {times} the predicted one",
            verdict="cannot tell" if not told.any() else "held" if agree[told].all() and 0.5 < size < 2 else "failed",
        )
    )
    return found
