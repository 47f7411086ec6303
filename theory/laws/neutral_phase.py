"""T6 for a whole phase: the ε_h at which the full calculation (T4) does not drift, or adds no entropy.

The prior need not be small here and nothing is assumed of the ratio's law, which is what clipping leaves of it. The
rule that it is compared with is `formulas.neutral`.
"""

import math
from dataclasses import replace
from itertools import pairwise
from typing import Literal

import numpy as np
from scipy.optimize import brentq

from clipbias.common.errors import InputError, check
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip

from .lattice import StepLaw
from .phase import phase

_LOST_IN_ROUNDING = 1e-10


def neutral_clip_high_of_phase(
    prob: float, config: PhaseConfig, of: Literal["drift", "entropy"] = "drift", method: StepLaw = "exact"
) -> float:
    """The ε_h at which one phase of the full calculation (T4) is neutral, at config's ε_l; config's ε_h is not used.

    "drift": the expected log-odds do not move (the question of T6 without its assumptions: the prior need not be
    small, the law of R is what clipping leaves of it). "entropy": E[ΔH] is that of the same phase without a clip. The
    excess need not be monotone (bounds of a few hundredths may turn its sign once more): the largest root in
    [0.001, 10] is returned, found downward in steps of a factor 1.5 and then to 1e-4. InputError where there is none
    (p = ½ has no drift at any bounds) or the phase does not reach ε_l.
    """
    clip = config.surrogate
    if not isinstance(clip, PpoClip) or clip.low is None:
        raise InputError("clip_low", "a number", "none")
    check(clip.dual is None, "dual", "none where clip_high is sought", clip.dual)
    low = clip.low

    def excess(log_high: float) -> float:
        trial = replace(config, surrogate=PpoClip(low, math.exp(log_high)))
        result = phase(prob, trial, method)
        return result.log_odds_shift if of == "drift" else result.entropy_shift - free.entropy_shift

    free = phase(prob, replace(config, surrogate=UNCLIPPED), method)
    tried = np.linspace(math.log(10.0), math.log(1e-3), 24).tolist()
    above = excess(tried[0])
    if abs(above) > _LOST_IN_ROUNDING * free.log_odds_std:
        for upper, lower in pairwise(tried):
            below = excess(lower)
            if above * below < 0:
                return math.exp(float(brentq(excess, lower, upper, xtol=1e-4)))
            above = below
    raise InputError("clip_low", f"a neutral clip_high in [0.001, 10] here, and {low} has none", verb="have")
