"""The same view from what verl logs, as far as that goes: a step's numbers are pooled over sides and mini-batches."""

import math
from collections.abc import Mapping, Sequence

import numpy as np

from clipbias.common.errors import check

from .view import Fractions, View
from .watch import Quantity, Watch

CLIPPED, KL, ENTROPY = "actor/pg_clipfrac", "actor/ppo_kl", "actor/entropy"


def read_verl(series: Mapping[str, Sequence[float]], *, false_alarms: float = 0.01) -> list[View]:
    """One view a logged step (a phase), from `actor/pg_clipfrac`, `actor/ppo_kl`, `actor/entropy`; each may be missing.

    clipped "both": verl's share of clipped tokens, of both sides and all mini-batches, the first among them, where
    nothing is clipped; it counts so in loss_mode vanilla only. stride: √(4·ppo_kl/π), the mean |log R| of all
    mini-batches if log R is normal, since ppo_kl is the mean of −log R; left out where that is not positive. Nothing
    predicts the clip, and no push is logged. Stride and entropy change are held to their own past.

    Raises: InputError where series differ in length.
    """
    known = {name: np.asarray(series[name], dtype=np.float64) for name in (CLIPPED, KL, ENTROPY) if name in series}
    check(bool(known), "series", f"some of {CLIPPED}, {KL}, {ENTROPY}", ", ".join(series) or "none")
    lengths = {len(values) for values in known.values()}
    check(len(lengths) == 1, "series", "of one length", ", ".join(map(str, sorted(lengths))))
    count = lengths.pop()
    watch = Watch(max(count, 1), false_alarms)
    views = []
    for i in range(count):
        clipped, kl, entropy = (float(known[name][i]) if name in known else math.nan for name in (CLIPPED, KL, ENTROPY))
        change = entropy - float(known[ENTROPY][i - 1]) if i and ENTROPY in known else math.nan
        looks: list[tuple[Quantity, float, float]] = []
        stride = math.sqrt(4 * kl / math.pi) if kl > 0 else None
        if stride is not None:
            looks.append(("stride", stride, 1.0))
        if math.isfinite(change):
            looks.append(("entropy", change, 0.0))
        found = {quantity: watch.look(i + 1, quantity, *values) for quantity, *values in looks}
        views.append(
            View(
                step=i + 1,
                stride=stride,
                clipped={"both": Fractions(measured=clipped)} if math.isfinite(clipped) else {},
                entropy=entropy if math.isfinite(entropy) else None,
                entropy_change=change if math.isfinite(change) else None,
                bands={quantity: look.band for quantity, look in found.items()},
                alerts=tuple(look.alert for look in found.values() if look.alert is not None),
            )
        )
    return views
