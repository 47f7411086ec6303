"""Every surrogate, several epochs, split groups and rewards by outcome against a sum over every sample whose gradients
torch takes from the objectives as their papers write them."""

from dataclasses import replace
from itertools import combinations, product

import numpy as np
import pytest
import torch

from clipbias.simulate.autograd.objective import objective
from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo
from setups import TINY

SURROGATES = {
    "none": UNCLIPPED,
    "ppo": PpoClip(0.15, 0.25),
    "low-only": PpoClip(0.15, None),
    "high-only": PpoClip(None, 0.15),
    "dual": PpoClip(0.3, 0.2, dual=1.3),
    "cispo": Cispo(1.1),
    "sapo": Sapo(1.0, 4.0),
    "dppo": Dppo(0.15, 0.04),
    "gspo": Gspo(0.05, 0.08, 3),
    "released": Probability(),
}


def advantages(rewards: np.ndarray, size: int) -> np.ndarray:
    groups = rewards.reshape(*rewards.shape[:-1], -1, size)
    std = groups.std(axis=-1, keepdims=True)
    centred = groups - groups.mean(axis=-1, keepdims=True)
    return np.where(std > 0, centred / np.where(std > 0, std, 1.0), 0.0).reshape(rewards.shape)


def brute_force(probs: tuple[float, ...], config: PhaseConfig, epochs: int, split: bool) -> np.ndarray:
    """Mean and mean square of the logits' change, [2, K], over all (2K)^(samples of a phase) patterns and shuffles."""
    old, outcomes = np.array(probs), len(probs)
    batch = config.group_size * config.groups_per_minibatch
    total = batch * config.minibatches
    gamma = np.broadcast_to(np.asarray(config.success_prob, dtype=float), outcomes)
    patterns = np.array(list(product(range(outcomes * 2), repeat=total)))
    chosen, rewards = patterns // 2, patterns % 2
    chance = np.where(rewards == 1, gamma[chosen], 1 - gamma[chosen]) * old[chosen]
    weight, adv = chance.prod(axis=1), advantages(rewards.astype(float), config.group_size)
    assert config.minibatches == 2 or not split
    first = list(combinations(range(total), batch)) if split else [tuple(range(batch))]
    found = np.zeros((2, outcomes))
    for members in first:
        rest = [i for i in range(total) if i not in members]
        order = np.array([*members, *rest])
        z = torch.tensor(np.broadcast_to(np.log(old), (len(weight), outcomes)).copy())
        for step in range(epochs * config.minibatches):
            at = order[(step % config.minibatches) * batch :][:batch]
            z.requires_grad_(True)
            log_prob = torch.log_softmax(z, dim=1).gather(1, torch.tensor(chosen[:, at]))
            value = objective(
                config.surrogate, log_prob, torch.tensor(np.log(old)[chosen[:, at]]), torch.tensor(adv[:, at])
            )
            (gradient,) = torch.autograd.grad(value.sum() / batch, z)
            z = (z + config.learning_rate * gradient).detach()
        change = z.numpy() - np.log(old)
        found += np.stack([weight @ change, weight @ change**2]) / len(first)
    return found


def agrees(probs: tuple[float, ...], config: PhaseConfig, epochs: int = 1, split: bool = False) -> bool:
    found = enumerate_phase(probs, config, epochs, split)
    mean, square = brute_force(probs, config, epochs, split)
    np.testing.assert_allclose(found.logit_shift, mean, rtol=0, atol=1e-12)
    np.testing.assert_allclose(found.logit_variance, square - mean**2, rtol=0, atol=1e-12)
    return bool(np.abs(mean).max() > 1e-4)


@pytest.mark.parametrize("name", SURROGATES)
def test_each_surrogate(name: str) -> None:
    drifts = agrees(
        (0.7, 0.3), replace(TINY, learning_rate=1.7, minibatches=3, success_prob=0.4, surrogate=SURROGATES[name])
    )
    assert drifts == (name not in ("none", "cispo", "released"))  # whose push is 0
    agrees((0.5, 0.3, 0.2), replace(TINY, learning_rate=1.7, success_prob=0.4, surrogate=SURROGATES[name]))


@pytest.mark.parametrize("name", SURROGATES)
def test_rewards_by_outcome(name: str) -> None:
    assert agrees(
        (0.6, 0.4), replace(TINY, learning_rate=1.3, group_size=3, success_prob=(0.8, 0.3), surrogate=SURROGATES[name])
    )


@pytest.mark.parametrize("name", SURROGATES)
def test_a_second_epoch(name: str) -> None:
    assert agrees((0.7, 0.3), replace(TINY, learning_rate=1.2, surrogate=SURROGATES[name]), epochs=2)


@pytest.mark.parametrize("name", SURROGATES)
def test_split_groups(name: str) -> None:
    """Only the unclipped ratio stays without drift: what is left of a split group has a mean that its first part knows,
    and a gate that weights gradients, even if alike for praise and blame, turns it into motion."""
    drifts = agrees(
        (0.7, 0.3), replace(TINY, learning_rate=1.7, success_prob=0.4, surrogate=SURROGATES[name]), split=True
    )
    assert drifts == (name != "none")


def test_split_groups_over_several_epochs_with_rewards_by_outcome() -> None:
    assert agrees(
        (0.7, 0.3),
        replace(TINY, group_size=3, success_prob=(0.5, 0.9), surrogate=SURROGATES["ppo"]),
        epochs=2,
        split=True,
    )


def test_another_surrogate_is_noticed() -> None:
    """Negative control: each surrogate's enumeration must differ from every other's."""
    shifts = [
        enumerate_phase(
            (0.5, 0.3, 0.2), replace(TINY, learning_rate=4.0, success_prob=0.4, surrogate=surrogate)
        ).log_odds_variance
        for surrogate in SURROGATES.values()
    ]
    assert np.diff(np.sort(shifts)).min() > 1e-6
