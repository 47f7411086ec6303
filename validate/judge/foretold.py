"""Forecasts of a run's arms beside what was measured and beside their rivals: the cases that are scored."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.validate.predict.forecast import Forecast
from clipbias.validate.store.run_record import RunRecord

from .rivals import (
    TOY_ON_THE_FIRST_FOUR,
    Law,
    driftless_walk,
    kept_value,
    nothing_happens,
    outlook_law,
    phases_read,
    saturating,
    toy_law,
)
from .skill import Case, Scorecard, scorecard

IN_LOG_ODDS = "all log-odds"
TOKENS = ("length",)  # observables in another unit


def arm_cases(
    organism: str,
    arm: str,
    looks: bool,
    forecast: Forecast,
    observed: Mapping[str, Array],
    share_rivals: Mapping[str, Law],
) -> list[Case]:
    """One for each observable that every seed has a value of at the start and at the end, and that the survey saw.

    observed: [S, T + 1] by observable. share_rivals: further ones, of the share's log-odds alone (the toy).
    """
    found = []
    for name, measured in observed.items():
        outlook = forecast.observables.get(name)
        phases = measured.shape[1] - 1
        if outlook is None or not np.isfinite(measured[:, [0, phases]]).all():
            continue
        usable = np.where(np.isfinite(measured).all(axis=0), measured, np.nan)
        start = float(usable[0, 0])
        law = outlook_law(outlook).starting(start)
        if not np.isfinite([law.mean[-1], law.std[-1], law.low[-1], law.high[-1]]).all():
            continue
        rivals = {"nothing": nothing_happens(start, phases), "kept": kept_value(usable)}
        if len(phases_read(usable)) > 2:
            rivals["saturating"] = saturating(usable)
        if name == "share":
            rivals |= {rival: law.starting(start) for rival, law in share_rivals.items()}
        found.append(
            Case(
                organism=organism,
                arm=arm,
                observable=name,
                looks=looks,
                measured=usable,
                forecast=law,
                rivals=rivals,
            )
        )
    return found


def run_cases(run: RunRecord, forecasts: Mapping[str, Forecast]) -> list[Case]:
    """Of a run that was read beside its share; forecasts: by arm."""
    found = []
    for arm in run.recipe.arm:
        if arm.name in forecasts and run.arms[arm.name].observed:
            toy, pilot = toy_law(run.prediction.arms[arm.name].band, run.prediction.levels), run.pilot(arm)
            phases = toy.mean.shape[0] - 1
            walk = driftless_walk(0.0, pilot.value, pilot.autocorrelation_predicted, phases)
            rivals = {"walk": walk, "toy": toy, "toy mended": TOY_ON_THE_FIRST_FOUR.of(toy)}
            observed = run.arms[arm.name].observed
            found += arm_cases(run.organism, arm.name, not arm.blind, forecasts[arm.name], observed, rivals)
    return found


def scorecards(cases: Iterable[Case]) -> dict[str, Scorecard]:
    """Of each observable, and of all that are log-odds together, which comes first."""
    listed = list(cases)
    groups = {IN_LOG_ODDS: [case for case in listed if case.observable not in TOKENS]}
    for case in listed:
        groups.setdefault(case.observable, []).append(case)
    return {name: scorecard(part) for name, part in groups.items() if part}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fit:
    """Measured mean changes on predicted ones after a phase: measured = slope·predicted through 0, r2 = 1 − Σ(y − x)²/
    Σ(y − ȳ)² against the forecast itself, correlation, and noise: the mean standard error of a measured change."""

    points: int
    slope: float
    r2: float
    correlation: float
    noise: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """A case's mean change after a phase: predicted with the error of that mean, measured with its own over seeds."""

    case: Case
    predicted: float
    measured: float
    measured_stderr: float


def changes(cases: Iterable[Case], phase: int) -> list[Change]:
    """Of all cases that were read after this phase (−1: the last)."""
    found = []
    for case in cases:
        change = case.measured[:, phase] - case.measured[:, 0]
        if np.isfinite(change).all():
            claimed = float(np.mean(case.forecast.mean[..., phase] - case.forecast.mean[..., 0]))
            error = float(change.std(ddof=1) / np.sqrt(len(change))) if len(change) > 1 else float("nan")
            found.append(Change(case=case, predicted=claimed, measured=float(change.mean()), measured_stderr=error))
    return found


def fit(found: list[Change]) -> Fit | None:
    """None of fewer than three changes."""
    if len(found) < 3:
        return None
    x, y = (np.array([getattr(change, name) for change in found]) for name in ("predicted", "measured"))
    return Fit(
        points=len(found),
        slope=float(x @ y / (x @ x)),
        r2=float(1 - ((y - x) ** 2).sum() / ((y - y.mean()) ** 2).sum()),
        correlation=float(np.corrcoef(x, y)[0, 1]),
        noise=float(np.mean([change.measured_stderr for change in found])),
    )
