"""The surrogates and optimizers that a recipe can name: those that both the theory and TRL (with torch) know.

`surrogate = "sapo:plus=1.0,minus=1.05"` and `optimizer = "adam:beta2=0.95,weight_decay=0.1"` are in the notation of
`theory.notation`.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from clipbias.common.errors import InputError, check
from clipbias.theory.notation import from_text
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import SURROGATES, Gspo, PpoClip, Surrogate
from clipbias.theory.update_rule import OPTIMIZERS, Adam, Sgd

TRAINED = ("ppo", "cispo", "sapo", "gspo")  # dppo and probability are nobody's in TRL


def read_gate(text: str, field: str) -> Surrogate:
    """A surrogate; `field` names it in a complaint.

    TRL's dual clip is a bound on the ratio before the smaller of two products is taken, so that without an upper bound
    beside it the other product still has its gradient: refused, since it would do nothing.
    """
    gate: Surrogate = _read(text, field, {name: SURROGATES[name] for name in TRAINED})
    if isinstance(gate, PpoClip) and gate.dual is not None:
        check(gate.high is not None, field, "one with a bound high beside dual, without which TRL's does nothing", text)
    return gate


def read_optimizer(text: str, field: str) -> Sgd | Adam:
    found: Sgd | Adam = _read(text, field, OPTIMIZERS)
    return found


def _read(text: str, field: str, kinds: Mapping[str, Any]) -> Any:
    try:
        return from_text(text, kinds)
    except ValueError as error:
        raise InputError(field, f"one of {', '.join(kinds)} with its numbers, not {text!r}: {error}") from None


def momentum_of(optimizer: Sgd | Adam) -> float:
    """β: how much of an update the next one keeps."""
    return optimizer.beta1 if isinstance(optimizer, Adam) else optimizer.momentum


def without_momentum(optimizer: Sgd | Adam) -> Sgd | Adam:
    return replace(optimizer, beta1=0.0) if isinstance(optimizer, Adam) else Sgd()


def per_answer(gate: Surrogate) -> bool:
    """Whether all tokens of an answer share one ratio, the geometric mean of theirs (TRL's sequence level)."""
    return isinstance(gate, Gspo)


def token_gate(gate: Surrogate) -> Surrogate:
    """The gate in the ratio that TRL gives to it: of a token, or of an answer where all its tokens share one."""
    return PpoClip(gate.low, gate.high) if isinstance(gate, Gspo) else gate


def as_trained(config: PhaseConfig) -> PhaseConfig:
    """The set-up with its learning rate over f′(1), the slope with which every phase starts. TRL's gradient there is
    that of no clip at all, whatever the gate: Gspo's 1/L is made up for by the L tokens that its ratio counts for."""
    first = float(config.surrogate.slopes(np.ones(1), np.ones(1))[0][0])
    return replace(config, learning_rate=config.learning_rate / first)
