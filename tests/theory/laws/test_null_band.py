"""Null bands against sums over all counts, Student's law, and simulated placebos with counted answers."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import entr, stdtrit
from scipy.stats import binom

from clipbias.common.errors import InputError
from clipbias.simulate.compiled.tabular import simulate, trajectories
from clipbias.theory.formulas.evaluation_noise import Evaluation
from clipbias.theory.formulas.noise import ito_shift
from clipbias.theory.laws.decomposition import decomposition
from clipbias.theory.laws.null_band import Band, null_bands
from clipbias.theory.laws.placebo import Walk, placebo_ends
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

CONFIG = PhaseConfig(
    learning_rate=1.0,
    group_size=8,
    groups_per_minibatch=4,
    minibatches=4,
    success_prob=0.5,
    surrogate=PpoClip(0.2, 0.2),
)
FREE = replace(CONFIG, surrogate=UNCLIPPED)


def band(found: Band | None) -> Band:
    assert found is not None
    return found


@pytest.mark.parametrize("seeds", [1, 4])
def test_counting_alone_is_the_difference_of_binomials(seeds: int) -> None:
    """All answers of all seeds are one binomial: the mean over seeds less the one count before training."""
    rate, answers = 0.3, 600
    found = band(null_bands(accuracy=rate, counted=Evaluation(problems=150, samples=4), seeds=seeds).accuracy)
    after = binom.pmf(np.arange(seeds * answers + 1), seeds * answers, rate)
    before = binom.cdf(np.arange(answers + 1), answers, rate)

    def below(change: float) -> float:
        """P(after/(S·N) − before/N < change), half of what equals it."""
        least = (np.arange(len(after)) / (seeds * answers) - change) * answers
        reach = 1 - np.interp(least - 0.5, np.arange(answers + 1), before, left=0.0, right=1.0)
        return float(after @ reach)

    assert below(found.mean_of_seeds[0]) == pytest.approx(0.05, abs=0.002)
    assert below(found.mean_of_seeds[1]) == pytest.approx(0.95, abs=0.002)
    assert found.seed_std == pytest.approx(math.sqrt(rate * (1 - rate) / answers), rel=1e-3)
    assert not found.whole


@pytest.mark.parametrize("degrees", [4.0, 8.0, 40.0])
def test_an_uncertain_spread_has_student_s_range(degrees: float) -> None:
    walk = Walk(spread=0.002, phases=4, config=FREE, degrees=degrees)
    found = band(null_bands(share=0.5, walk=walk).share)
    half = float(stdtrit(degrees, 0.95)) * 0.002 * 2 / 4  # √T phases, dp/dx = ¼
    assert found.one_seed == pytest.approx((-half, half), rel=0.012)
    certain = band(null_bands(share=0.5, walk=replace(walk, degrees=None)).share)
    assert certain.one_seed[1] == pytest.approx(1.6449 * 0.002 * 2 / 4, rel=0.01)


def test_the_unknown_of_a_spread_is_common_to_seeds() -> None:
    """The mean over seeds is narrower by √S whatever the spread is, so that its law is the same."""
    walk = Walk(spread=0.002, phases=4, config=FREE, degrees=4.0)
    one, four = (band(null_bands(share=0.5, walk=walk, seeds=seeds).share).mean_of_seeds[1] for seeds in (1, 4))
    assert four == pytest.approx(one / 2, rel=0.01)


def test_parts_are_the_exact_decomposition() -> None:
    """By the exact law of a mini-batch where the band has the Gaussian one; without bounds the Itô term."""
    rate = 0.8
    spread = float(simulate((0.7, 0.3), replace(FREE, learning_rate=rate), 1, 200_000, 1).log_odds_std.value)
    found = band(null_bands(share=0.7, walk=Walk(spread=spread, phases=6, config=CONFIG)).share)
    want = decomposition(0.7, replace(CONFIG, learning_rate=rate), 6)
    assert found.clip_drift == pytest.approx(want.clip_drift_prob, rel=0.1)
    assert found.noise_drift == pytest.approx(want.noise_prob, rel=0.03)
    small = band(null_bands(share=0.7, walk=Walk(spread=0.02, phases=6, config=FREE)).share)
    assert small.noise_drift == pytest.approx(ito_shift(0.7, 6 * 0.02**2), rel=0.02)
    assert small.clip_drift == 0.0


def test_momentum_carries_noise_as_a_filter_of_noise_does() -> None:
    """Adam's first moment from rest, corrected for its start, over noise drawn step by step."""
    rng, beta, steps, phases = np.random.default_rng(2), 0.9, 4, 5
    noise, moment = rng.normal(size=(20_000, 60 + steps * phases)), np.zeros(20_000)
    path = [np.zeros(20_000)]
    for k in range(noise.shape[1]):
        moment = beta * moment + (1 - beta) * noise[:, k]
        path.append(path[-1] + moment / (1 - beta ** (k + 1)))
    one_phase = float((path[-1] - path[-1 - steps]).std())  # long after the start
    from_rest = float(path[steps * phases].std())
    ends = placebo_ends(
        0.5, Walk(spread=0.002, phases=phases, config=replace(CONFIG, surrogate=UNCLIPPED), momentum=beta)
    )
    x = np.log(ends[0].free.prob / (1 - ends[0].free.prob))
    std = math.sqrt(float(ends[0].free.mass @ x**2))
    assert std / 0.002 == pytest.approx(from_rest / one_phase, rel=4 * math.sqrt(1 / 20_000))


def inside(found: Band, changes: np.ndarray) -> float:
    low, high = found.mean_of_seeds
    return float(((changes >= low) & (changes <= high)).mean())


@pytest.mark.statistical
@pytest.mark.parametrize("seeds", [1, 3])
def test_the_band_holds_nine_in_ten_simulated_placebos(seeds: int) -> None:
    """Share, entropy and accuracy, counted; half the spread, or none, must fail."""
    share, right, answers, placebos = 0.7, (0.6, 0.3), 1600, 4000
    config, rng = replace(CONFIG, learning_rate=0.8), np.random.default_rng(3)
    spread = float(simulate((share, 1 - share), replace(FREE, learning_rate=0.8), 1, 200_000, 1).log_odds_std.value)
    paths = trajectories((share, 1 - share), config, 6, placebos * seeds, 4)[1][:, -1, 0].reshape(placebos, seeds)
    counted = Evaluation(problems=400, samples=4)
    accuracy = share * right[0] + (1 - share) * right[1]
    walk = Walk(spread=spread, phases=6, config=CONFIG)
    given = {"share": share, "accuracy": accuracy, "contrast": right[0] - right[1], "counted": counted, "seeds": seeds}
    found, narrow, none = (null_bands(**given, walk=w) for w in (walk, replace(walk, spread=spread / 2), None))
    error = 4 * math.sqrt(0.9 * 0.1 / placebos)

    def drawn(rate: np.ndarray) -> np.ndarray:
        return rng.binomial(answers, rate) / answers

    def two_way(rate: np.ndarray) -> np.ndarray:
        return np.asarray(entr(rate) + entr(1 - rate))

    before, after = drawn(np.full(placebos, share)), drawn(paths)
    changes = {
        "share": after.mean(axis=1) - before,
        "entropy": two_way(after).mean(axis=1) - two_way(before),
        "accuracy": drawn(accuracy + (paths - share) * (right[0] - right[1])).mean(axis=1)
        - drawn(np.full(placebos, accuracy)),
    }
    for name, change in changes.items():
        assert abs(inside(band(getattr(found, name)), change) - 0.9) < error, name
        assert inside(band(getattr(narrow, name)), change) < 0.85
        assert inside(band(getattr(none, name)), change) < 0.85 or name == "accuracy"


def test_what_does_not_go_together_is_named() -> None:
    walk = Walk(spread=0.1, phases=2, config=CONFIG)
    for field, given in (
        ("share", {"walk": walk}),
        ("share", {"share": 1.0}),
        ("share", {"accuracy": 0.4, "contrast": 0.1}),
        ("contrast", {"accuracy": 0.4, "share": 0.5, "contrast": 0.9}),
        ("seeds", {"share": 0.4, "seeds": 0}),
        ("spread", {"share": 0.4, "walk": replace(walk, spread=50.0)}),
    ):
        with pytest.raises(InputError) as caught:
            null_bands(**given)
        assert caught.value.field == field
    with pytest.raises(InputError):
        replace(walk, degrees=1.0)
