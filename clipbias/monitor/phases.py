"""From one phase's sums to what is shown of it, with what the phases before say of it."""

from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.theory.surrogate import PpoClip, Surrogate
from clipbias.validate.predict.sums import Sums
from clipbias.validate.recipe.gate import token_gate

from .expectation import FIRST, Expected, Steps, expected
from .response import Response
from .view import Fractions, View
from .watch import Quantity, Watch

KEPT = 0.9  # of the law of mini-batch 2, from phase to phase: it is that of the last ten or so
SIDES: dict[str, Quantity] = {"low": "clip low", "high": "clip high"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One phase: mean entropy [nats a token]; the force on it, in learning rates; the part that the clip makes."""

    entropy: float
    force: float
    by_clip: float


def moved(sums: Sums, steps: Steps) -> Moved:
    """Forces are means over a mini-batch's tokens, summed over steps with their learning rates."""
    rates = np.asarray(steps.rates)[: len(sums.tokens)]
    tokens = np.maximum(sums.tokens.sum(axis=1), 1.0)[: len(rates)]
    free, taken = (float((part.sum(axis=1)[: len(rates)] / tokens) @ rates) for part in (sums.free, sums.taken))
    entropy = float(sums.entropy.sum() / max(sums.tokens.sum(), 1.0))
    return Moved(entropy=entropy, force=free + taken, by_clip=taken)


class Phases:
    """fresh: mini-batches of samples that no step was taken on before. phases, false_alarms: as `Watch`."""

    def __init__(self, gate: Surrogate, fresh: int, phases: int, false_alarms: float) -> None:
        self._gate, self._fresh = gate, fresh
        self._watch, self._response = Watch(phases, false_alarms), Response()
        self._law: Array = np.zeros(1)
        self._before: Moved | None = None

    def view(self, step: int, sums: Sums, steps: Steps) -> View:
        """sums: of the phase that ends with this step."""
        tokens = sums.tokens.sum(axis=1)
        there = tokens > 0  # where rollouts share a step, a view may lack a mini-batch
        spread = np.sqrt(sums.square.sum(axis=1) / np.where(there, tokens, np.nan))
        growth = [steps.growth(m) for m in range(min(len(tokens), len(steps.rates)))]
        stride = self._stride(sums, np.array(growth))
        self._law = KEPT * self._law + sums.law
        told = growth[: self._fresh]
        promised = expected(sums, self._law, self._gate, told) if len(told) > FIRST and self._law.any() else None
        clipped = self._clipped(sums, promised)
        now, before = moved(sums, steps), self._before
        self._before = now
        change = predicted = by_clip = None
        leverage = 0.0
        if before is not None:
            force, slope = (now.force + before.force) / 2, self._response.slope
            change, predicted = now.entropy - before.entropy, slope * force
            by_clip = slope * (now.by_clip + before.by_clip) / 2
            leverage = self._response.leverage(force)
            self._response.add(force, change)
        asked: dict[Quantity, tuple[float | None, float | None, float]] = {
            "noise floor": (float(spread[0]) if spread[0] > 0 else None, 1.0, 0.0),
            "stride": (stride, 1.0, 0.0),
            **{SIDES[side]: (of.measured, of.predicted, 0.0) for side, of in clipped.items() if side in SIDES},
            "entropy": (change, predicted, leverage),
        }
        looks = {
            quantity: self._watch.look(step, quantity, measured, expectation, part)
            for quantity, (measured, expectation, part) in asked.items()
            if measured is not None and expectation is not None
        }
        first = slice(FIRST, self._fresh)
        weight = max(float(tokens[first].sum()), 1.0)
        return View(
            step=step,
            spread=spread,
            stride=stride,
            clipped=clipped,
            push=sums.push[first].sum(axis=0) / weight,
            push_predicted=None if promised is None else promised.push / weight,
            entropy=now.entropy,
            entropy_change=change,
            entropy_change_predicted=predicted,
            entropy_change_by_clip=by_clip,
            bands={quantity: look.band for quantity, look in looks.items()},
            alerts=tuple(look.alert for look in looks.values() if look.alert is not None),
        )

    @staticmethod
    def _stride(sums: Sums, growth: Array) -> float | None:
        """None where nothing has moved."""
        size, tokens = sums.size.sum(axis=1)[: len(growth)], sums.tokens.sum(axis=1)[: len(growth)]
        there = (tokens > 0) & (growth > 0)
        moved = float((size[there] / tokens[there]).sum())
        return moved / float(growth[there].sum()) if moved > 0 else None

    def _clipped(self, sums: Sums, promised: Expected | None) -> dict[str, Fractions]:
        """Of a gate that clips: by side, in mini-batches 3… of the first epoch, and of later epochs ("again")."""
        found: dict[str, Fractions] = {}
        tokens, again = sums.tokens.sum(axis=1), slice(self._fresh, None)
        first = slice(FIRST, self._fresh)
        for side in SIDES if isinstance(token_gate(self._gate), PpoClip) else ():
            counts = getattr(sums, side).sum(axis=1)
            if (count := tokens[first].sum()) > 0:
                predicted = None if promised is None else float(getattr(promised, side).sum() / count)
                found[side] = Fractions(measured=float(counts[first].sum() / count), predicted=predicted)
            if (count := tokens[again].sum()) > 0:
                found[f"{side}_again"] = Fractions(measured=float(counts[again].sum() / count))
        return found
