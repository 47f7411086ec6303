"""300 drawn configurations of all that the engine can do, scored against referees that share none of its code.

A phase of a small configuration is enumerated, two outcomes go to the closed form, what only `Training` has to the
torch engine. Understated errors would make the z-scores wider than a standard normal law; a bias would move them.
"""

from dataclasses import dataclass, replace

import numpy as np
import pytest
from clipbias.simulate import tabular
from clipbias.simulate.enumeration import enumerate_phase
from clipbias.simulate.tabular import PLAIN, simulate
from clipbias.simulate.torch_engine import simulate_torch
from clipbias.simulate.training import Adam, Sgd, Training
from clipbias.theory.config import PhaseConfig
from clipbias.theory.phase import phase
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo
from scipy.stats import kstest

QUANTITIES = ("log_odds_shift", "log_odds_std", "entropy_shift")
CASES = 100  # of each of the three kinds
REPLICATES = 20_000
MOST = 4.5  # the largest of 300 standard normal scores exceeds it once in 500 times


@dataclass(frozen=True)
class Case:
    probs: tuple[float, ...]
    config: PhaseConfig
    training: Training = PLAIN
    phases: int = 1


def surrogate(rng: np.random.Generator):
    low, high = (float(v) for v in rng.uniform(0.03, 0.3, 2))
    return (
        UNCLIPPED,
        PpoClip(low, high),
        PpoClip(None, high),
        PpoClip(low, high, dual=1 + high + 0.1),
        Cispo(1 + high),
        Sapo(1.0, 3.0),
        Dppo(low / 3, high / 3),
        Gspo(low / 3, high / 3, 3),
        Probability(),
    )[rng.integers(9)]


def drawn(rng: np.random.Generator, outcomes: int, most: int, groups: int, steps: int, by_outcome: bool) -> Case:
    probs = rng.dirichlet(np.full(outcomes, 2.0)) * 0.9 + 0.1 / outcomes
    success = tuple(float(v) for v in rng.uniform(0.1, 0.9, outcomes))
    scale = ("std", "std-unbiased", "none")[rng.integers(3)]
    config = PhaseConfig(
        learning_rate=float(rng.uniform(0.3, 1.5)),
        group_size=int(rng.integers(2, most + 1)),
        groups_per_minibatch=int(rng.integers(1, groups + 1)),
        minibatches=int(rng.integers(1, steps + 1)),
        success_prob=success if by_outcome else success[0],
        surrogate=surrogate(rng),
        scale=scale,
    )
    return Case(tuple(float(p) for p in probs / probs.sum()), config)


def enumerable() -> list[Case]:
    rng, cases = np.random.default_rng(1), []
    while len(cases) < CASES:
        case = drawn(rng, int(rng.integers(2, 4)), 3, 1, 2, bool(rng.integers(2)))
        cases.append(replace(case, training=Training(epochs=int(rng.integers(1, 3)), split=bool(rng.integers(2)))))
    return cases


def two_outcomes() -> list[Case]:
    rng = np.random.default_rng(2)
    return [drawn(rng, 2, 40, 5, 6, bool(i % 2)) for i in range(CASES)]


def trained() -> list[Case]:
    rng, cases = np.random.default_rng(3), []
    optimizers = (Sgd(), Sgd(0.8), Adam(0.9, 0.95), Adam(0.0, 0.9, 1e-3, 0.05))
    for _ in range(CASES):
        case = drawn(rng, int(rng.integers(2, 6)), 8, 3, 3, bool(rng.integers(2)))
        kind = optimizers[rng.integers(4)]
        training = Training(
            optimizer=kind,
            max_grad_norm=None if rng.integers(2) else float(rng.uniform(0.02, 0.3)),
            epochs=int(rng.integers(1, 3)),
            split=bool(rng.integers(2)),
            whiten=bool(rng.integers(2)),
            kl_coefficient=0.0 if rng.integers(2) else float(rng.uniform(0.05, 0.5)),
        )
        rate = case.config.learning_rate * (0.2 if isinstance(kind, Adam) else 0.5)
        config = replace(case.config, learning_rate=rate)
        cases.append(replace(case, config=config, training=training, phases=int(rng.integers(1, 3))))
    return cases


def z_scores(cases, expected, given=lambda case: case) -> dict[str, np.ndarray]:
    """By quantity, one score a case; cases without any spread are left out."""
    scores = {name: [] for name in QUANTITIES}
    for seed, (case, exact) in enumerate(zip(map(given, cases), expected, strict=True)):
        found = simulate(case.config, case.probs, case.phases, REPLICATES, seed, case.training)
        for name, (other, spread) in exact.items():
            estimate = getattr(found, name)
            stderr = float(np.hypot(estimate.stderr, spread))
            if stderr > 1e-12:
                scores[name].append((float(estimate.mean) - other) / stderr)
    return {name: np.array(values) for name, values in scores.items()}


def enumerated(case: Case) -> dict[str, tuple[float, float]]:
    exact = enumerate_phase(case.probs, case.config, case.training.epochs, case.training.split)
    std = float(np.sqrt(exact.log_odds_variance))
    return dict(zip(QUANTITIES, ((exact.log_odds_shift, 0.0), (std, 0.0), (exact.entropy_shift, 0.0)), strict=True))


def closed_form(case: Case) -> dict[str, tuple[float, float]]:
    law = phase(case.probs[0], case.config)
    return {name: (float(getattr(law, name)), 0.0) for name in QUANTITIES}


def by_autograd(case: Case) -> dict[str, tuple[float, float]]:
    found = simulate_torch(case.config, case.probs, case.phases, 2000, 77, case.training)
    return {name: (float(e.mean), float(e.stderr)) for name in QUANTITIES for e in [getattr(found, name)]}


@pytest.fixture(scope="module")
def referees():
    kinds = ((enumerable, enumerated), (two_outcomes, closed_form), (trained, by_autograd))
    return {judge: (cases(), list(map(judge, cases()))) for cases, judge in kinds}


@pytest.mark.parametrize("general", [False, True], ids=["fastest", "general"])
def test_scores_are_standard_normal(referees, general, monkeypatch):
    if general:  # two outcomes by the loop for K as well
        monkeypatch.setattr(tabular, "covers", lambda *_: False)
    kinds = [z_scores(*referee) for referee in referees.values()]
    for name in QUANTITIES:
        scores = np.concatenate([kind[name] for kind in kinds])
        assert len(scores) >= 0.95 * 3 * CASES, name
        assert kstest(scores, "norm").pvalue > 1e-3, name
        assert abs(scores.mean()) < 4 / np.sqrt(len(scores)), name
        assert abs(scores.var() - 1) < 4 * np.sqrt(2 / len(scores)), name
        assert abs(scores).max() < MOST, name


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("epochs", 1), ("whiten", False), ("kl_coefficient", 0.0), ("max_grad_norm", None), ("optimizer", Sgd())],
)
def test_an_option_left_out_is_seen(referees, field, wrong):
    """Negative controls."""

    def change(case: Case) -> Case:
        return replace(case, training=replace(case.training, **{field: wrong}))

    assert abs(z_scores(*referees[by_autograd], change)["log_odds_std"]).max() > 1.3 * MOST
