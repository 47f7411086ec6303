"""Where the log-odds will be after every phase: the toy's laws, with what momentum and counting add to them."""

import math
from functools import partial

import numpy as np
from scipy.special import entr, expit, ndtri

from clipbias.common.arrays import Array
from clipbias.theory.formulas.momentum import carried, lasting_persistence, persistence_from_rest
from clipbias.validate.measure.start import counting_variance

from .prediction import Band
from .toy import Toy, ToyLaw

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
_GRID = np.linspace(-16.0, 16.0, 3201)  # log-odds on which mixtures are formed


def _mixture(results: list[ToyLaw], weights: Array, phase: int) -> Array:
    """Distribution function on _GRID of the mixture of the laws after `phase` phases."""
    mixed = np.zeros_like(_GRID)
    for result, weight in zip(results, weights, strict=True):
        law = result.laws[phase]
        mixed += weight * np.interp(_GRID, law.grid, law.cumulative(), left=0.0, right=1.0)
    return mixed


def band(toy: Toy, results: list[ToyLaw], momentum: float, minibatches: int, *, corrected: bool = True) -> Band:
    """Quantiles, mean and standard deviation of the log-odds, and mean share and entropy, after 0…T phases.

    Momentum moves the log-odds of the toy's law after t phases as `momentum.carried` says; it is loudest at the start.

    momentum: 0 where the laws have it already; corrected: whether it starts as Adam's does.

    Counting adds its error to the spread, and to the quantiles twice, since the start x₀ was counted as well; that part
    all seeds share, so it is written apart, as start_stderr.
    """
    mean = toy.mixed([[law.mean for law in r.laws] for r in results])
    second = toy.mixed([[law.mean**2 + law.std**2 for law in r.laws] for r in results])
    std = np.sqrt(np.maximum(second - mean**2, 0.0))
    lasting = lasting_persistence(momentum, minibatches)
    shape = toy.phases + 1
    quantiles, means, stds = np.empty((shape, len(LEVELS))), np.empty(shape), np.empty(shape)
    share, entropy = np.empty(shape), np.empty(shape)
    for phase in range(shape):
        kappa = persistence_from_rest(momentum, minibatches, max(phase, 1), corrected=corrected)
        moved = partial(carried, start=toy.log_odds, mean=mean[phase], lasting=lasting, noise=kappa)
        centre = moved(mean[phase])
        points = np.full(len(LEVELS), toy.log_odds)
        if phase and std[phase] > 0:
            points = moved(np.interp(LEVELS, _mixture(results, toy.weights, phase), _GRID))
        counted = float(counting_variance(centre, toy.samples))
        middle = points[LEVELS.index(0.5)]
        points = middle + np.sign(ndtri(LEVELS)) * np.hypot(points - middle, ndtri(LEVELS) * math.sqrt(2 * counted))
        grids = [moved(r.laws[phase].grid) for r in results]
        pairs = list(zip(grids, results, strict=True))
        share[phase] = toy.mixed([r.laws[phase].mass @ expit(x) for x, r in pairs])
        entropy[phase] = toy.mixed([r.laws[phase].mass @ (entr(expit(x)) + entr(expit(-x))) for x, r in pairs])
        quantiles[phase] = points
        means[phase] = centre
        stds[phase] = math.hypot(kappa * std[phase], math.sqrt(counted))
    return Band(
        log_odds_quantiles=quantiles,
        log_odds_mean=means,
        log_odds_std=stds,
        start_stderr=math.sqrt(float(counting_variance(toy.log_odds, toy.samples))),
        share_mean=share,
        strategy_entropy_mean=entropy,
    )
