"""What a recipe maximises, in TRL's words; TRL itself is not loaded."""

from typing import TypedDict

from clipbias.common.errors import InputError
from clipbias.theory.surrogate import Cispo, Gspo, PpoClip, Sapo, Surrogate
from clipbias.validate.recipe.gate import per_answer

# TRL's own way of switching a side off: the bounds 1 − 1 = 0 and 1 + 1e6 are never crossed.
NO_LOW, NO_HIGH = 1.0, 1e6


class SurrogateOptions(TypedDict, total=False):
    """Options of GRPOConfig."""

    loss_type: str
    importance_sampling_level: str
    epsilon: float
    epsilon_high: float
    delta: float | None
    sapo_temperature_pos: float
    sapo_temperature_neg: float


def surrogate_options(gate: Surrogate) -> SurrogateOptions:
    """A surrogate in TRL's words.

    TRL's cap for cispo is epsilon_high, as an absolute bound on the ratio and not as one above 1. Its losses weigh
    tokens alike (bnpo; cispo, by the mean number of tokens of a mini-batch) but for sapo, which weighs answers alike.
    """
    match gate:
        case PpoClip() | Gspo():
            return {
                "loss_type": "bnpo",
                "importance_sampling_level": "sequence" if per_answer(gate) else "token",
                "epsilon": NO_LOW if gate.low is None else gate.low,
                "epsilon_high": NO_HIGH if gate.high is None else gate.high,
                "delta": gate.dual if isinstance(gate, PpoClip) else None,
            }
        case Cispo(cap):
            return {"loss_type": "cispo", "epsilon_high": cap}
        case Sapo(plus, minus):
            return {"loss_type": "sapo", "sapo_temperature_pos": plus, "sapo_temperature_neg": minus}
    raise InputError("surrogate", "one that TRL knows", type(gate).__name__)
