"""Rows of names and values to logs: which name counts the steps, which tells arms apart, what the others mean."""

import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np

from clipbias.common.errors import InputError

from ..frameworks.catalogue import BY_NAME, meanings_of, recognised
from ..log import Log, Meaning, Series

Row: TypeAlias = dict[str, float | str]
MOST_ROWS, MOST_NAMES, MOST_LOGS = 200_000, 3_000, 64
LARGEST = 1e30
STEP_NAMES = (
    "step", "global_step", "train/step", "train/global_step", "trainer/global_step", "training/global_step",
    "global_step/max_steps", "_step", "Step", "training_step", "rollout/step", "iteration", "update",
)  # fmt: skip
ARM_NAMES = ("arm", "algo", "algorithm", "run", "method", "experiment", "variant")
SETTING_NAMES = {  # of a table that has a configuration beside its numbers
    "train_batch": "batch", "train_batch_size": "batch", "rollout_batch_size": "batch", "mini_batch": "mini_batch",
    "ppo_mini_batch_size": "mini_batch", "mini_batch_size": "mini_batch", "ppo_epochs": "epochs",
    "clip_low": "clip_low", "clip_high": "clip_high", "clip_ratio_low": "clip_low", "clip_ratio_high": "clip_high",
}  # fmt: skip
SUMMARY = "train_runtime"  # the last line of a training by transformers, of no step


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """What a reader found. left_out: bytes not read. decimals: see Log."""

    rows: list[Row]
    left_out: int = 0
    decimals: int | None = None


def number_of(value: object) -> float | None:
    """A number, or a text that is one; None for anything else, as for a null, a value that was not logged.

    Numbers beyond LARGEST are infinite: no mean or slope of what is left can overflow.
    """
    if not isinstance(value, int | float) and not (isinstance(value, str) and len(value) < 40):
        return None
    try:
        number = float(value)
    except OverflowError:
        return math.inf
    except ValueError:
        return None
    return math.copysign(math.inf, number) if abs(number) > LARGEST else number


def flat_row(record: Mapping[Any, object], prefix: str = "", depth: int = 0) -> Row:
    """Numbers, and short texts, by their name; names of nested tables joined by /, but for the one of verl's files."""
    found: dict[str, float | str] = {}
    if record.keys() == {"step", "data"} and isinstance(record["data"], dict):
        record = record["data"] | {"step": record["step"]}
    for key, value in record.items():
        name = f"{prefix}{key}"[:200]
        if isinstance(value, dict):
            if depth < 6:
                found |= flat_row(value, f"{name}/", depth + 1)
        elif (number := number_of(value)) is not None:
            found[name] = number
        elif isinstance(value, str) and len(value) <= 200:
            found[name] = value
        if len(found) > MOST_NAMES:
            break
    return found


def logs_of(path: Path, found: Rows, framework: str | None) -> tuple[Log, ...]:
    """One log for each arm. Raises InputError where no row holds a number that an audit knows."""
    arms: dict[str, list[Row]] = defaultdict(list)
    for row in found.rows[:MOST_ROWS]:
        if SUMMARY not in row:
            name = next((str(row[key]) for key in ARM_NAMES if isinstance(row.get(key), str)), "")
            arms[name].append(row)
            if len(arms) > MOST_LOGS:
                raise InputError(str(path), f"of at most {MOST_LOGS} arms")
    logs = [_log(path, arm, rows, found, framework) for arm, rows in arms.items()]
    known = tuple(log for log in logs if any(s.meaning is not None for s in log.series.values()))
    if not known:
        raise InputError(str(path), "the log of a training: no series in it is known")
    return known


def _log(path: Path, arm: str, rows: list[Row], found: Rows, framework: str | None) -> Log:
    names = list(dict.fromkeys(name for row in rows for name in row))[:MOST_NAMES]
    kind = BY_NAME[framework] if framework is not None else recognised(set(names))
    counter = next(
        (name for name in STEP_NAMES if sum(_step(row.get(name)) is not None for row in rows) * 2 > len(rows)), None
    )
    settings = {SETTING_NAMES[n]: float(rows[0][n]) for n in names if n in SETTING_NAMES and _is_number(rows[0].get(n))}
    table = bool(arm) and counter is None and len(rows) == 1
    meanings = meanings_of([n for n in names if n not in STEP_NAMES and n not in SETTING_NAMES], kind)
    if table:
        return Log(
            name=f"{path.name}: {arm}",
            framework=kind.name,
            steps=np.arange(1.0, 3.0),
            series=_ends(rows[0], meanings),
            settings=settings,
            table=True,
        )
    steps, last = [], 0.0
    for row in rows:
        step = _step(row.get(counter)) if counter is not None else None
        last = last + 1.0 if step is None and counter is None else last if step is None else step
        steps.append(last)
    series = {}
    for name in names:
        if name == counter:
            continue
        held = [(i, value) for i, row in enumerate(rows) if isinstance(value := row.get(name), float)]
        if held:
            places, values = zip(*held, strict=True)
            series[name] = Series(
                name=name,
                rows=np.asarray(places, dtype=np.int64),
                values=np.asarray(values, dtype=np.float64),
                meaning=meanings.get(name),
            )
    return Log(
        name=f"{path.name}: {arm}" if arm else path.name,
        framework=kind.name,
        steps=np.asarray(steps),
        series=series,
        counted=counter is not None,
        settings=settings,
        decimals=found.decimals,
        left_out=found.left_out,
    )


def _is_number(value: object) -> bool:
    return isinstance(value, float) and math.isfinite(value)


def _step(value: object) -> float | None:
    """A count, also as in "3/10000"."""
    if isinstance(value, str):
        value = number_of(value.partition("/")[0])
    return value if isinstance(value, float) and math.isfinite(value) else None


def _ends(row: Row, meanings: dict[str, Meaning]) -> dict[str, Series]:
    """Of a table of runs, one a row: NAME_start and NAME_late are two points of one series."""
    points: dict[str, list[float]] = defaultdict(list)
    kept: dict[str, Meaning] = {}
    for name, meaning in meanings.items():
        value = row.get(name)
        if isinstance(value, float):
            stem = name.removesuffix("_start").removesuffix("_late").removesuffix("_end").removesuffix("_final")
            points[stem].append(value)
            kept[stem] = meaning
    return {
        stem: Series(name=stem, rows=np.arange(len(v)), values=np.asarray(v), meaning=kept[stem])
        for stem, v in points.items()
    }
