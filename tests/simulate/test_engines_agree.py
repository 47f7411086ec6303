"""300 drawn configurations of all that the engine can do, scored against referees that share none of its code.

A phase of a small configuration is enumerated, two outcomes go to the closed form, what only `UpdateRule` has to the
torch engine. Understated errors would make the z-scores wider than a standard normal law; a bias would move them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from scipy.stats import kstest

from clipbias.simulate.compiled import tabular
from clipbias.simulate.methods import Autograd, Enumeration, MonteCarlo
from clipbias.theory.law import Law, law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo
from clipbias.theory.update_rule import PLAIN, Adam, Sgd, UpdateRule

pytestmark = pytest.mark.statistical

# Where a quantity has several entries, the one that is scored: the first outcome's, the last optimizer step's.
QUANTITIES = {
    "log_odds_shift": (),
    "log_odds_std": (),
    "entropy_shift": (),
    "prob_shift": 0,
    "prob_std": 0,
    "clip_low_fraction": -1,
    "clip_high_fraction": -1,
}
CASES = 100  # of each of the three kinds
REPLICATES = 20_000
LEAST_CLIPPED = 200  # samples that a clip fraction counts: of fewer the mean is not normal
MOST = 4.5  # the largest of 300 standard normal scores exceeds it once in 500 times


@dataclass(frozen=True)
class Case:
    probs: tuple[float, ...]
    config: PhaseConfig
    update: UpdateRule = PLAIN
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
        cases.append(replace(case, update=UpdateRule(epochs=int(rng.integers(1, 3)), split=bool(rng.integers(2)))))
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
        update = UpdateRule(
            optimizer=kind,
            max_grad_norm=None if rng.integers(2) else float(rng.uniform(0.02, 0.3)),
            epochs=int(rng.integers(1, 3)),
            split=bool(rng.integers(2)),
            whiten=bool(rng.integers(2)),
            kl_coefficient=0.0 if rng.integers(2) else float(rng.uniform(0.05, 0.5)),
        )
        rate = case.config.learning_rate * (0.2 if isinstance(kind, Adam) else 0.5)
        config = replace(case.config, learning_rate=rate)
        cases.append(replace(case, config=config, update=update, phases=int(rng.integers(1, 3))))
    return cases


def entry(value, name: str) -> float:
    return float(np.asarray(value)[QUANTITIES[name]])


Scored = Mapping[str, tuple[float, float, float]]


def scored(case: Case, exact: Scored, seed: int) -> dict[str, float]:
    """By quantity, the z-score of one run; what has no spread is left out."""
    samples = case.config.group_size * case.config.groups_per_minibatch * case.phases
    method = MonteCarlo(replicates=REPLICATES, seed=seed)
    found, scores = law(case.probs, case.config, case.phases, method=method, update=case.update), {}
    for name, (other, spread, replicates) in exact.items():
        estimate = getattr(found, name)
        stderr = float(np.hypot(entry(estimate.stderr, name), spread))
        rare = "fraction" in name and other * samples * min(replicates, REPLICATES) < LEAST_CLIPPED
        if stderr > 1e-12 and not rare:
            scores[name] = (entry(estimate.value, name) - other) / stderr
    return scores


def z_scores(cases: Sequence[Case], expected: Sequence[Scored], seeds: int) -> dict[str, np.ndarray]:
    """By quantity, one score a case and seed."""
    runs = [
        scored(case, exact, seed * CASES + i)
        for i, (case, exact) in enumerate(zip(cases, expected, strict=True))
        for seed in range(seeds)
    ]
    return {name: np.array([run[name] for run in runs if name in run]) for name in QUANTITIES}


def enumerated(case: Case) -> dict[str, tuple[float, float, float]]:
    return referee(law(case.probs, case.config, method=Enumeration(), update=case.update), np.inf)


def closed_form(case: Case) -> dict[str, tuple[float, float, float]]:
    return referee(law(case.probs, case.config), np.inf)


def by_autograd(case: Case) -> dict[str, tuple[float, float, float]]:
    method = Autograd(replicates=2000, seed=77)
    return referee(law(case.probs, case.config, case.phases, method=method, update=case.update), 2000)


def referee(found: Law, replicates: float) -> dict[str, tuple[float, float, float]]:
    """By quantity: its value, the standard error of it, and from how many replicates."""
    estimates = {name: getattr(found, name) for name in QUANTITIES}
    return {name: (entry(e.value, name), entry(e.stderr, name), replicates) for name, e in estimates.items()}


# Referees, and the seeds at which each case is scored: one where the referee's own error is the larger part.
KINDS = {enumerated: (enumerable, 4), closed_form: (two_outcomes, 4), by_autograd: (trained, 1)}


@pytest.fixture(scope="module")
def referees():
    return {judge: (cases(), list(map(judge, cases()))) for judge, (cases, _) in KINDS.items()}


def is_standard_normal(scores: np.ndarray) -> bool:
    """At most once in 1,000 times false by chance, of which more than half by the law as a whole."""
    size = len(scores)
    return bool(
        kstest(scores, "norm").pvalue > 1e-3
        and abs(scores.mean()) < 4 / np.sqrt(size)
        and abs(scores.var() - 1) < 4 * np.sqrt(2 / size)
        and abs(scores).max() < MOST
    )


@pytest.fixture(scope="module", params=["fastest", "general"])
def scores(referees, request) -> dict[str, dict[str, np.ndarray]]:
    """By referee and quantity; general: two outcomes by the loop for K."""
    with pytest.MonkeyPatch.context() as patch:
        judges = dict(KINDS)
        if request.param == "general":
            patch.setattr(tabular, "covers", lambda *_: False)
            judges = {closed_form: KINDS[closed_form]}
        return {judge.__name__: z_scores(*referees[judge], seeds) for judge, (_, seeds) in judges.items()}


@pytest.mark.parametrize("name", QUANTITIES)
def test_scores_are_standard_normal(scores, name):
    """Of every kind by itself, where a kind's errors would be lost among the others', and of all together."""
    kinds = {judge: found[name] for judge, found in scores.items()}
    for judge, found in (kinds | {"all": np.concatenate(list(kinds.values()))}).items():
        assert len(found) >= CASES * (0.2 if "fraction" in name else 0.95), judge
        assert is_standard_normal(found), judge


@pytest.mark.parametrize("name", [name for name in QUANTITIES if "fraction" not in name])
def test_understated_errors_and_biases_are_seen(scores, name):
    """Negative controls: errors given as 0.8 of what they are, and a bias of a third of them."""
    for judge in scores.keys() - {by_autograd.__name__}:
        found = scores[judge][name]
        assert not is_standard_normal(found / 0.8)
        assert not is_standard_normal(found + 1 / 3)


@pytest.mark.parametrize(
    ("field", "wrong"),
    [("epochs", 1), ("whiten", False), ("kl_coefficient", 0.0), ("max_grad_norm", None), ("optimizer", Sgd())],
)
def test_an_option_left_out_is_seen(referees, field, wrong):
    """Negative controls: in one case at least, by far more than the largest score of any run without a fault."""

    def seen(i: int, case: Case, exact: Scored) -> bool:
        wronged = replace(case, update=replace(case.update, **{field: wrong}))
        return wronged != case and abs(scored(wronged, exact, i).get("log_odds_std", 0.0)) > 1.3 * MOST

    assert any(seen(i, case, exact) for i, (case, exact) in enumerate(zip(*referees[by_autograd], strict=True)))
