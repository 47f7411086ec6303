import math

import numpy as np
import pytest
from clipbias.theory.evolve import evolve
from clipbias.theory.surrogate import ClipRange
from clipbias.validate.predict import (
    LEVELS,
    Toy,
    band,
    persistence,
    predict,
    spread_of,
    token_clip_fractions,
    token_noise,
)
from clipbias.validate.probe import Reading
from clipbias.validate.recipe import Arm, Training, read_recipe

CLIP, FREE = Arm("clip", 0.2, 0.2), Arm("no-clip", None, None)
TRAINING = Training(8, 16, 8, 1e-4, phases=6, max_completion_length=32)


@pytest.mark.parametrize(("rho", "phases"), [(0.0, 7), (0.5, 1), (0.5, 12), (0.8, 30)])
def test_persistence_is_the_spread_of_an_ar1_sum(rho: float, phases: int) -> None:
    """Against the variance summed term by term, Σ_ij ρ^|i−j| / T."""
    i = np.arange(phases)
    total = (rho ** np.abs(i[:, None] - i[None, :])).sum() / phases
    assert persistence(rho, phases) == pytest.approx(math.sqrt(total), abs=1e-12)


def test_persistence_takes_negative_correlation_as_none() -> None:
    assert persistence(-0.4, 9) == 1.0


def test_spread_finds_the_numbers_of_a_known_process() -> None:
    """AR(1) changes with ρ = 0.5 and standard deviation 0.1, by z-score."""
    rng, seeds, phases = np.random.default_rng(0), 400, 50
    change = np.empty((seeds, phases))
    change[:, 0] = rng.normal(size=seeds)
    for t in range(1, phases):
        change[:, t] = 0.5 * change[:, t - 1] + math.sqrt(0.75) * rng.normal(size=seeds)
    spread = spread_of(np.cumsum(np.concatenate([np.zeros((seeds, 1)), 0.1 * change], axis=1), axis=1))
    effective = seeds * phases / 3  # (1+ρ)/(1−ρ) = 3
    assert abs(spread.value / 0.1 - 1) < 4 / math.sqrt(2 * effective)
    assert abs(spread.autocorrelation - 0.5) < 4 / math.sqrt(effective)
    assert abs(spread.mean) < 4 * 0.1 / math.sqrt(effective)


def test_token_fractions_are_those_of_simulated_random_walks() -> None:
    """Tokens of two kinds whose log-ratios walk, and signs drawn apart: counted against the formula."""
    rng, tokens = np.random.default_rng(1), 400_000
    sigma = np.where(rng.random(tokens) < 0.8, 0.01, 0.12)
    step = rng.normal(size=(3, tokens)) * sigma
    walk = np.cumsum(step, axis=0)
    minibatch = np.repeat(np.arange(4), tokens)
    ratios = np.concatenate([np.zeros(tokens), *walk])
    noise = token_noise(minibatch, ratios, 4)
    assert noise.growth == pytest.approx(0.5, abs=0.02)
    training = Training(4, 16, 4, 1e-4, phases=6, max_completion_length=32)
    low, high = token_clip_fractions(noise, training, CLIP, noise.growth)
    positive = rng.random(tokens) < 0.5
    for m in range(1, 4):
        seen_low = np.mean((np.exp(walk[m - 1]) < 0.8) & ~positive)
        seen_high = np.mean((np.exp(walk[m - 1]) > 1.2) & positive)
        assert low[m] == pytest.approx(seen_low, rel=0.15)
        assert high[m] == pytest.approx(seen_high, rel=0.15)
    assert low[0] == high[0] == 0.0
    assert sum(sum(side) for side in token_clip_fractions(noise, training, FREE, 0.5)) == 0.0


def test_a_band_without_doubt_or_memory_is_the_law_itself() -> None:
    toy = Toy(0.6, None, [0.4], np.array([1.0]), 6)
    results = toy.laws(TRAINING, CLIP)
    found = band(toy, results, correlation=0.0)
    law = evolve(1 / (1 + math.exp(-0.6)), TRAINING.toy(0.4, ClipRange(0.2, 0.2)), 6).laws[-1]
    expected = [law.quantile(level) for level in LEVELS]
    np.testing.assert_allclose(found["log_odds_quantiles"][-1], expected, atol=5e-3)
    assert found["log_odds_mean"][-1] == pytest.approx(law.mean, abs=1e-9)
    assert found["share_mean"][-1] == pytest.approx(law.prob_mean, abs=1e-9)
    wide = band(toy, results, correlation=0.5)
    assert wide["log_odds_std"][-1] == pytest.approx(law.std * persistence(0.5, 6), rel=1e-6)


def test_a_counted_share_widens_the_band_by_its_binomial_error() -> None:
    toy = Toy(0.6, 100, [0.4], np.array([1.0]), 2)
    low, *_, high = band(toy, toy.laws(TRAINING, FREE), correlation=0.0)["log_odds_quantiles"][0]
    p = 1 / (1 + math.exp(-0.6))
    assert high - low == pytest.approx(2 * 1.6449 / math.sqrt(100 * p * (1 - p)), rel=1e-3)


def test_an_inert_clip_is_predicted_to_do_nothing(recipe_text: str) -> None:
    recipe = read_recipe(recipe_text.replace("minibatches = 2", "minibatches = 1"))
    rng = np.random.default_rng(0)
    spread = spread_of(np.cumsum(rng.normal(scale=0.1, size=(2, 3)), axis=1))
    noise = token_noise(np.zeros(50, dtype=np.int64), np.zeros(50), 1)
    claim = predict(recipe, Reading(0.65, None, 0.6), spread, noise, 0.0, "now")
    clip, free = claim["arms"]["clip"], claim["arms"]["no-clip"]
    np.testing.assert_allclose(clip["log_odds_mean"], math.log(0.65 / 0.35), atol=1e-9)
    np.testing.assert_allclose(clip["log_odds_quantiles"], free["log_odds_quantiles"], atol=1e-9)
    assert clip["token_clip_low"] == clip["token_clip_high"] == [0.0]
