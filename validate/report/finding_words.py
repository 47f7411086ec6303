"""A finding in words: what it is about, what was claimed, what was measured. Every word is chosen by its numbers."""

import math

from clipbias.validate.judge.finding import (
    FEW_SEEDS,
    Across,
    Details,
    Difference,
    Finding,
    Law,
    Minibatches,
    Praise,
    Push,
    Rival,
    Switch,
    Untrained,
)
from clipbias.validate.judge.statistics import Interval
from clipbias.validate.recipe.arm import PLAIN

_RATES = {"share": "share of the strategy", "accuracy": "accuracy", "boxed": "answers in a box"}
_RIVALS = {
    "labels": "incorrect rewards act as if paid as the wrong labels pay",
    "format": "incorrect rewards act as if paid as a format reward pays",
    "nothing": "incorrect rewards do nothing",
}


def points(of: Interval, digits: int = 1) -> str:
    """A change of a share with its interval, in percentage points."""
    return f"{100 * of.mean:+z.{digits}f} [{100 * of.low:+z.{digits}f}, {100 * of.high:+z.{digits}f}]"


def number(of: Interval, digits: int = 3) -> str:
    return f"{of.mean:+z.{digits}f} [{of.low:+z.{digits}f}, {of.high:+z.{digits}f}]"


def percent(of: Interval) -> str:
    return f"{100 * of.mean:.3f} % [{100 * of.low:.3f}, {100 * of.high:.3f}]"


def seeds_note(count: int) -> str:
    return f"{count} seeds" + (", preliminary" if count < FEW_SEEDS else "")


def subject(line: Finding) -> str:
    """What it is about; with its run or organism, a name of the finding."""
    arm, details = line.arm, line.details
    pair = arm if line.reference is None else f"{arm} − {line.reference}"
    match details:
        case Untrained():
            asked = "unseen numbers" if details.style == PLAIN else f"asked as {details.style}"
            return f"untrained, {asked}: {_RATES[details.rate]}"
        case Rival():
            return _RIVALS[details.acts_like]
        case Switch():
            before, after = (details.strategy if side else "other" for side in (details.before, details.after))
            return f"{arm}: gain by those who go {before} → {after}"
        case Minibatches():
            side = "low" if line.kind == "clip low" else "high"
            return f"{arm}: tokens clipped {side}, mini-batches {details.first} to {details.last}"
    what = {
        "share": "share of the strategy",
        "accuracy": "accuracy on held-out problems",
        "law": "law of the log-odds at the end",
        "difference": "log-odds of the strategy",
        "token probability": "mean probability of a token",
        "push": "push of the clip by tenth of the old probability",
        "slope": "slope of accuracy on the share of the strategy",
        "weights": "weights",
        "credit": "mean advantage of right answers",
        "praise": "right among the praised less right among the blamed",
        "across": "accuracy, organism by organism",
    }
    return f"{pair}: {what[line.kind]}"


def claimed(line: Finding) -> str:
    value, details = line.claim, line.details
    match details:
        case Law():
            return f"{_number(value):+z.2f} ± {details.claimed_std:.2f} (standard deviation of seeds)"
        case Untrained():
            return f"{100 * _number(value):.0f} % ± {100 * _number(line.margin):.0f}, by the spec"
        case Push():
            return f"down in {details.lowered} of {details.tenths} tenths, most for rare tokens"
        case Minibatches():
            return f"{100 * _number(value):.3f} % of all, from mini-batch 2"
        case Rival():
            return f"log-odds end at {_number(value):+z.2f}"
        case Across():
            return "; ".join(f"{one.organism} {100 * one.claim:+z.1f}" for one in details.organisms)
    match line.kind:
        case "share" | "switch":
            return f"{100 * _number(value):+z.1f} points"
        case "accuracy":
            return f"{100 * _number(value):+z.1f} points, from the strategies' shares alone"
        case "slope":
            return f"{_number(value):+z.2f}"
        case "weights":
            return "unchanged to the bit"
        case "token probability":
            return "rises (the paper)"
        case "credit":
            return "0 (the intuitive hypothesis: positive)"
        case "praise":
            return "0"
        case _:
            return f"{_number(value):+z.3f}"


def measured(line: Finding) -> str:
    found, details = line.estimate, line.details
    if isinstance(details, Across):
        each = "; ".join(f"{one.organism} {points(one.estimate)}" for one in details.organisms)
        return f"{each}: {details.agree} of {details.signs} signs as predicted"
    if isinstance(details, Push):
        return (
            f"of {details.told} tenths whose push is told from zero {details.agree} have the predicted sign; its size"
            f" is {_times(details.size)} the predicted one"
        )
    if found is None:
        raise ValueError(f"a finding about {line.kind} must have an estimate")
    return _measured(line, found, details)


def _measured(line: Finding, found: Interval, details: Details | None) -> str:
    seeds = seeds_note(line.seeds)
    match details:
        case Law():
            return (
                f"{found.mean:+z.2f} ± {details.measured_std:.2f}; {details.inside} of {found.n} seeds inside the 90 %"
                " band"
            )
        case Difference():
            return (
                f"{number(found)} ({seeds}; no difference: p = {details.zero_pvalue:.3f}; share"
                f" {points(details.share)}; KL of a phase {details.kl:.4f} against {details.reference_kl:.4f} a token)"
            )
        case Minibatches():
            return f"{percent(found)} ({seeds}; {_times(_ratio(found.mean, line.claim))})"
        case Rival():
            nearest = ", the nearest" if details.nearest else ""
            return f"{number(found)} ({seeds}; share {points(details.share)} points){nearest}"
        case Praise():
            return f"{100 * details.praised:.1f} % less {100 * details.blamed:.1f} %: {points(found, 2)} points"
        case Untrained():
            return f"{100 * found.mean:.1f} % ({details.answers} answers)"
    match line.kind:
        case "weights":
            return f"unchanged in {found.mean:.0f} of {found.n} seeds (SHA-256)"
        case "token probability":
            return f"{points(found)} points ({seeds})"
        case "slope":
            return f"{number(found)} ({seeds})"
        case "credit":
            return f"{number(found, 4)} ({seeds})"
        case _:
            return f"{points(found)} ({seeds})"


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _ratio(part: float, whole: float | None) -> float | None:
    return part / whole if whole else None


def _times(ratio: float | None) -> str:
    return "beyond comparison with" if ratio is None else f"{ratio:.2f} times"
