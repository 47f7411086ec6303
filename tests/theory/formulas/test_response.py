"""The response (T12) where it is known: a two-outcome policy under plain and heavy-ball ascent, whose log-odds move by
exactly 2η/n a unit of the first outcome's advantage; and its errors on rests that go along within a seed."""

import numpy as np
import pytest
import torch

from clipbias.common.errors import InputError
from clipbias.simulate.autograd.engine import Samples, train_on
from clipbias.simulate.autograd.policy import Tabular
from clipbias.theory.formulas.response import advantage_sums, response
from clipbias.theory.surrogate import UNCLIPPED
from clipbias.theory.update_rule import Sgd, UpdateRule

SEEDS, PHASES, SAMPLES, RATE = 12, 10, 16, 0.4


def pilot(momentum: float) -> tuple[np.ndarray, np.ndarray]:
    """(Δx [R, T], S [R, T, 1]) of trainings by the torch engine with advantages that say nothing: one step a phase."""
    generator = torch.Generator().manual_seed(2)
    shape = (SEEDS, 1, SAMPLES)
    phases = []
    for _ in range(PHASES):
        advantages = torch.randn(shape, generator=generator, dtype=torch.float64)
        advantages -= advantages.mean(2, keepdim=True)
        phases.append(Samples(torch.randint(2, shape, generator=generator), advantages))
    policy = Tabular(torch.tensor([0.6, 0.4], dtype=torch.float64))
    logits = train_on(policy, phases, UNCLIPPED, RATE, UpdateRule(optimizer=Sgd(momentum)))
    x = torch.cat([policy.start()[None].expand(1, SEEDS, 2), logits]).diff(dim=2)[..., 0].neg()
    sums = [advantage_sums(phase.advantages[:, 0], phase.outcomes[:, 0], 2)[:, :1] for phase in phases]
    return x.diff(dim=0).T.numpy(), np.stack(sums, axis=1)


def test_plain_ascent_answers_by_twice_the_rate_per_sample() -> None:
    changes, sums = pilot(0.0)
    found = response(changes, sums, lags=1)
    assert np.allclose(found.coefficients.value, [[2 * RATE / SAMPLES], [0.0]], atol=1e-12)
    assert found.explained == pytest.approx(1.0)
    assert np.allclose(found.changes(sums), changes)
    assert not np.allclose(found.changes(-sums), changes, atol=1e-3)


def test_momentum_answers_later_as_well() -> None:
    """β^l of the first answer, l phases later; with lags for all phases nothing is left over."""
    changes, sums = pilot(0.5)
    found = response(changes, sums, lags=PHASES - 1)
    expected = 2 * RATE / SAMPLES * 0.5 ** np.arange(PHASES)
    assert np.allclose(found.coefficients.value[:, 0], expected, atol=1e-10)
    assert response(changes, sums).explained < 0.9


def drawn(rng: np.random.Generator, endogenous: float = 0.0) -> tuple[np.ndarray, np.ndarray]:
    """Phases that share a seed's own rest and slope, true slopes 2 and −1; sums may know the rest."""
    sums = rng.normal(size=(SEEDS, PHASES, 2))
    rest = rng.normal(size=(SEEDS, 1)) + 0.5 * rng.normal(size=(SEEDS, PHASES))
    sums[..., 0] += endogenous * rest
    slopes = np.array([2.0, -1.0]) + 0.5 * rng.normal(size=(SEEDS, 1, 2))
    return (sums * slopes).sum(2) + rest, sums


def z_scores(endogenous: float = 0.0) -> np.ndarray:
    rng = np.random.default_rng(4)
    found = [response(*drawn(rng, endogenous)).coefficients for _ in range(400)]
    return np.array([(each.value[0] - [2.0, -1.0]) / each.stderr[0] for each in found])


@pytest.mark.statistical
def test_errors_are_those_of_seeds() -> None:
    """With twelve seeds the sandwich is a little small: t of 11 degrees has the root mean square 1.11."""
    scores = z_scores()
    assert abs(scores.mean(0)).max() < 4 * 1.2 / 20
    assert 0.95 < np.sqrt((scores**2).mean()) < 1.3


@pytest.mark.statistical
def test_errors_by_phase_would_be_too_small_and_endogenous_sums_lean() -> None:
    rng = np.random.default_rng(4)
    naive = []
    for _ in range(200):
        changes, sums = drawn(rng)
        table = np.concatenate([np.ones((SEEDS * PHASES, 1)), sums.reshape(-1, 2)], axis=1)
        found, rest, *_ = np.linalg.lstsq(table, changes.ravel(), rcond=None)
        error = np.sqrt(rest[0] / len(table) * np.linalg.inv(table.T @ table)[1, 1])
        naive.append((found[1] - 2.0) / error)
    assert np.sqrt(np.mean(np.square(naive))) > 1.5
    assert z_scores(endogenous=0.3)[:, 0].mean() > 1.0


def test_classes_that_are_all_samples_are_refused() -> None:
    changes, sums = pilot(0.0)
    with pytest.raises(InputError, match="leave one out"):
        response(changes, np.concatenate([sums, -sums], axis=2))
    with pytest.raises(InputError, match="lags"):
        response(changes, sums, lags=PHASES)
