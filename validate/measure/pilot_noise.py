"""How far an unclipped phase moves the log-odds: the one number of the prediction that is measured beforehand."""

import math
from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.theory.formulas.momentum import (
    effective_share,
    loudness,
    phase_correlation,
    summed_noise,
    summed_noise_from_rest,
)

from .start import counting_variance


@dataclass(frozen=True, slots=True)
class PilotNoise:
    """What the unclipped pilot measured. value: standard deviation of the log-odds' change over one phase, long after
    the optimizer's start, with its relative error; mean ± mean_stderr of the change, which the theory says is 0;
    autocorrelation of neighbouring phases and what momentum predicts for it; stderr: of the value; noise_floor: the
    largest |log ratio| in first mini-batches, where it should be 0."""

    value: float
    relative_stderr: float
    mean: float
    mean_stderr: float
    autocorrelation: float
    stderr: float
    seeds: int
    autocorrelation_predicted: float
    noise_floor: float


def pilot_noise(
    log_odds: Array,
    momentum: float,
    minibatches: int,
    burn_in: int,
    samples: int | None = None,
    noise_floor: float = 0.0,
    corrected: bool = True,
) -> PilotNoise:
    """log_odds [seeds, phases + 1] of the pilot after `burn_in` phases; `samples`: answers behind each (None: exact);
    corrected: whether momentum starts as Adam's does (`momentum.summed_noise_from_rest`).

    Adam is louder after its start from rest: the change over phase t has L_t·s² (`momentum.loudness`), so
    that changes are divided by √L_t. Their variance v has the standard error v√(2/ν), ν = (seeds·phases − 1)·
    `effective_share` since momentum makes neighbouring phases correlate. Counting adds twice its variance c to a
    change: s² = v − 2c·mean(1/L_t), but never less than the standard error: what the pilot cannot resolve is taken to
    be as large as what could hide in it. The error of the mean change is that of the sum over all phases, S₀.
    """
    seeds, phases = log_odds.shape[0], log_odds.shape[1] - 1
    loud = np.array([loudness(momentum, minibatches, burn_in + t, corrected=corrected) for t in range(1, phases + 1)])
    change = np.diff(log_odds, axis=1)
    noise = change / np.sqrt(loud)
    total = float(noise.var(ddof=1))
    check(total > 0, "pilot", "runs in which the share of the strategy moves", "the same share in every reading")
    stderr = total * math.sqrt(2.0 / ((noise.size - 1) * effective_share(momentum, minibatches)))
    counted = 2.0 * float(counting_variance(log_odds, samples).mean())
    variance = max(total - counted * float((1 / loud).mean()), stderr)
    centred = noise - noise.mean()
    lagged = float((centred[:, 1:] * centred[:, :-1]).mean() / (centred**2).mean()) if phases > 1 else 0.0
    last, first = minibatches * (burn_in + phases), minibatches * burn_in
    summed = summed_noise_from_rest(momentum, last, first, corrected=corrected)
    whole = variance * summed / summed_noise(momentum, minibatches) + counted
    value, relative_stderr = math.sqrt(variance), 0.5 * stderr / variance
    return PilotNoise(
        value=value,
        relative_stderr=relative_stderr,
        mean=float(change.mean()),
        mean_stderr=math.sqrt(whole / seeds) / phases,
        autocorrelation=lagged,
        stderr=value * relative_stderr,
        seeds=seeds,
        autocorrelation_predicted=phase_correlation(momentum, minibatches),
        noise_floor=noise_floor,
    )
