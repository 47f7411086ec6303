"""The gates of theory are what autograd finds in the objectives as their papers write them."""

import numpy as np
import pytest
import torch

from clipbias.simulate.autograd.objective import kl_penalty, objective
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo, Surrogate

SURROGATES = [
    UNCLIPPED,
    PpoClip(0.2, 0.28),
    PpoClip(0.2, None),
    PpoClip(None, 0.2),
    PpoClip(1.0, 0.2),
    PpoClip(0.2, 0.2, dual=1.7),
    PpoClip(None, None, dual=1.7),
    Cispo(1.4),
    Sapo(),
    Sapo(2.0, 0.5),
    Dppo(0.1, 0.05),
    Dppo(None, 0.05),
    Dppo(0.1, None),
    Gspo(0.05, 0.08, 4),
    Gspo(None, 0.2, 1),
    Probability(),
]


def pulled(surrogate: Surrogate, ratio: np.ndarray, old: np.ndarray, advantage: np.ndarray) -> np.ndarray:
    """∂objective/∂log π by autograd."""
    log_prob = torch.tensor(np.log(ratio * old), requires_grad=True)
    value = objective(surrogate, log_prob, torch.tensor(np.log(old)), torch.tensor(advantage))
    return torch.autograd.grad(value.sum(), log_prob)[0].numpy()


def gated(surrogate: Surrogate, ratio: np.ndarray, old: np.ndarray, advantage: np.ndarray) -> np.ndarray:
    """The same by theory: Â·f±′(R)·R."""
    above, below = surrogate.slopes(ratio, old)
    return advantage * np.where(advantage > 0, above, below) * ratio


def drawn() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    old = rng.uniform(0.001, 1.0, 4000)
    return np.minimum(np.exp(rng.normal(0.0, 0.5, 4000)), 0.999 / old), old, rng.normal(size=4000)


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_autograd_finds_the_slopes(surrogate: Surrogate) -> None:
    np.testing.assert_allclose(pulled(surrogate, *drawn()), gated(surrogate, *drawn()), rtol=1e-10, atol=1e-14)


def test_swapped_bounds_are_noticed() -> None:
    """Negative control."""
    assert not np.allclose(pulled(PpoClip(0.2, 0.28), *drawn()), gated(PpoClip(0.28, 0.2), *drawn()))


@pytest.mark.parametrize("surrogate", SURROGATES, ids=repr)
def test_every_gate_is_open_at_the_start(surrogate: Surrogate) -> None:
    old = np.array([0.3, 0.3])
    advantage = np.array([2.0, -2.0])
    found = pulled(surrogate, np.ones(2), old, advantage)
    assert found[0] == pytest.approx(-found[1])
    assert found[0] > 0


def test_the_value_is_the_advantage_at_ratio_one() -> None:
    """f(1) = 1 where the source has an importance ratio: PPO, DPPO, GSPO."""
    log_prob, advantage = torch.tensor([-1.0, -2.0]), torch.tensor([1.5, -0.5])
    for surrogate in (UNCLIPPED, PpoClip(0.2, 0.2), PpoClip(0.2, 0.2, 3.0), Dppo(0.2, 0.2), Gspo(0.1, 0.1, 3)):
        torch.testing.assert_close(objective(surrogate, log_prob, log_prob, advantage), advantage)


def test_the_penalty_pulls_back_to_the_reference() -> None:
    """∂k3/∂log π = 1 − r, and k3 averages to KL(π‖π_ref) over π."""
    policy = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64)
    reference = policy.flip(0)
    log_prob = policy.log().requires_grad_()
    value = kl_penalty(log_prob, reference.log())
    divergence = (policy * (policy / reference).log()).sum()
    torch.testing.assert_close((policy * value).sum(), divergence)
    (pull,) = torch.autograd.grad(value.sum(), log_prob)
    torch.testing.assert_close(pull, 1 - reference / policy)
