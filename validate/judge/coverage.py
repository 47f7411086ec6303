"""How the predictions did as a whole: bands, signs, and errors beside those of “nothing happens”."""

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from clipbias.validate.store.run_record import RunRecord

from .gains import Gain
from .scores import STILL
from .statistics import in_band

LEAST_CHANGE = 0.01  # of a share: the sign of a smaller one is not asked for
NESTED = ((0.25, 0.75), (0.05, 0.95))  # bounds of the bands of 50 % and 90 %


@dataclass(frozen=True, slots=True, kw_only=True)
class Coverage:
    """Over arms whose log-odds are predicted to move at all: arms, points (seed and phase), the share of points and of
    ends inside each band of NESTED; by_tenth: of the widest band, in each tenth of the training (None where no phase
    ends)."""

    arms: int
    points: int
    inside: tuple[float, ...]
    ends: int
    ends_inside: tuple[float, ...]
    by_tenth: tuple[float | None, ...]


def coverage(runs: list[RunRecord]) -> Coverage | None:
    """None where no arm is predicted to move."""
    inside: list[list[NDArray[np.bool_]]] = [[] for _ in NESTED]
    ends: list[list[NDArray[np.bool_]]] = [[] for _ in NESTED]
    tenths: list[list[NDArray[np.bool_]]] = [[] for _ in range(10)]
    arms = 0
    for run in runs:
        levels = run.prediction.levels
        for name, data in run.arms.items():
            claim = run.prediction.arms[name].band
            if claim.log_odds_std[-1] < STILL:
                continue
            arms += 1
            quantiles, found = claim.log_odds_quantiles, data.curves["log_odds"]
            for band, (low, high) in enumerate(NESTED):
                hit = in_band(found, quantiles[:, levels.index(low)], quantiles[:, levels.index(high)])[:, 1:]
                inside[band].append(hit.ravel())
                ends[band].append(hit[:, -1])
                if band == len(NESTED) - 1:
                    for phase in range(1, hit.shape[1] + 1):
                        tenths[math.ceil(10 * phase / hit.shape[1]) - 1].append(hit[:, phase - 1])
    if arms == 0:
        return None
    whole = [np.concatenate(hits) for hits in inside]
    last = [np.concatenate(hits) for hits in ends]
    return Coverage(
        arms=arms,
        points=whole[0].size,
        inside=tuple(float(hits.mean()) for hits in whole),
        ends=last[0].size,
        ends_inside=tuple(float(hits.mean()) for hits in last),
        by_tenth=tuple(float(np.concatenate(hits).mean()) if hits else None for hits in tenths),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Errors:
    """Over arms: root mean square of measured − predicted mean change of the share, and of the measured change itself
    (“nothing happens”); signs: of the arms whose predicted and measured change both exceed a point, how many agree;
    correlation: of predicted and measured changes."""

    arms: int
    prediction: float
    nothing: float
    signs: int
    signs_agree: int
    correlation: float


def errors(found: list[Gain]) -> Errors:
    predicted = np.array([gain.share_predicted for gain in found])
    measured = np.array([gain.share.mean for gain in found])
    clear = (np.abs(predicted) > LEAST_CHANGE) & (np.abs(measured) > LEAST_CHANGE)
    spread = predicted.std() > 0 and measured.std() > 0
    return Errors(
        arms=len(found),
        prediction=float(np.sqrt(np.mean((measured - predicted) ** 2))),
        nothing=float(np.sqrt(np.mean(measured**2))),
        signs=int(clear.sum()),
        signs_agree=int((np.sign(predicted) == np.sign(measured))[clear].sum()),
        correlation=float(np.corrcoef(predicted, measured)[0, 1]) if spread else float("nan"),
    )
