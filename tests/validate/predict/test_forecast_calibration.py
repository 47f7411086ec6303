"""Simulation-based calibration: worlds in which the tangent model is the truth, surveyed, forecast, and trained.

A world's problems are drawn from one law. Each can be answered by either of two strategies, right or wrong, boxed or
not; logits are linear in parameters that all problems share and in random features by which each problem learns for
itself. A survey sees a few problems and a few answers of each; runs train on many others, and are read on many others.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from itertools import product

import numpy as np
import pytest
import torch

from clipbias.simulate.tangent.engine import Training, simulate_tangent
from clipbias.simulate.tangent.reading import Observable, Reader
from clipbias.simulate.tangent.tree import Tree
from clipbias.theory.surrogate import PpoClip
from clipbias.theory.update_rule import Adam, UpdateRule
from clipbias.validate.judge.rivals import Law, outlook_law
from clipbias.validate.judge.skill import Calibration, Case, calibration
from clipbias.validate.predict.folds import SurveyReward
from clipbias.validate.predict.forecast import forecast

pytestmark = pytest.mark.statistical

OWN = 48  # random features of a problem
LOUD = 0.3, 1.0  # how strong they are
KINDS = 7  # what a node decides: the strategy; right or not, with each; boxed or not, with each and right or not
ANSWERS = list(product((0, 1), repeat=3))  # strategy, right, boxed
SURVEYED, SAMPLES, RUN_ON, PHASES, WORLDS, SEEDS = 24, 12, 64, 4, 24, 12
TRAINING = Training(
    groups=4,
    group_size=8,
    minibatches=2,
    learning_rate=0.05,
    surrogate=PpoClip(0.2, 0.2),
    update=UpdateRule(optimizer=Adam(), split=True),
)


@dataclass(frozen=True, slots=True)
class Answers:
    """A tree and what its answers are, [N] each."""

    tree: Tree
    strategy: torch.Tensor
    right: torch.Tensor
    boxed: torch.Tensor

    def observables(self) -> list[Observable]:
        ones = torch.ones_like(self.strategy)
        return [
            Observable("share", self.strategy, ones),
            Observable("right with", self.right, self.strategy),
            Observable("right without", self.right, 1 - self.strategy),
            Observable("boxed", self.boxed, ones),
        ]


class World:
    """Mean logits and how much problems differ are the world's own."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng([seed, 17])
        self.mean, self.spread = self.rng.normal(0.0, 0.7, KINDS), self.rng.uniform(0.2, 1.0, KINDS)
        self.loud = self.rng.uniform(*LOUD)  # of a problem's own features

    def answers(self, problems: int, samples: int | None) -> Answers:
        """All answers of some problems with their chances, or those that `samples` draws of each saw."""
        rows: dict[str, list] = {name: [] for name in ("gradients", "log_prob", "node", "edge_problem")}
        found: dict[str, list] = {name: [] for name in ("problem", "count", "path", "kind")}
        for problem in range(problems):
            logit = self.mean + self.spread * self.rng.standard_normal(KINDS)
            own = self.loud * self.rng.standard_normal((KINDS, OWN)) / np.sqrt(OWN)
            up = 1 / (1 + np.exp(-logit))

            def chance(node: int, taken: int, up: np.ndarray = up) -> float:
                return float(up[node] if taken else 1 - up[node])

            steps = {
                answer: [(0, answer[0]), (1 + answer[0], answer[1]), (3 + 2 * answer[0] + answer[1], answer[2])]
                for answer in ANSWERS
            }
            law = np.array([np.prod([chance(*step) for step in steps[answer]]) for answer in ANSWERS])
            counts = law * 100 if samples is None else self.rng.multinomial(samples, law)
            places: dict[tuple[int, int], int] = {}
            for answer, count in zip(ANSWERS, counts, strict=True):
                if not count:
                    continue
                for step in steps[answer]:
                    if step not in places:
                        node, taken = step
                        places[step] = len(rows["log_prob"])
                        direction = np.concatenate([np.eye(KINDS)[node], own[node]])
                        rows["gradients"].append((taken - up[node]) * direction)
                        rows["log_prob"].append(np.log(chance(*step)))
                        rows["node"].append(problem * KINDS + node)
                        rows["edge_problem"].append(problem)
                found["problem"].append(problem)
                found["count"].append(count)
                found["path"].append([places[step] for step in steps[answer]])
                found["kind"].append(answer)
        tree = Tree(
            gradients=torch.tensor(np.array(rows["gradients"]), dtype=torch.float32),
            scale=torch.ones(KINDS + OWN),
            log_prob=torch.tensor(rows["log_prob"], dtype=torch.float32),
            length=torch.ones(len(rows["node"])),
            node=torch.tensor(rows["node"]),
            edge_problem=torch.tensor(rows["edge_problem"]),
            problem=torch.tensor(found["problem"]),
            count=torch.tensor(np.array(found["count"]), dtype=torch.float32),
            tokens=torch.full((len(found["problem"]),), 3),
            path=torch.tensor(found["path"]),
        )
        return Answers(tree, *torch.tensor(found["kind"], dtype=torch.float32).T)


REWARDS: dict[str, Callable[[Answers], torch.Tensor]] = {
    "truth": lambda answers: answers.right,
    "box": lambda answers: answers.boxed,
    "wrong": lambda answers: 1 - answers.right,
}


@dataclass(frozen=True, slots=True)
class Trial:
    """A world's forecast and what its runs did; read_where_moved: the forecast as it would be if the answers that gave
    the gradients were read as well."""

    cases: list[Case]
    read_where_moved: list[Case]


def trial(seed: int) -> Trial:
    world = World(seed)
    survey, run, read = (world.answers(*size) for size in ((SURVEYED, SAMPLES), (RUN_ON, None), (RUN_ON, None)))
    name = list(REWARDS)[seed % len(REWARDS)]
    paid, seen = REWARDS[name], survey.observables()
    told = forecast(
        survey.tree, seen, SurveyReward(paid=paid(survey).numpy()), TRAINING, phases=PHASES, seeds=SEEDS, seed=seed
    )
    own = simulate_tangent(survey.tree, paid(survey), Reader(survey.tree, seen), TRAINING, PHASES, SEEDS, seed)
    reader = Reader(read.tree, read.observables())
    measured = simulate_tangent(run.tree, paid(run), reader, TRAINING, PHASES, SEEDS, 1000 + seed).readings.values
    found: tuple[list[Case], list[Case]] = [], []
    for i, observable in enumerate(seen):
        if observable.name not in told.observables:
            continue
        values, outlook = measured[..., i].double().numpy(), told.observables[observable.name]
        moved = own.readings.values[..., i].double().numpy()
        change = (moved - moved[:, :1]).mean(0)
        start = float(values[0, 0])
        laws = outlook_law(outlook).starting(start), Law.normal(start + change, np.hypot(outlook.std, outlook.stderr))
        for cases, law in zip(found, laws, strict=True):
            cases.append(
                Case(organism=f"world {seed}", arm=name, observable=observable.name, looks=True, measured=values,
                     forecast=law, rivals={})
            )  # fmt: skip
    return Trial(*found)


@cache
def trials() -> tuple[Trial, ...]:
    return tuple(trial(seed) for seed in range(WORLDS))


def calibrated(cases: list[Case]) -> Calibration:
    found = calibration(cases, 0)
    assert found is not None
    return found


def slope(cases: list[Case]) -> float:
    """Of measured mean changes on those that were forecast."""
    claimed = np.array([case.forecast.mean[-1] - case.forecast.mean[0] for case in cases])
    found = np.array([(case.measured[:, -1] - case.measured[:, 0]).mean() for case in cases])
    return float(claimed @ found / (claimed @ claimed))


def test_measured_ends_lie_in_the_forecast_laws_as_they_should() -> None:
    """24 worlds, 12 runs of each, up to four observables: the place of an end in its law is uniform within the errors
    of worlds, the bands hold nine in ten, the spread is right to a seventh, and the mean change has no bias."""
    cases = [case for one in trials() for case in one.cases]
    found = calibrated(cases)
    assert found.cases > 80
    assert found.inside.low - 0.02 < 0.9 < found.inside.high + 0.02
    assert sum(part.low <= 0.1 <= part.high for part in found.pit) >= 7
    assert max(abs(part.value - 0.1) for part in found.pit) < 0.06
    assert 0.85 < found.spread_skill.value < 1.2
    assert slope(cases) == pytest.approx(1.0, abs=0.1)


def test_bands_that_are_half_as_wide_are_found_out() -> None:
    cases = [case for one in trials() for case in one.cases]
    narrow = calibrated(
        [replace(case, forecast=Law.normal(case.forecast.mean, case.forecast.std / 2)) for case in cases]
    )
    assert narrow.inside.high < 0.75
    assert narrow.spread_skill.high < 0.75
    assert narrow.pit[0].low > 0.1 < narrow.pit[-1].low


def test_reading_the_answers_that_gave_the_gradient_is_found_out() -> None:
    """An answer's own gradient raises that answer first of all: changes come out too large."""
    honest = slope([case for one in trials() for case in one.cases])
    moved = slope([case for one in trials() for case in one.read_where_moved])
    assert moved < 0.92
    assert moved < honest - 0.05
