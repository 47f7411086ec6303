"""A control in sentences: what to change, what to do, and how far noise alone may move it."""

from clipbias.theory.formulas.power import LEVEL, WANTED
from clipbias.theory.laws.null_band import LEVEL as INSIDE
from clipbias.theory.laws.null_band import Band

from .control import Arm, Control

UNITS = {"accuracy": (100.0, "points"), "share": (100.0, "points"), "entropy": (1.0, "nats")}


def title(arm: Arm) -> str:
    if arm.cannot is not None:
        return f"{arm.name}: not possible. {arm.cannot}."
    return (
        f"{arm.name}: these lines change, and the reward." if arm.changes else f"{arm.name}: the reward alone changes."
    )


def rows(arm: Arm, seeds: int) -> list[tuple[str, str]]:
    """(name, text) below the changed lines."""
    table = [("do" if i == 0 else "", line) for i, line in enumerate(arm.how)]
    if arm.placebo is None:
        return table
    bands = arm.placebo.bands
    for name, band in (("accuracy", bands.accuracy), ("share", bands.share), ("entropy", bands.entropy)):
        if band is not None:
            table += _band(name, band, seeds)
    if arm.placebo.left_out is not None:
        table.append(("left out", arm.placebo.left_out))
    return table + [("note", note) for note in arm.placebo.notes]


def _band(name: str, band: Band, seeds: int) -> list[tuple[str, str]]:
    scale, unit = UNITS[name]

    def number(value: float) -> str:
        return f"{scale * value:+.3g}"

    def between(ends: tuple[float, float]) -> str:
        return f"{number(ends[0])} … {number(ends[1])}"

    mean = "" if seeds == 1 else f"; mean of {seeds} seeds {between(band.mean_of_seeds)}"
    found = [(name, f"{100 * INSIDE:g} % within {between(band.one_seed)} {unit}{mean}")]
    counting = f"{scale * band.evaluation_std:.3g} by counting"
    if band.clip_drift is None or band.noise_drift is None or band.policy_std is None:
        return [*found, ("", f"standard deviation {counting}; the policy's walk is left out")]
    parts = f"expected: clip {number(band.clip_drift)}, noise {number(band.noise_drift)}"
    return [*found, ("", f"{parts}; standard deviation {scale * band.policy_std:.3g} of policies, {counting}")]


def power(found: Control) -> str | None:
    """One sentence."""
    if found.power is None:
        return None
    told = [
        f"{count} paired seeds of its {name}"
        for name, count in (("accuracy", found.power.accuracy), ("share", found.power.share))
        if count is not None
    ]
    least = ", at the least: the policy's walk is not in all of it" if found.power.least else ""
    size = f"a difference of {100 * found.power.effect:g} points"
    return (
        f"{size} shows in {100 * WANTED:g} % of trials, at a level of {100 * LEVEL:g} %, with {', '.join(told)}{least}"
    )
