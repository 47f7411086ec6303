"""A gain over a placebo: differences of runs with the same seed, over seeds; of answers, over problems within seeds."""

import re
from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.validate.judge.statistics import Interval, interval

from ..frameworks.catalogue import BY_NAME
from ..log import Log, Role, Series
from .finding import Evidence, Finding, Gap, Strength
from .gaps import key_for

FEWEST_PROBLEMS = 5
FEWEST_SEEDS = 3  # two differences have an interval, but hardly one that excludes anything
LATE = 4  # the last quarter of a log is its end

SAME_SEEDS = "further seeds of both, with the seed as a number in the file's or folder's name"


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    findings: tuple[Finding, ...]
    gaps: tuple[Gap, ...]


def compare(logs: list[Log], placebos: list[Log]) -> Compared:
    """Every score that both sides of all pairs have measured, at the end of the training."""
    named = _pairs(logs, placebos)
    if not named:
        evidence: Evidence = {"logs": len(logs), "placebos": len(placebos)}
        return Compared(findings=(), gaps=(Gap(code="unpaired", switch_on=SAME_SEEDS, evidence=evidence),))
    pairs = _distinct(named)
    findings, gaps = [], []
    measures = _shared(pairs)
    for name in measures:
        differences = np.asarray([_end(a, name) - _end(b, name) for a, b in pairs])
        if len(differences) > 1:
            over = interval(differences)
            findings.append(
                _finding(
                    name, over, "seeds", {"end": _mean_end(pairs, 0, name), "placebo_end": _mean_end(pairs, 1, name)}
                )
            )
    answers = _answers(pairs)
    findings += answers
    if len(pairs) == 1:
        gaps.append(Gap(code="one-seed", switch_on=SAME_SEEDS))
    if not measures and not answers:
        gaps.append(Gap(code="measure-missing", switch_on=key_for(BY_NAME[pairs[0][0].framework], Role.MEASURE)))
    elif not findings:
        gaps.append(Gap(code="gain-from-one-pair", switch_on=SAME_SEEDS))
    if len(pairs) < len(named):
        evidence = {"pairs": len(named), "distinct": len(pairs)}
        findings.insert(0, Finding(code="pairs-repeated", strength="certain", evidence=evidence))
    return Compared(findings=tuple(findings), gaps=tuple(gaps))


def _labels(side: list[Log]) -> list[str]:
    """Seeds: the last number in the name of each log's column or arm, else of its file; of the file wherever that
    tells more logs apart."""
    parts = [log.name.partition(": ") for log in side]
    files = [_last_number(file) for file, _, _ in parts]
    columns = [_last_number(arm) or label for (_, _, arm), label in zip(parts, files, strict=True)]
    return max(columns, files, key=lambda labels: len(set(labels)))


def _last_number(name: str) -> str:
    numbers = re.findall(r"\d+", name)
    return numbers[-1] if numbers else ""


def _pairs(logs: list[Log], placebos: list[Log]) -> list[tuple[Log, Log]]:
    """Logs with the same number at the end of their names, where that names one log on each side."""
    sides: list[dict[str, Log]] = []
    for side in (logs, placebos):
        labels = _labels(side)
        sides.append({label: log for label, log in zip(labels, side, strict=True) if labels.count(label) == 1})
    return [(log, sides[1][label]) for label, log in sides[0].items() if label in sides[1]]


def _distinct(pairs: list[tuple[Log, Log]]) -> list[tuple[Log, Log]]:
    """Without those that repeat a run of an earlier one, which is no further seed."""
    kept: list[tuple[Log, Log]] = []
    for pair in pairs:
        if not any(_repeats(pair, other) for other in kept):
            kept.append(pair)
    return kept


def _repeats(pair: tuple[Log, Log], other: tuple[Log, Log]) -> bool:
    """To the last bit in all that is known: both runs, or one that moves (a score may stay 0 in every seed)."""
    numbers = [(_numbers(a), _numbers(b)) for a, b in zip(pair, other, strict=True)]
    same = [
        a.keys() == b.keys() and all(np.array_equal(a[name], b[name], equal_nan=True) for name in a) for a, b in numbers
    ]
    moves = [any((values != values[0]).any() for values in a.values()) for a, _ in numbers]
    return all(same) or any(s and m for s, m in zip(same, moves, strict=True))


def _numbers(log: Log) -> dict[str, Array]:
    known = {name: series.values for name, series in log.series.items() if series.meaning is not None}
    return known | (log.answers.scores if log.answers else {})


def _shared(pairs: list[tuple[Log, Log]]) -> list[str]:
    """Scores that mean the same in both: what is measured, not what is paid, unless it is a coin that never differs."""
    names = [{s.name for s in log.all_of(Role.MEASURE) if s.finite().values.size} for pair in pairs for log in pair]
    shared = set.intersection(*names)
    return sorted(name for name in shared if any(_differ(a.series[name], b.series[name]) for a, b in pairs))


def _differ(a: Series, b: Series) -> bool:
    return not np.array_equal(a.values, b.values, equal_nan=True)


def _end(log: Log, name: str) -> float:
    values = log.series[name].finite().values
    return float(values[-max(1, values.size // LATE) :].mean())


def _mean_end(pairs: list[tuple[Log, Log]], side: int, name: str) -> float:
    return float(np.mean([_end(pair[side], name) for pair in pairs]))


def _answers(pairs: list[tuple[Log, Log]]) -> list[Finding]:
    """d[seed, problem]: over seeds of their means over problems, or over the problems of the one seed."""
    kept = [(a.answers, b.answers) for a, b in pairs if a.answers and b.answers]
    if not kept:
        return []
    names = set.intersection(*(set(a.scores) & set(b.scores) for a, b in kept))
    found = []
    for name in sorted(names):
        differences = [_by_problem(a.problems, a.scores[name], b.problems, b.scores[name]) for a, b in kept]
        differences = [d for d in differences if d.size >= FEWEST_PROBLEMS and d.any()]
        if not differences:
            continue
        problems = float(np.mean([d.size for d in differences]))
        over = interval(np.asarray([d.mean() for d in differences]) if len(differences) > 1 else differences[0])
        unit = "seeds, each the mean over its problems" if len(differences) > 1 else "problems of one seed"
        found.append(_finding(f"{name} of the answers", over, unit, {"problems": problems}))
    return found


def _by_problem(first: tuple[str, ...], ours: Array, second: tuple[str, ...], theirs: Array) -> Array:
    """Mean score of each shared problem, run less placebo."""
    means: list[dict[str, float]] = []
    for problems, scores in ((first, ours), (second, theirs)):
        held: dict[str, list[float]] = defaultdict(list)
        for problem, score in zip(problems, scores, strict=True):
            if np.isfinite(score):
                held[problem].append(float(score))
        means.append({problem: float(np.mean(values)) for problem, values in held.items()})
    return np.asarray([means[0][problem] - means[1][problem] for problem in means[0] if problem in means[1]])


def _finding(name: str, over: Interval, unit: str, more: Evidence) -> Finding:
    code = "gain-over-placebo" if over.low > 0 else "loss-under-placebo" if over.high < 0 else "gain-unclear"
    seeds = unit.startswith("seeds")
    evidence: Evidence = {
        "measure": name,
        "difference": over.mean,
        "stderr": over.stderr,
        "low": over.low,
        "high": over.high,
        "n": over.n,
        "over": unit,
    }
    strength: Strength = "strong" if seeds and over.n >= FEWEST_SEEDS else "weak"
    return Finding(code=code, strength=strength, evidence=evidence | more)
