"""A survey read in folds: each fold's problems are read in trainings that the problems of all others move, since an
answer's own gradient raises that answer first of all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.common.seeds import seed_of
from clipbias.simulate.tangent.engine import TangentRun, Training, simulate_tangent
from clipbias.simulate.tangent.reading import Observable, Reader
from clipbias.simulate.tangent.tree import Tree

FOLDS = 6
MOVED_AND_READ = 2.0  # parts of the survey's error, taken to be as large as each other (see `survey_stderr`)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SurveyReward:
    """paid [N]: what the survey's answers earn, or the chance that a coin pays. problems: those that the arm is trained
    on (None: all). population: how many problems the run is trained on, of which the survey's are a sample (None: so
    many that none comes twice)."""

    paid: Array | float
    problems: tuple[int, ...] | None = None
    population: int | None = None


def readable(tree: Tree, observables: Sequence[Observable]) -> list[Observable]:
    """Those of which every fold can say something."""
    check(tree.problems >= 2 * FOLDS, "prompts", f"at least {2 * FOLDS}", tree.problems)
    return [seen for seen in observables if _varies(tree, seen)]


def trained_folds(
    tree: Tree,
    observables: Sequence[Observable],
    reward: SurveyReward,
    training: Training,
    phases: int,
    seeds: int,
    seed: int,
) -> list[TangentRun]:
    """The trainings of each fold, as many seeds in all as asked for or a few more. Equal seeds draw alike, so that two
    rewards or two set-ups can be compared draw by draw."""
    check(seeds >= 2 * FOLDS, "seeds", f"at least {2 * FOLDS}", seeds)
    each = -(-seeds // FOLDS)
    return [_fold(tree, observables, reward, training, k, phases, each, seed_of(seed, k)) for k in range(FOLDS)]


def read_values(runs: Sequence[TangentRun]) -> Array:
    """[folds, R, T + 1, observables]."""
    return np.stack([run.readings.values.double().numpy() for run in runs])


def survey_stderr(fold_means: Array) -> Array:
    """Of their mean; fold_means [folds, …].

    They scatter by what is read, of which each fold has its own part, and hardly by what moves, which is nearly the
    same for all; the survey's error has both. With s² the variance of K fold means, s²/K is that of the reading alone,
    so twice that is taken, as if both were equally large; simulation-based calibration (tests/validate/predict) says
    how good that is.
    """
    return np.asarray(np.sqrt(MOVED_AND_READ * fold_means.var(0, ddof=1) / len(fold_means)))


def _varies(tree: Tree, seen: Observable) -> bool:
    """Whether it holds of some answers in every fold and not of others, as its log-odds needs."""
    if not seen.log_odds:
        return True
    fold = tree.problem % FOLDS
    kinds = [len(seen.of[(fold == k) & (seen.given > 0)].unique()) for k in range(FOLDS)]
    return min(kinds) > 1


def _fold(
    tree: Tree,
    observables: Sequence[Observable],
    reward: SurveyReward,
    training: Training,
    fold: int,
    phases: int,
    seeds: int,
    seed: int,
) -> TangentRun:
    """Trainings that are read inside a fold.

    In the run a problem that is read is also trained on, once in `population`/groups phases: so often do the fold's own
    move here, and the others stand for all the rest. With no population known, the fold's own do not move at all.
    """
    problem = torch.arange(tree.problems)
    read = problem % FOLDS == fold
    allowed = torch.ones_like(read)
    if reward.problems is not None:
        allowed = torch.isin(problem, torch.tensor(reward.problems))
    weights = torch.where(read, 0.0 if reward.population is None else 1.0 / reward.population, 0.0)
    others = allowed & ~read
    weights[others] = (1.0 - weights[allowed].sum()) / others.sum()
    if not others.any():  # an arm on one problem: all others are read
        weights, read = torch.ones(len(problem)), read & ~allowed
    move = allowed & (weights > 0)
    moving = tree.only(move.nonzero().flatten())
    taken, kept = move[tree.problem], read[tree.problem]
    paid = reward.paid if isinstance(reward.paid, float) else torch.as_tensor(reward.paid, dtype=torch.float32)[taken]
    seen = [Observable(o.name, o.of[kept], o.given[kept], o.log_odds) for o in observables]
    reader = Reader(tree.only(read.nonzero().flatten()), seen)
    return simulate_tangent(moving, paid, reader, training, phases, seeds, seed, weights[move])
