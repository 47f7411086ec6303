"""What happened to an arm, whatever was predicted: the share itself, and the skill."""

from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.validate.store.run_record import ArmRecord, RunRecord

from .statistics import Interval, holm, interval, mean_pvalue


@dataclass(frozen=True, slots=True, kw_only=True)
class ShareChange:
    """The share itself, since a mean of log-odds is not the log-odds of a mean: predicted mean, measured end, and the
    change since each seed's first reading with Holm's p-value for “no change” over all arms."""

    predicted: float
    end: Interval
    change: Interval
    pvalue_holm: float
    lowest: float  # of single seeds
    highest: float


def share_changes(run: RunRecord) -> dict[str, ShareChange]:
    shares = {name: arm.curves["share"] for name, arm in run.arms.items()}
    adjusted = holm([mean_pvalue(interval(share[:, -1] - share[:, 0])) for share in shares.values()])
    return {
        name: ShareChange(
            predicted=float(run.prediction.arms[name].band.share_mean[-1]),
            end=interval(share[:, -1], 0.0, 1.0),
            change=interval(share[:, -1] - share[:, 0], -1.0, 1.0),
            pvalue_holm=pvalue,
            lowest=float(share[:, -1].min()),
            highest=float(share[:, -1].max()),
        )
        for (name, share), pvalue in zip(shares.items(), adjusted, strict=True)
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Skill:
    """Accuracy of the rollouts in the first phase (the untrained model) and in the last five, and the paired difference
    of the latter to the unclipped arm. Nothing was predicted about it: it is reported, not judged. survives: at least
    half of it is left; None where the untrained model shows no skill to lose."""

    first: Interval
    last: Interval
    paired: Interval | None
    survives: bool | None


def skill(data: ArmRecord, reference: ArmRecord | None) -> Skill:
    def late(arm: ArmRecord) -> Array:
        return np.asarray(np.nanmean(arm.curves["accuracy"][:, -5:], axis=1))

    first, last = interval(data.curves["accuracy"][:, 1], 0.0, 1.0), interval(late(data), 0.0, 1.0)
    survives = last.mean >= 0.5 * first.mean if first.low > 0 else None
    paired = None if reference is None or reference is data else interval(late(data) - late(reference), -1.0, 1.0)
    return Skill(first=first, last=last, paired=paired, survives=survives)
