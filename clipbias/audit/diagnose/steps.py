"""Optimizer steps on each rollout, as far as a log shows them."""

from collections import Counter
from dataclasses import dataclass

import numpy as np

from ..frameworks.catalogue import BY_NAME
from ..frameworks.framework import matches
from ..log import Log, Role
from .finding import Evidence, Finding, Strength

STEADY = 1.5  # between the largest and the least of steps that have not moved
REGULAR = 0.9  # of the gaps between fresh lines, where a resumed training may have broken one
DEFAULT_EPOCHS = 4  # of TRL's PPO


@dataclass(frozen=True, slots=True, kw_only=True)
class Steps:
    """value: None where lines are averages. why: see words.WHY."""

    value: float | None
    why: str
    strength: Strength
    evidence: Evidence

    def finding(self) -> Finding:
        return Finding(
            code="steps-per-rollout" if self.value is not None else "steps-unknown",
            strength=self.strength,
            evidence=self.evidence | {"steps": self.value, "why": self.why},
        )


def steps_of(log: Log, signal_absent: bool) -> Steps | None:
    """By the configuration, the mini-batches' numbers, fresh answers, or ratios that are 1 or stay where they were.

    Ratios stay at 1 too where nothing was learned, whatever the number of steps."""
    told = _configured(log) or _numbered(log) or _fresh(log, signal_absent)
    return told or (None if signal_absent else _at_one(log) or _steady(log))


def _configured(log: Log) -> Steps | None:
    if "updates" in log.settings:
        evidence: Evidence = {}
        return Steps(value=log.settings["updates"], why="recipe", strength="certain", evidence=evidence)
    batch, mini = log.settings.get("batch"), log.settings.get("mini_batch")
    if not batch or not mini or mini > batch:
        return None
    epochs = log.settings.get("epochs", 1.0)
    evidence = {"batch": batch, "mini_batch": mini, "epochs": epochs}
    return Steps(value=float(np.ceil(batch / mini) * epochs), why="batches", strength="certain", evidence=evidence)


def _numbered(log: Log) -> Steps | None:
    """Mini-batches and epochs counted in columns of their own; epochs may go on below the excerpt."""
    places, epochs = log.series.get("minibatch"), log.series.get("epoch")
    if places is None or epochs is None or places.values.min() != 0:
        return None
    count, seen = float(places.values.max()) + 1, float(epochs.values.max()) + 1
    passes = max(seen, float(DEFAULT_EPOCHS)) if log.framework == "trl-ppo" else seen
    evidence: Evidence = {"minibatches": count, "epochs": passes, "seen": seen}
    return Steps(
        value=count * passes, why="numbered", strength="weak" if passes > seen else "strong", evidence=evidence
    )


def _fresh(log: Log, signal_absent: bool) -> Steps | None:
    """A line that does not describe new answers is a further step on old ones."""
    names = BY_NAME[log.framework].fresh
    marked = [s.rows for name, s in log.series.items() if any(matches(name, known) for known in names)]
    if not marked:
        return None
    loss = log.of(Role.LOSS)
    lines = loss.rows if loss is not None else np.arange(len(log.steps))
    fresh = np.intersect1d(np.unique(np.concatenate(marked)), lines)
    apart = float(np.median(np.diff(log.steps[lines]))) if log.counted and lines.size > 1 else 1.0
    evidence: Evidence = {"lines": lines.size, "fresh": fresh.size}
    sure: Strength
    if apart > 1:
        return Steps(value=None, why="averages", strength="certain", evidence=evidence | {"apart": apart})
    if lines.size == fresh.size:
        counted = [s for role in (Role.CLIP, Role.CLIP_LOW, Role.CLIP_HIGH) if (s := log.of(role)) is not None]
        clipped = any((s.values > 0).any() for s in counted)
        if clipped and log.of(Role.ENGINE_GAP) is None:
            return Steps(value=None, why="clipped although fresh", strength="strong", evidence=evidence)
        if lines.size == 1 and (
            signal_absent or not counted or "clip_ratio" in log.series or "completion_length" in log.series
        ):
            return None
        sure = "weak" if lines.size == 1 else "certain" if log.counted else "strong"
        return Steps(value=1.0, why="all fresh", strength=sure, evidence=evidence)
    gaps = Counter(np.diff(np.searchsorted(lines, fresh)).tolist())
    if not gaps:
        return None
    period, times = gaps.most_common(1)[0]
    if times < REGULAR * gaps.total():
        return Steps(value=None, why="irregular", strength="weak", evidence=evidence)
    sure = "strong" if times == gaps.total() else "weak"
    return Steps(value=float(period), why="some fresh", strength=sure, evidence=evidence)


def _at_one(log: Log) -> Steps | None:
    """Every ratio exactly 1 in every line: its denominator is the step's own value, and no step came between."""
    if log.decimals is not None:
        return None
    moved = log.of(Role.KL_OLD)
    if moved is not None and moved.values.size > 1 and not moved.constant and (moved.values == 0.0).all():
        evidence: Evidence = {"lines": moved.values.size, "series": moved.name}
        return Steps(value=1.0, why="divergence exactly 0", strength="strong", evidence=evidence)
    least, most = log.of(Role.RATIO_MIN), log.of(Role.RATIO_MAX)
    if (
        least is not None
        and most is not None
        and most.values.size > 1
        and (most.values == 1).all()
        and (least.values == 1).all()
    ):
        evidence = {"lines": most.values.size, "series": most.name}
        return Steps(value=1.0, why="ratios exactly 1", strength="strong", evidence=evidence)
    mean = log.of(Role.RATIO)
    if most is None and mean is not None and mean.values.size > 1 and not mean.constant and (mean.values == 1).all():
        evidence = {"lines": mean.values.size, "series": mean.name}
        return Steps(value=1.0, why="mean ratio exactly 1", strength="strong", evidence=evidence)
    return None


def _steady(log: Log) -> Steps | None:
    """One line for each optimizer step: a second step on the same answers would be farther away than the first."""
    moved = log.of(Role.KL_OLD)
    if BY_NAME[log.framework].line != "update" or moved is None or moved.values.size < 2 or log.decimals is not None:
        return None
    values = np.abs(moved.values)
    period = np.flatnonzero(values == 0.0)
    if period.size > 1 and period.size < values.size:
        gaps = set(np.diff(period).tolist())
        if len(gaps) == 1 and (steps := gaps.pop()) > 1:
            evidence: Evidence = {"lines": values.size, "series": moved.name}
            return Steps(value=float(steps), why="back to 0", strength="strong", evidence=evidence)
    clip = log.of(Role.CLIP)
    if values.min() > 0 and values.max() <= STEADY * values.min() and (clip is None or not clip.values.any()):
        evidence = {"lines": values.size, "series": moved.name, "mean": float(values.mean())}
        return Steps(value=1.0, why="steady", strength="strong" if values.size >= 8 else "weak", evidence=evidence)
    return None
