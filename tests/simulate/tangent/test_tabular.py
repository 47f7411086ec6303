"""The tabular limit: with φ_a = e_a − π₀ the tangent model is the toy, and must come out as its engines do."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clipbias.simulate.autograd.engine import simulate_torch
from clipbias.simulate.methods import MonteCarlo
from clipbias.simulate.tangent.engine import TangentRun, Training, simulate_tangent
from clipbias.simulate.tangent.reading import Reader
from clipbias.simulate.tangent.tree import Tree
from clipbias.theory.law import Law, law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip, Sapo
from clipbias.theory.update_rule import PLAIN, Adam, UpdateRule
from setups import SMALL, TINY
from trees import one_token, shares, tabular

pytestmark = pytest.mark.statistical

PPO = PpoClip(0.2, 0.2)
TWO, THREE = (0.65, 0.35), (0.5, 0.3, 0.2)
PHASES, SEEDS = 2, 5_000
COIN = replace(SMALL, learning_rate=1.5)
FEATURES = ((1.0, 0.2, -0.5), (0.1, 1.0, 0.3), (-0.4, 0.2, 0.9))


def training_of(config: PhaseConfig, update: UpdateRule) -> Training:
    return Training(
        groups=config.groups_per_minibatch * config.minibatches,
        group_size=config.group_size,
        minibatches=config.minibatches,
        learning_rate=config.learning_rate,
        surrogate=config.surrogate,
        update=update,
        scale=config.scale,
    )


def simulated(tree: Tree, config: PhaseConfig, update: UpdateRule = PLAIN) -> TangentRun:
    chance = config.success_prob
    rewards = torch.tensor(chance, dtype=tree.gradients.dtype) if isinstance(chance, tuple) else float(chance)
    reader = Reader(tree, shares(len(tree.count)))
    return simulate_tangent(tree, rewards, reader, training_of(config, update), PHASES, SEEDS, 5)


def z_scores(run: TangentRun, expected: Law) -> np.ndarray:
    """Of means and spreads of the first outcome's log-odds, of mean probabilities, and of mean clip fractions."""
    log_odds = run.readings.values[:, -1].double().numpy()
    start = run.readings.values[:, 0].double().numpy()
    shift = log_odds[:, 0] - start[:, 0]
    spread = shift.std()
    error = np.sqrt(((shift - shift.mean()) ** 4).mean() - spread**4) / (2 * spread * np.sqrt(SEEDS))
    probs = 1 / (1 + np.exp(-log_odds))
    scores = [
        (shift.mean() - expected.log_odds_shift.value) / np.hypot(spread / SEEDS**0.5, expected.log_odds_shift.stderr),
        (spread - expected.log_odds_std.value) / np.hypot(error, expected.log_odds_std.stderr),
        *((probs.mean(0) - expected.prob_mean.value) / np.hypot(probs.std(0) / SEEDS**0.5, expected.prob_mean.stderr)),
    ]
    for found, other in ((run.clip_low, expected.clip_low_fraction), (run.clip_high, expected.clip_high_fraction)):
        each = found.double().mean(1).numpy()
        stderr = np.hypot(each.std(0) / SEEDS**0.5, other.stderr)
        difference = each.mean(0) - other.value
        assert abs(difference[stderr == 0]).max(initial=0.0) == 0
        scores += list(difference[stderr > 0] / stderr[stderr > 0])
    return np.array(scores)


CASES = {
    "coin, clipped": (TWO, replace(COIN, surrogate=PPO)),
    "coin, unclipped": (TWO, replace(COIN, surrogate=UNCLIPPED)),
    "coin, three outcomes": (THREE, replace(COIN, surrogate=PPO, success_prob=0.3)),
    "three outcomes, n - 1": (THREE, replace(COIN, surrogate=UNCLIPPED, scale="std-unbiased")),
    "selection, clipped": (THREE, replace(COIN, surrogate=PPO, success_prob=(1.0, 0.0, 0.0))),
    "selection, not scaled": (TWO, replace(COIN, surrogate=PPO, success_prob=(0.0, 1.0), scale="none")),
    "soft": (THREE, replace(COIN, surrogate=Sapo(1.0, 4.0))),
}


@pytest.mark.parametrize("name", CASES)
def test_agrees_with_the_compiled_simulator(name: str) -> None:
    probs, config = CASES[name]
    expected = law(probs, config, PHASES, method=MonteCarlo(replicates=200_000, seed=3))
    assert abs(z_scores(simulated(tabular(torch.tensor(probs)), config), expected)).max() < 4


def test_what_is_slightly_wrong_is_noticed() -> None:
    probs, config = CASES["coin, clipped"]
    tree = tabular(torch.tensor(probs))
    expected = law(probs, config, PHASES, method=MonteCarlo(replicates=200_000, seed=3))
    louder = replace(tree, gradients=1.1 * tree.gradients)
    assert abs(z_scores(simulated(louder, config), expected)).max() > 6
    for wrong in ({"surrogate": PpoClip(0.2, 0.3)}, {"surrogate": UNCLIPPED}, {"scale": "std-unbiased"}):
        assert abs(z_scores(simulated(tree, replace(config, **wrong)), expected)).max() > 6


@pytest.mark.parametrize(
    "update", [UpdateRule(split=True), UpdateRule(optimizer=Adam(0.9, 0.95), max_grad_norm=0.3, epochs=2, split=True)]
)
def test_agrees_where_groups_are_split(update: UpdateRule) -> None:
    adam = isinstance(update.optimizer, Adam)
    config = replace(TINY, learning_rate=0.1 if adam else 2.0, surrogate=PpoClip(0.05, 0.05))
    expected = law(THREE, config, PHASES, update=update, method=MonteCarlo(replicates=200_000, seed=3))
    first = replace_fractions(expected, config.minibatches)
    tree = tabular(torch.tensor(THREE))
    assert abs(z_scores(simulated(tree, config, update), first)).max() < 4
    assert abs(z_scores(simulated(tree, config, replace(update, split=False)), first)).max() > 6


def replace_fractions(found: Law, minibatches: int) -> Law:
    """Clip fractions of the first epoch alone, which are what the tangent engine keeps."""
    return replace(
        found,
        clip_low_fraction=found.clip_low_fraction[:minibatches],
        clip_high_fraction=found.clip_high_fraction[:minibatches],
    )


def test_shared_features_agree_with_the_torch_engine() -> None:
    config = replace(COIN, surrogate=PPO)
    features = torch.tensor(FEATURES, dtype=torch.float64)
    expected = simulate_torch(THREE, config, PHASES, 10_000, seed=2, features=features.numpy())
    prior = torch.tensor(THREE, dtype=torch.float64)
    assert abs(z_scores(simulated(one_token(prior, features), config), expected)).max() < 4
    assert abs(z_scores(simulated(tabular(prior), config), expected)).max() > 6
