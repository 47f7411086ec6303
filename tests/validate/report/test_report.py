"""The page must come out right whichever way a run ends: doctored copies of one small run."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clipbias.validate.judge.compare import RunComparison, compare
from clipbias.validate.judge.scores import score_arm
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.report import run_page as report
from clipbias.validate.report import words
from clipbias.validate.store.run_record import ArmRecord, ClipCounts, RunRecord, read_run

pytestmark = pytest.mark.training

SEEDS = 12


@pytest.fixture(scope="module")
def run(finished_run: Path) -> RunRecord:
    """The miniature run as if it had 12 seeds, all at the start and as skilled as at first, in every arm."""
    small = read_run(finished_run)

    def still(arm: ArmRecord) -> ArmRecord:
        curves = {name: np.repeat(values[:1], SEEDS, axis=0) for name, values in arm.curves.items()}
        for name in ("log_odds", "share"):
            curves[name][:] = curves[name][:, :1]
        curves["accuracy"] = 0.5 + 0.01 * np.arange(SEEDS)[:, None] + 0.0 * curves["accuracy"]
        return replace(arm, curves=curves)

    arms = {name: still(arm) for name, arm in small.arms.items()}
    return replace(small, seeds=tuple(range(1, SEEDS + 1)), arms=arms)


def doctored(run: RunRecord, arm: str, **changes: np.ndarray) -> RunRecord:
    """`arm` with the given log-odds or accuracy of its seeds in every phase after the first reading."""
    curves = {name: values.copy() for name, values in run.arms[arm].curves.items()}
    for name, values in changes.items():
        curves[name][:, (1 if name == "log_odds" else 2) :] = values[:, None]
    curves["share"] = 1 / (1 + np.exp(-curves["log_odds"]))
    return replace(run, arms=run.arms | {arm: replace(run.arms[arm], curves=curves)})


def around(mean: float, spread: float) -> np.ndarray:
    """Twelve values with exactly this mean and standard deviation."""
    values = np.random.default_rng(0).normal(size=SEEDS)
    return mean + spread * (values - values.mean()) / values.std(ddof=1)


def claim(run: RunRecord, arm: str) -> tuple[float, float]:
    predicted = run.prediction.arms[arm].band
    return float(predicted.log_odds_mean[-1]), float(predicted.log_odds_std[-1])


def as_predicted(run: RunRecord) -> RunRecord:
    """Every arm has the mean and the spread that were predicted, but for a little noise between the two."""
    clip = doctored(run, "clip", log_odds=around(*claim(run, "clip")))
    return doctored(clip, "no-clip", log_odds=around(*claim(run, "no-clip")) + around(0.0, 0.02)[::-1])


def score_words(result: RunComparison, arm: str) -> str:
    return words.score_verdict(result.arms[arm].quantile_scores.against_nothing)


def test_a_run_as_predicted(run: RunRecord) -> None:
    result = compare(as_predicted(run))
    predicted, movement, clipping, _, prediction = words.answer(result)
    low, high = (100 / (1 + np.exp(-run.prediction.arms["clip"].band.log_odds_quantiles[-1, [0, -1]]))).round()
    assert predicted.startswith("Predicted beforehand: noise would spread the seeds, 90 % of them from")
    assert f"from {low:.0f} % to {high:.0f} % code in clip" in predicted
    assert "mean log-odds by +0.000 in clip" in predicted.replace("-0.000", "+0.000")
    assert "moved in no direction that can be told from zero in clip" in movement
    assert "clipping had no effect that can be told from zero in clip" in clipping
    assert prediction == "The prediction fixed beforehand held for clip, no-clip and the difference clip − no-clip."
    assert not any("failed" in verdict for verdict in words.verdicts(result))
    assert result.arms["clip"].score.sign_agrees is None
    assert score_words(result, "clip") == "better than “nothing happens”"
    assert result.arm_correlation == pytest.approx([1.0, 1.0], abs=0.1)


@pytest.mark.parametrize(("sign", "moved", "effect"), [(1, "rose", "raised"), (-1, "fell", "lowered")])
def test_a_clip_that_pushes(run: RunRecord, sign: int, moved: str, effect: str) -> None:
    mean, std = claim(run, "clip")
    result = compare(doctored(as_predicted(run), "clip", log_odds=around(mean, std) + sign * around(3 * std, std / 5)))
    _, movement, clipping, _, prediction = words.answer(result)
    assert f"{moved} in clip (" in movement
    assert "told from zero in no-clip (" in movement
    assert f"clipping {effect} the log-odds of code in clip (share {'+' if sign > 0 else '-'}" in clipping
    assert prediction == (
        "The prediction fixed beforehand held for no-clip; it failed for clip and the difference clip − no-clip."
    )
    assert f"clipping {effect} the log-odds of the strategy" in words.verdicts(result)[2]
    assert "the prediction failed: the toy predicts" in words.verdicts(result)[2]


def test_a_still_run_fails_for_its_band_is_too_wide(run: RunRecord) -> None:
    """Coverage and mean are perfect, so only the spread can tell; and “nothing happens” scores better."""
    result = compare(run)
    assert result.arms["clip"].score.inside == SEEDS
    assert words.verdicts(result)[0].endswith("too wide.")
    assert score_words(result, "clip") == "worse than “nothing happens”"


def test_a_damaged_reference_is_named_wherever_it_is_compared_with(
    run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    damaged = doctored(as_predicted(run), "no-clip", accuracy=around(0.1, 0.01))
    result, page = compare(damaged), rendered(damaged, tmp_path, monkeypatch)
    clause = "no-clip lost its skill (accuracy 0.56 → 0.25)"
    assert f"But {clause}, so this compares with a damaged model." in words.answer(result)[2]
    assert words.verdicts(result)[2].endswith(f"{clause}, so this compares with a damaged model.")
    assert re.findall(r'href="#(.*?)"', page) == re.findall(r'<h2 id="(.*?)"', page) == ["skill-1"]
    assert "damaged" not in rendered(as_predicted(run), tmp_path, monkeypatch)


def test_two_comparisons_are_corrected(run: RunRecord) -> None:
    """Two equal clipped arms whose difference to the third has p = 0.03: nothing after correction."""
    mean, std = claim(run, "clip")
    one = doctored(run, "no-clip", log_odds=around(mean, std))
    t = 2.4907  # two-sided p = 0.03 at 11 degrees of freedom
    pushed = doctored(one, "clip", log_odds=around(mean, std) + around(t / SEEDS**0.5, 1.0)[::-1])
    (single,) = compare(pushed).paired
    assert single.pvalue == single.pvalue_holm == pytest.approx(0.03, abs=1e-4)
    assert "clipping raised" in words.verdicts(compare(pushed))[2]
    recipe = replace(one.recipe, arm=(*one.recipe.arm, Arm("again", 0.2, 0.2)))
    claims = one.prediction.arms
    prediction = replace(one.prediction, arms=claims | {"again": claims["clip"]})
    arms = pushed.arms | {"again": pushed.arms["clip"]}
    result = compare(replace(pushed, recipe=recipe, prediction=prediction, arms=arms))
    said = words.verdicts(result)[-2:]
    for pair, verdict in zip(result.paired, said, strict=True):
        assert pair.pvalue_holm == pytest.approx(0.06, abs=2e-4)
        assert "no effect of clipping can be told from zero" in verdict
        assert "corrected for 2 comparisons p = 0.060" in verdict


def rendered(run: RunRecord, out: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """The page; report.json beside it holds the comparison's numbers and none of its sentences."""
    monkeypatch.setattr(report, "read_run", lambda folder: run)
    written = report.write_report([run.folder], out / "report.html")
    text = (out / "report.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(written.json))
    result = compare(run)
    assert written.verdicts == [f"{result.name}: {verdict}" for verdict in words.verdicts(result)]
    assert not any(sentence in text for sentence in [*words.answer(result), *words.verdicts(result)])
    return (out / "report.html").read_text(encoding="utf-8")


def only(*names: str) -> Callable[[RunRecord], RunRecord]:
    def chosen(run: RunRecord) -> RunRecord:
        recipe = replace(run.recipe, arm=tuple(arm for arm in run.recipe.arm if arm.name in names))
        return replace(run, recipe=recipe, arms={name: run.arms[name] for name in names})

    return chosen


@pytest.mark.parametrize(
    ("change", "figures", "words"),
    [
        (as_predicted, 5, "of the tokens that decide the strategy: clip 0 of"),
        (lambda run: only("clip")(as_predicted(run)), 3, "was not measured"),
        (lambda run: only("no-clip")(as_predicted(run)), 2, "was not measured"),
    ],
)
def test_the_page_of_other_arms(
    run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: Any, figures: int, words: str
) -> None:
    page = rendered(change(run), tmp_path, monkeypatch)
    assert page.count("<img") == figures
    assert words in page


def test_a_clip_that_did_nothing_is_said_and_not_drawn(
    run: RunRecord, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    counts = run.tokens("clip").all_tokens
    none = replace(counts, low=0 * counts.low, high=0 * counts.high)
    tokens = replace(run.tokens("clip"), all_tokens=none, strategy_token=none)
    unclipped = replace(run.arms["clip"], tokens=tokens)
    page = rendered(replace(run, arms=run.arms | {"clip": unclipped}), tmp_path, monkeypatch)
    assert f"Clipped of all tokens: clip 0 of\n{int(counts.tokens.sum()):,}" in page
    assert 'by mini-batch" src' not in page
    assert "changed nothing, to the last bit, in clip." in page


def test_few_seeds_are_said(finished_run: Path) -> None:
    result = compare(read_run(finished_run))
    assert words.answer(result)[-1] == "With 2 seeds per arm only very large effects can be seen."
    assert result.arm_correlation is None


def with_strategy_token(run: RunRecord, counts: ClipCounts) -> RunRecord:
    arm = replace(run.arms["clip"], tokens=replace(run.tokens("clip"), strategy_token=counts))
    return replace(run, arms=run.arms | {"clip": arm})


def test_whether_the_clip_met_the_strategy_is_said_on_top(run: RunRecord) -> None:
    """Twelve copies of the miniature's two seeds: nothing was clipped; then three tokens were."""
    tokens = run.tokens("clip")
    none = replace(tokens.strategy_token, low=0 * tokens.strategy_token.low, high=0 * tokens.strategy_token.high)
    quiet = with_strategy_token(run, none)
    met = replace(none, low=none.low + np.eye(*none.low.shape))
    loud = with_strategy_token(run, met)
    assert any(
        "was ever clipped (0 of 48)" in line and "not tested here" in line for line in words.answer(compare(quiet))
    )
    assert any("2 of 48 were clipped" in line for line in words.answer(compare(loud)))


def test_a_predicted_clip_drift_is_what_the_difference_is_held_to(run: RunRecord) -> None:
    """The toy claims +0.5 for the clip: arms that differ by +0.5 hold it; that do not, or by −0.5, fail it."""
    arms = run.prediction.arms
    means = arms["no-clip"].band.log_odds_mean.copy()
    means[-1] += 0.5
    shifted = replace(arms["clip"], band=replace(arms["clip"].band, log_odds_mean=means))
    claimed = replace(run, prediction=replace(run.prediction, arms=arms | {"clip": shifted}))
    start = claim(claimed, "no-clip")[0]
    held = {}
    for moved in (0.5, 0.0, -0.5):
        doctored_run = doctored(claimed, "no-clip", log_odds=around(start, 0.2))
        doctored_run = doctored(doctored_run, "clip", log_odds=around(start + moved, 0.2) + around(0.0, 0.05)[::-1])
        (pair,) = compare(doctored_run).paired
        assert pair.log_odds_predicted == pytest.approx(0.5)
        held[moved] = pair.verdict
    assert held == {0.5: "held", 0.0: "failed", -0.5: "failed"}


def test_a_difference_that_the_seeds_cannot_tell_is_neither_held_nor_failed(run: RunRecord) -> None:
    mean, std = claim(run, "clip")
    wide = doctored(as_predicted(run), "clip", log_odds=around(mean, std) + around(0.0, std)[::-1])
    result = compare(wide)
    assert result.paired[0].verdict == "cannot tell"
    assert words.answer(result)[-1].endswith("it cannot be told for the difference clip − no-clip.")
    assert words.verdicts(result)[2].endswith("and the seeds are too few to tell.")


def test_an_uncertain_start_makes_the_mean_less_certain(run: RunRecord) -> None:
    predicted = run.prediction.arms["clip"].band
    curves = np.repeat(around(claim(run, "clip")[0] + 0.3, 0.1)[:, None], 4, axis=1)
    levels, stderr = run.prediction.levels, predicted.log_odds_std[-1] / np.sqrt(SEEDS)
    sure = score_arm("clip", curves, replace(predicted, start_stderr=0.0), levels, 0.1)
    unsure = score_arm("clip", curves, replace(predicted, start_stderr=0.4), levels, 0.1)
    assert sure.mean_z == pytest.approx(0.3 / stderr)
    assert unsure.mean_z == pytest.approx(0.3 / np.hypot(stderr, 0.4))
