import math

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.theory.formulas.momentum import persistence_from_rest
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.surrogate import PpoClip
from clipbias.validate.measure.pilot_noise import PilotNoise, pilot_noise
from clipbias.validate.measure.start import Start
from clipbias.validate.predict.band import LEVELS, band
from clipbias.validate.predict.predict import Measured, PilotReading, predict
from clipbias.validate.predict.prediction import Prediction
from clipbias.validate.predict.token_law import clip_fractions
from clipbias.validate.predict.toy import Toy
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import Recipe, read_recipe
from clipbias.validate.recipe.training import Training

CLIP, FREE = Arm("clip", 0.2, 0.2), Arm("no-clip", None, None)
LATER = 50  # phases of burn-in after which the optimizer's start is forgotten
TRAINING = Training(8, 16, 8, 1e-4, phases=6, max_completion_length=32)


def predicted(recipe: Recipe, share: float, noise: PilotNoise, log_ratio: np.ndarray) -> Prediction:
    start = Start(share, math.log(share / (1 - share)), None)
    hashes = {"recipe_sha256": "", "model_sha256": {}, "strategy": "code"}
    pilot = PilotReading(noise=noise, log_ratio=log_ratio, answer_log_ratio=log_ratio)
    return predict(
        recipe,
        Measured(**hashes, starts={"plain": start}, pilots={"adam": pilot}),
    )


def test_spread_finds_the_numbers_of_a_known_process() -> None:
    """Phases of 8 updates with momentum 0.9 and spread 0.1, by z-score with the errors that the spread claims."""
    rng, seeds, phases = np.random.default_rng(0), 300, 40
    moment, updates = np.zeros(seeds), np.empty((seeds, 8 * phases))
    for step in range(-200, 8 * phases):
        moment = 0.9 * moment + rng.normal(size=seeds)
        if step >= 0:
            updates[:, step] = moment
    change = updates.reshape(seeds, phases, 8).sum(axis=2)
    change *= 0.1 / np.sqrt(8 * 19 - 2 * 0.9 * (1 - 0.9**8) / 0.01) / np.sqrt(1 / (1 - 0.81))
    spread = pilot_noise(np.cumsum(np.concatenate([np.zeros((seeds, 1)), change], axis=1), axis=1), 0.9, 8, LATER)
    assert abs(spread.value / 0.1 - 1) < 4 * spread.relative_stderr
    assert abs(spread.mean) < 4 * spread.mean_stderr
    assert spread.autocorrelation == pytest.approx(0.59, abs=0.03)


def test_counting_is_taken_out_of_the_spread() -> None:
    """Independent steps of 0.1 read through counts of 400 answers, whose own noise in a change is √2·0.1."""
    rng, samples = np.random.default_rng(2), 400
    walk = np.cumsum(rng.normal(scale=0.1, size=(400, 21)), axis=1)
    share = rng.binomial(samples, 1 / (1 + np.exp(-walk))) / samples
    counted = np.log((share * samples + 0.5) / (samples - share * samples + 0.5))
    spread = pilot_noise(counted, 0.0, 8, 0, samples)
    assert abs(spread.value / 0.1 - 1) < 4 * spread.relative_stderr < 0.2
    assert pilot_noise(counted, 0.0, 8, 0).value > 0.15  # negative control: the counting left in


def test_what_a_pilot_cannot_resolve_is_as_large_as_its_error() -> None:
    rng = np.random.default_rng(3)
    still = np.log(1 / (1 / rng.binomial(64, 0.4, size=(2, 3)) * 64 - 1))
    spread = pilot_noise(still, 0.9, 4, LATER, 64)
    assert spread.relative_stderr == 0.5
    assert 0 < spread.value < np.diff(still).std(ddof=1) * 1.5


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_token_fractions_are_those_of_simulated_walks(momentum: float) -> None:
    """Tokens of two kinds moved by a momentum optimizer, and signs drawn apart: counted against the formula."""
    rng, tokens, minibatches = np.random.default_rng(1), 200_000, 6
    sigma = np.where(rng.random(tokens) < 0.8, 0.01, 0.08)
    training = Training(6, 16, minibatches, 1e-4, phases=6, max_completion_length=32)
    moment = rng.normal(size=tokens) * sigma
    walk = [np.zeros(tokens)]
    for _ in range(minibatches - 1):
        walk.append(walk[-1] + moment)
        moment = momentum * moment + math.sqrt(1 - momentum**2) * rng.normal(size=tokens) * sigma
    claim = clip_fractions(walk[1], training, CLIP.gate, momentum)
    low, high = claim.low, claim.high
    positive = rng.random(tokens) < 0.5
    for m in range(minibatches):
        for claimed, seen in (
            (low[m], (np.exp(walk[m]) < 0.8) & ~positive),
            (high[m], (np.exp(walk[m]) > 1.2) & positive),
        ):
            assert abs(seen.mean() - claimed) < 5 * math.sqrt(2 * max(claimed, 1e-4) / tokens)
    assert low[0] == high[0] == 0.0
    free = clip_fractions(walk[1], training, FREE.gate, momentum)
    assert not free.low.any()
    assert not free.high.any()
    wrong = clip_fractions(walk[1], training, CLIP.gate, 0.9 - momentum).low  # negative control
    assert abs(wrong[-1] - low[-1]) > 20 * math.sqrt(low[-1] / tokens)


def test_a_band_without_doubt_or_momentum_is_the_law_itself() -> None:
    toy = Toy(log_odds=0.6, samples=None, rates=[0.4], weights=np.array([1.0]), phases=6)
    results = toy.laws(TRAINING, CLIP.gate)
    found = band(toy, results, 0.0, 8)
    law = evolve(1 / (1 + math.exp(-0.6)), TRAINING.toy(0.4, PpoClip(0.2, 0.2)), 6).laws[-1]
    expected = [law.quantile(level) for level in LEVELS]
    np.testing.assert_allclose(found.log_odds_quantiles[-1], expected, atol=5e-3)
    assert found.log_odds_mean[-1] == pytest.approx(law.mean, abs=1e-9)
    assert found.share_mean[-1] == pytest.approx(law.prob_mean, abs=1e-9)
    wide = band(toy, results, 0.9, 8)
    assert wide.log_odds_std[-1] == pytest.approx(law.std * persistence_from_rest(0.9, 8, 6), rel=1e-6)


def test_a_counted_share_widens_the_band_by_its_binomial_error() -> None:
    toy = Toy(log_odds=0.6, samples=100, rates=[0.4], weights=np.array([1.0]), phases=2)
    low, *_, high = band(toy, toy.laws(TRAINING, FREE.gate), 0.0, 8).log_odds_quantiles[0]
    p = 1 / (1 + math.exp(-0.6))
    assert high - low == pytest.approx(2 * 1.6449 * math.sqrt(2 / (100 * p * (1 - p))), rel=1e-3)


def test_an_inert_clip_is_predicted_to_do_nothing(recipe_text: str) -> None:
    recipe = read_recipe(recipe_text.replace("minibatches = 2", "minibatches = 1"))
    rng = np.random.default_rng(0)
    spread = pilot_noise(np.cumsum(rng.normal(scale=0.1, size=(2, 3)), axis=1), 0.9, 1, LATER)
    claim = predicted(recipe, 0.65, spread, np.zeros(50))
    clip, free = claim.arms["clip"], claim.arms["no-clip"]
    np.testing.assert_allclose(clip.band.log_odds_mean, math.log(0.65 / 0.35), atol=1e-9)
    np.testing.assert_allclose(clip.band.log_odds_quantiles, free.band.log_odds_quantiles, atol=1e-9)
    assert clip.tokens_clipped.low.tolist() == clip.tokens_clipped.high.tolist() == [0.0]


def test_a_pilot_that_never_moves_or_moves_too_far_is_refused_in_the_recipe_s_words(recipe_text: str) -> None:
    with pytest.raises(InputError, match="pilot must be runs in which the share of the strategy moves"):
        pilot_noise(np.full((2, 4), -5.0), 0.9, 8, 0, samples=64)
    recipe = read_recipe(recipe_text)
    wild = pilot_noise(np.cumsum(np.random.default_rng(0).normal(0, 40, (4, 6)), axis=1), 0.9, 2, LATER)
    with pytest.raises(InputError, match=r"training\.learning_rate must be small enough .*a spread of"):
        predicted(recipe, 0.6, wild, np.zeros(10))


def momentum_walks(seeds: int, phases: int, minibatches: int, momentum: float, seed: int) -> np.ndarray:
    """Log-odds [seeds, phases + 1] whose updates have this momentum, long after its start."""
    rng, moment = np.random.default_rng(seed), np.zeros(seeds)
    updates = np.empty((seeds, minibatches * phases))
    for step in range(-100, minibatches * phases):
        moment = momentum * moment + rng.normal(size=seeds)
        if step >= 0:
            updates[:, step] = moment
    change = updates.reshape(seeds, phases, minibatches).sum(axis=2)
    return np.cumsum(np.concatenate([np.zeros((seeds, 1)), change], axis=1), axis=1)


def test_the_stated_errors_of_a_pilot_are_those_of_many_pilots() -> None:
    """Momentum makes neighbouring phases correlate: fewer of them count, and their mean is noisier."""
    pilots = momentum_walks(12 * 400, 6, 8, 0.9, seed=1).reshape(400, 12, 7)
    found = [pilot_noise(pilot, 0.9, 8, LATER) for pilot in pilots]
    spread = np.std([pilot.value for pilot in found], ddof=1)
    stated = np.mean([pilot.value * pilot.relative_stderr for pilot in found])
    assert spread / stated == pytest.approx(1.0, abs=0.13)  # 4 standard errors of a spread over 400; 0.8 without
    mean = np.std([pilot.mean for pilot in found], ddof=1)
    assert mean / np.mean([pilot.mean_stderr for pilot in found]) == pytest.approx(1.0, abs=0.15)


@pytest.mark.parametrize(("minibatches", "burn_in"), [(4, 0), (8, 2), (1, 4)])
def test_a_pilot_soon_after_the_start_from_rest(minibatches: int, burn_in: int) -> None:
    """Adam's first moment with its correction, simulated from rest; the spread is that of a phase long after it."""
    rng, seeds, phases, beta = np.random.default_rng(5), 4000, 6, 0.9
    moment, steps = np.zeros(seeds), minibatches * (burn_in + phases)
    updates = np.empty((seeds, steps))
    for k in range(steps):
        moment = beta * moment + (1 - beta) * rng.normal(size=seeds)
        updates[:, k] = moment / (1 - beta ** (k + 1))
    change = updates.reshape(seeds, -1, minibatches).sum(axis=2)
    walk = np.cumsum(np.concatenate([np.zeros((seeds, 1)), change], axis=1), axis=1)[:, burn_in:]
    lagged = np.array([[beta ** abs(i - j) for i in range(minibatches)] for j in range(minibatches)]).sum()
    later = math.sqrt((1 - beta) / (1 + beta) * lagged)
    found = pilot_noise(walk, beta, minibatches, burn_in)
    assert abs(found.value / later - 1) < 4 * found.relative_stderr < 0.06
    stated = change[:, burn_in:].mean(axis=1).std(ddof=1) / math.sqrt(seeds)
    assert found.mean_stderr == pytest.approx(stated, rel=0.05)
    assert pilot_noise(walk, beta, minibatches, LATER).value / later > 1.03  # negative control: taken as stationary


def test_momentum_carries_on_the_drift_as_far_as_the_noise() -> None:
    """Of a gradient its own phase sees only 1/κ_∞: what drifts by D in the toy drifts by κ_∞·D."""
    toy = Toy(log_odds=0.6, samples=None, rates=[2.0], weights=np.array([1.0]), phases=4)
    results = toy.laws(TRAINING, Arm("low-only", 0.1, None).gate)
    plain, carried = (band(toy, results, momentum, 8).log_odds_mean[-1] - 0.6 for momentum in (0.0, 0.9))
    assert abs(plain) > 0.02
    lagged = np.array([[0.9 ** abs(i - j) for i in range(8)] for j in range(8)]).sum()
    assert carried / plain == pytest.approx(math.sqrt(8 * 19 / lagged), rel=1e-9)
