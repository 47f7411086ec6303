"""What the clip alone did to the share, beside what was forecast and what the toy of two outcomes says."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import hypot

from clipbias.validate.predict.forecast import Forecast, Outlook
from clipbias.validate.store.run_record import RunRecord

from .pairs import PairedDifference, paired_differences


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipEffect:
    """pair: the arm less the unclipped one, in log-odds of the share after the last phase: the toy's claim and what was
    measured. forecast: the difference of the two arms' forecast changes. stderr: its error, from those of both as if
    they were independent: arms of one survey share what is wrong with it, so that it is rather too large.
    """

    pair: PairedDifference
    forecast: float
    stderr: float


def clip_effects(run: RunRecord, forecasts: Mapping[str, Forecast]) -> tuple[ClipEffect, ...]:
    """Of every arm that differs from the unclipped one in its clip alone, where the share of both was forecast."""
    shares = {name: law for name, found in forecasts.items() if (law := found.observables.get("share"))}
    return tuple(
        ClipEffect(
            pair=pair,
            forecast=_change(shares[pair.arm]) - _change(shares[pair.reference]),
            stderr=hypot(shares[pair.arm].stderr[-1], shares[pair.reference].stderr[-1]),
        )
        for pair in paired_differences(run)
        if {pair.arm, pair.reference} <= shares.keys()
    )


def _change(law: Outlook) -> float:
    return float(law.mean[-1] - law.mean[0])
