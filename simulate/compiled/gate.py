"""The gates of `theory.surrogate` for compiled loops: the same slopes, one ratio at a time."""

import math
from typing import NamedTuple

from clipbias.common.errors import InputError
from clipbias.theory.surrogate import Cispo, Dppo, Gspo, PpoClip, Probability, Sapo, Surrogate

from .stream import compiled

PPO, CISPO, SAPO, DPPO, GSPO, PROBABILITY = range(6)


class Gate(NamedTuple):
    """kind, and that surrogate's parameters in the order that `gate_of` gives them."""

    kind: int
    first: float
    second: float
    third: float


def gate_of(surrogate: Surrogate) -> Gate:
    """Of floats alone: a whole number would have the loops compiled once more."""
    match surrogate:
        case PpoClip(dual=dual):
            return Gate(PPO, surrogate.lower_bound, surrogate.upper_bound, math.inf if dual is None else float(dual))
        case Cispo(cap):
            return Gate(CISPO, float(cap), 0.0, 0.0)
        case Sapo(plus, minus):
            return Gate(SAPO, float(plus), float(minus), 0.0)
        case Dppo(low, high):
            return Gate(DPPO, math.inf if low is None else float(low), math.inf if high is None else float(high), 0.0)
        case Gspo(low, high, length):
            clip = PpoClip(low, high)
            return Gate(GSPO, clip.lower_bound, clip.upper_bound, float(length))
        case Probability():
            return Gate(PROBABILITY, 0.0, 0.0, 0.0)
    raise InputError("surrogate", "one of theory.surrogate", surrogate)


@compiled
def slopes(gate: Gate, ratio: float, old_prob: float) -> tuple[float, float]:
    """(f₊′, f₋′) at one ratio; formulas and sources in `theory.surrogate`."""
    if gate.kind == PPO:
        return (
            1.0 if ratio <= gate.second else 0.0,
            1.0 if gate.first <= ratio <= gate.third else 0.0,
        )
    if gate.kind == CISPO:
        slope = gate.first / max(ratio, gate.first)
        return slope, slope
    if gate.kind == SAPO:
        return bump(gate.first * (ratio - 1.0)), bump(gate.second * (ratio - 1.0))
    if gate.kind == DPPO:
        moved = (ratio - 1.0) * old_prob
        return (1.0 if moved <= gate.second else 0.0, 1.0 if moved >= -gate.first else 0.0)
    if gate.kind == GSPO:
        per_token = ratio ** (1.0 / gate.third)
        weight = per_token / (gate.third * max(ratio, 2.2250738585072014e-308))
        return (
            weight if per_token <= gate.second else 0.0,
            weight if per_token >= gate.first else 0.0,
        )
    return old_prob, old_prob


@compiled
def bump(u: float) -> float:
    """4σ(u)(1 − σ(u))."""
    tail = math.exp(-abs(u))
    return 4.0 * tail / ((1.0 + tail) * (1.0 + tail))
