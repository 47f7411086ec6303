"""`law`: one problem, several solvers, one result; what a method cannot do it says."""

import math
from dataclasses import replace
from typing import Any, cast

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.simulate.methods import Autograd, Enumeration, MonteCarlo
from clipbias.theory.estimate import Estimate
from clipbias.theory.law import Exact, Gaussian, Law, Method, Paths, law
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.laws.phase import phase
from clipbias.theory.surrogate import PpoClip
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule
from setups import SMALL, STANDARD, TINY

pytestmark = pytest.mark.statistical

PROBS = (0.65, 0.35)
MOMENTS = (
    *("logit_shift", "logit_std", "prob_shift", "prob_mean", "prob_std", "log_odds_shift", "log_odds_mean"),
    *("log_odds_std", "entropy_shift", "entropy_mean", "clip_low_fraction", "clip_high_fraction"),
)
LEVELS, THRESHOLDS = (0.05, 0.3, 0.5, 0.95), (0.3, 0.5, 0.66, 0.9)


def agree(one: Estimate, other: Estimate, slack: float, name: str) -> None:
    """Within five standard errors of both, and what the methods state of themselves."""
    assert one.value.shape == other.value.shape, name
    allowed = slack + 5 * np.hypot(one.stderr, other.stderr)
    assert np.all(np.abs(one.value - other.value) <= allowed), (name, str(one), str(other))


def all_agree(one: Law, other: Law, slack: float) -> None:
    for name in MOMENTS:
        agree(getattr(one, name), getattr(other, name), slack, name)
    for level in LEVELS:
        agree(one.quantile(level), other.quantile(level), slack, f"quantile {level}")
    for prob in THRESHOLDS:
        agree(one.prob_above(prob), other.prob_above(prob), 3 * slack, f"above {prob}")


@pytest.mark.parametrize("phases", [1, 4])
def test_every_quantity_by_every_method(phases: int) -> None:
    """Three that know nothing of each other's step: the exact law, quasi-random paths, and simulation by counts."""
    exact = law(PROBS, replace(STANDARD, minibatches=4), phases)
    for method in (Paths(), MonteCarlo(replicates=40_000), Autograd(replicates=4000)):
        all_agree(law(PROBS, replace(STANDARD, minibatches=4), phases, method=method), exact, 2e-3)


def test_every_quantity_of_a_few_updates() -> None:
    """Where the law is a handful of atoms, quantiles and probabilities are its own: exact, enumerated and counted."""
    exact, enumerated = (law(PROBS, TINY, method=method) for method in (Exact(), Enumeration()))
    all_agree(exact, enumerated, 1e-9)
    sampled = law(PROBS, TINY, method=MonteCarlo(replicates=40_000))
    for name in MOMENTS:
        agree(getattr(sampled, name), getattr(exact, name), 1e-9, name)
    for prob in THRESHOLDS:
        agree(sampled.prob_above(prob), exact.prob_above(prob), 1e-9, f"above {prob}")


def test_another_clip_is_another_law() -> None:
    """Negative control: methods would agree on anything if the tolerance were wide enough."""
    right = law(PROBS, STANDARD)
    wrong = law(PROBS, replace(STANDARD, surrogate=PpoClip(0.2, 0.25)), method=MonteCarlo(replicates=100_000))
    with pytest.raises(AssertionError, match="logit_shift"):
        all_agree(wrong, right, 1e-3)


def test_the_law_is_that_of_its_solver() -> None:
    one, many = phase(0.65, STANDARD), evolve(0.65, STANDARD, 3).laws[-1]
    assert float(law(PROBS, STANDARD).log_odds_shift.value) == one.log_odds_shift
    found = law(PROBS, STANDARD, 3)
    assert float(found.log_odds_mean.value) == many.mean
    assert len(found.log_odds_laws) == 4
    assert float(found.quantile(0.5).value[0]) == pytest.approx(1 / (1 + math.exp(-many.quantile(0.5))), rel=1e-12)
    assert not any(getattr(found, name).stderr.any() for name in MOMENTS)
    assert law(PROBS, STANDARD).method == "exact"
    assert law((0.5, 0.3, 0.2), STANDARD, method=Paths(points=64)).method == "paths"


def test_more_outcomes_go_along_paths() -> None:
    found = law((0.5, 0.3, 0.2), SMALL)
    assert found.method == "paths"
    assert found.logit_shift.value.shape == found.quantile(0.5).value.shape == (3,)


def test_any_update_rule_by_simulation() -> None:
    update = UpdateRule(optimizer=Adam(), epochs=2, split=True)
    config = replace(SMALL, learning_rate=0.05)
    by_counts = law(PROBS, config, 2, method=MonteCarlo(replicates=40_000), update=update)
    by_torch = law(PROBS, config, 2, method=Autograd(replicates=4000), update=update)
    all_agree(by_counts, by_torch, 1e-3)
    plain = law(PROBS, config, 2, method=MonteCarlo(replicates=40_000))
    assert abs(plain.log_odds_std.value / by_counts.log_odds_std.value - 1) > 0.1


def test_doubts_travel_with_the_result() -> None:
    assert law(PROBS, STANDARD).warnings == ()
    (doubt,) = law(PROBS, replace(STANDARD, learning_rate=4.0), 2).warnings
    assert "means may err by up to 4 % of the spread" in doubt


@pytest.mark.parametrize(
    ("method", "probs", "phases", "update", "field", "words"),
    [
        (Exact(), (0.5, 0.3, 0.2), 1, UpdateRule(), "method", "paths for more than two outcomes"),
        (Gaussian(), (0.5, 0.3, 0.2), 1, UpdateRule(), "method", "paths for more than two outcomes"),
        (Exact(), PROBS, 1, UpdateRule(optimizer=Adam()), "update", "MonteCarlo takes any"),
        (Gaussian(), PROBS, 1, UpdateRule(epochs=2), "update", "plain gradient ascent on fresh samples"),
        (Paths(), PROBS, 1, UpdateRule(optimizer=Sgd(0.9)), "update", "for the paths method"),
        (Paths(points=3), PROBS, 1, UpdateRule(), "points", "a power of 2"),
        (Enumeration(), PROBS, 2, UpdateRule(), "phases", "1 for enumeration"),
        (Enumeration(), PROBS, 1, UpdateRule(whiten=True), "update", "plain gradient ascent, but for epochs and split"),
        (MonteCarlo(replicates=1), PROBS, 1, UpdateRule(), "replicates", "in [2, "),
        (Autograd(replicates=1), PROBS, 1, UpdateRule(), "replicates", "at least 2"),
        (Exact(), PROBS, 0, UpdateRule(), "phases", "at least 1"),
        (None, (0.5, 0.6), 1, UpdateRule(), "probs", "at least two numbers in (0, 1) that add to 1"),
    ],
)
def test_what_a_method_cannot_do_it_says(
    method: Method | None, probs: tuple[float, ...], phases: int, update: UpdateRule, field: str, words: str
) -> None:
    with pytest.raises(InputError) as caught:
        law(probs, TINY, phases, method=method, update=update)
    assert caught.value.field == field
    assert words in caught.value.rule


@pytest.mark.parametrize("method", [Exact(), Paths(points=64), MonteCarlo(replicates=100), Enumeration()])
def test_levels_and_thresholds_are_checked(method: Method) -> None:
    found = law(PROBS, TINY, method=method)
    with pytest.raises(InputError, match=r"level must be in \(0, 1\), got 1.0"):
        found.quantile(1.0)
    with pytest.raises(InputError, match=r"prob must be in \(0, 1\), got 0.0"):
        found.prob_above(0.0)


def test_an_estimate_reads_as_people_write_it() -> None:
    assert str(Estimate(np.array(0.025863), np.array(0.00031))) == "0.02586 ± 0.0003"
    assert str(Estimate.exact([1.5, -2.0])) == "1.5, -2"


@pytest.mark.parametrize("method", ["exact", Exact])
def test_a_method_is_an_object(method: Any) -> None:
    with pytest.raises(InputError, match=r"method must be an object: Exact\(\), Gaussian\(\), .*, got .*xact"):
        law(PROBS, STANDARD, method=method)


def test_what_is_no_set_up_is_named() -> None:
    with pytest.raises(InputError, match=r"config must be a PhaseConfig, got \{'learning_rate': 1\}"):
        law(PROBS, cast(Any, {"learning_rate": 1}))
    with pytest.raises(
        InputError, match=r"probs must be at least two numbers in \(0, 1\) that add to 1, got .*'a', 'b'"
    ):
        law(cast(Any, ("a", "b")), STANDARD)


@pytest.mark.parametrize(
    ("field", "given", "words"),
    [
        ("surrogate", "ppo", r"a surrogate as PpoClip\(low=0.2, high=0.2\), got 'ppo'"),
        ("surrogate", PpoClip, "a surrogate as PpoClip"),
        ("group_size", "a", "a whole number, got 'a'"),
        ("minibatches", 1.5, "a whole number, got 1.5"),
        ("groups_per_minibatch", None, "a whole number, got None"),
        ("learning_rate", "1", "a number, got '1'"),
        ("success_prob", "half", "a number, or one for every outcome, got 'half'"),
        ("success_prob", None, "a number, or one for every outcome, got None"),
    ],
)
def test_a_field_of_another_type_is_named(field: str, given: Any, words: str) -> None:
    with pytest.raises(InputError, match=f"{field} must be {words}"):
        replace(STANDARD, **{field: given})


def test_the_whole_law_is_not_printed() -> None:
    """A grid of thousands of points is nobody's to read."""
    assert len(repr(law(PROBS, STANDARD, 3, method=Gaussian()))) < 3000


def test_equal_probabilities_are_not_above_each_other() -> None:
    """1 − 0.01 as a threshold: nearly all of the law stays where it began, whatever the last digit."""
    config = replace(TINY, learning_rate=0.1, group_size=4, minibatches=2, success_prob=0.02)
    for method in (Exact(), Enumeration()):
        assert float(law((0.01, 0.99), config, method=method).prob_above(0.99).value[1]) < 0.01
        assert float(law((0.9, 0.1), config, method=method).prob_above(0.1).value[1]) < 0.05


def test_no_hits_are_not_certainty() -> None:
    """Nor are only hits; whether a threshold is one whose hits are counted or not."""
    for method, count in ((MonteCarlo(replicates=1000), 1000), (Paths(points=64), 16 * 64)):
        found = law(PROBS, STANDARD, method=method)
        for never in (0.98, 0.99):
            for prob, share in ((never, 0.0), (round(1 - never, 2), 1.0)):
                assert found.prob_above(prob).value.tolist() == [share] * 2
                np.testing.assert_allclose(found.prob_above(prob).stderr, 1 / count, rtol=0.01)


@pytest.mark.parametrize("method", [Exact(), Gaussian(), Paths(points=64), MonteCarlo(replicates=100), Enumeration()])
@pytest.mark.parametrize("rewards", [(0.5,), (0.5, 0.4, 0.3)])
def test_rewards_are_one_or_one_for_each_outcome(method: Method, rewards: tuple[float, ...]) -> None:
    with pytest.raises(InputError, match=r"success_prob must be one number or as many as outcomes \(2\), got"):
        law(PROBS, replace(TINY, success_prob=rewards), method=method)
    with pytest.raises(InputError, match=r"success_prob must be one number or as many as outcomes \(2\), got"):
        law(PROBS, replace(TINY, success_prob=rewards), method=Autograd(replicates=10))


@pytest.mark.parametrize(
    ("method", "phases", "field"),
    [
        (Exact(0.0), 1, "resolution"),
        (Gaussian(math.inf), 2, "resolution"),
        (Paths(seed=-1), 1, "seed"),
        (Paths(points=cast(Any, 64.0)), 1, "points"),
        (Exact(), 1.5, "phases"),
        (Exact(), True, "phases"),
        (MonteCarlo(replicates=cast(Any, 100.5)), 1, "replicates"),
        (Autograd(device="nowhere"), 1, "device"),
        (Autograd(features=[[1.0]]), 1, "features"),
        (Autograd(features=[1.0, 2.0]), 1, "features"),
    ],
)
def test_what_makes_no_sense_is_named(method: Method, phases: Any, field: str) -> None:
    with pytest.raises(InputError) as caught:
        law(PROBS, TINY, phases, method=method)
    assert caught.value.field == field


def test_clip_fractions_are_means_over_phases() -> None:
    """The share differs tenfold between the first phase and the last."""
    config = replace(SMALL, success_prob=(0.9, 0.1), learning_rate=0.5, group_size=8, minibatches=4)
    by_phase = evolve(0.65, config, 4).clip_high_fraction
    assert by_phase[0, -1] > 3 * by_phase[-1, -1] or by_phase[-1, -1] > 3 * by_phase[0, -1]
    found = law(PROBS, config, 4)
    np.testing.assert_allclose(found.clip_high_fraction.value, by_phase.mean(axis=0), rtol=1e-12)
    counted = law(PROBS, config, 4, method=MonteCarlo(replicates=20_000))
    agree(counted.clip_high_fraction, found.clip_high_fraction, 2e-3, "clip_high_fraction")
