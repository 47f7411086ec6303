"""What a foretold mean change is made of: noise, selection and clip, which add up to it.

The same survey is trained on three times: paid by a coin without a clip, by the reward without a clip, and as it is.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from clipbias.common.arrays import Array
from clipbias.simulate.tangent.engine import Training
from clipbias.simulate.tangent.reading import Observable
from clipbias.simulate.tangent.tree import Tree
from clipbias.theory.surrogate import UNCLIPPED

from .folds import SurveyReward, read_values, readable, survey_stderr, trained_folds


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a mean change, and its error by the survey's finite size and the finite number of simulated seeds."""

    value: float
    stderr: float


@dataclass(frozen=True, slots=True)
class Causes:
    """Of one observable's mean change Δ after the last phase, in its own unit; the values add up to E[Δ].

    noise: E[Δ | coin, no clip], the coin paying as often as the reward does: steps that nothing chose, and what the
    curvature of the model makes of them. selection: E[Δ | reward, no clip] − noise, what looking adds. clip:
    E[Δ | reward] − E[Δ | reward, no clip], what the surrogate adds to both.
    """

    noise: Part
    selection: Part
    clip: Part


def causes(
    tree: Tree,
    observables: Sequence[Observable],
    reward: SurveyReward,
    training: Training,
    *,
    phases: int,
    seeds: int,
    seed: int,
) -> dict[str, Causes]:
    """By observable, of those that the survey can read. seeds: of each of the three trainings."""
    read = readable(tree, observables)
    free = replace(training, surrogate=UNCLIPPED)

    def changes(paid: SurveyReward, setup: Training) -> Array:
        values = read_values(trained_folds(tree, read, paid, setup, phases, seeds, seed))
        return np.asarray((values[:, :, -1] - values[:, :, 0]).mean(1))  # [folds, observables]

    whole = changes(reward, training)
    unclipped = whole if training == free else changes(reward, free)
    blind = unclipped if isinstance(reward.paid, float) else changes(replace(reward, paid=_chance(tree, reward)), free)
    parts = [blind, unclipped - blind, whole - unclipped]
    return {
        observable.name: Causes(*(Part(float(part[:, i].mean()), float(survey_stderr(part)[i])) for part in parts))
        for i, observable in enumerate(read)
    }


def _chance(tree: Tree, reward: SurveyReward) -> float:
    """How often the reward pays more than nothing, over the answers of the problems that the arm is trained on."""
    paid, count = np.asarray(reward.paid), tree.count.numpy().astype(np.float64)
    kept = np.ones(len(count)) if reward.problems is None else np.isin(tree.problem.numpy(), reward.problems)
    return float(((paid > 0) * count * kept).sum() / (count * kept).sum())
