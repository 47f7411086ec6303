"""What a sweep's table says about one quantity: columns by name, and the points that a plot is of."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .design import SweepError
from .estimate import Array
from .point import Point

SETTINGS = tuple(field.name for field in fields(Point))


@dataclass(frozen=True, slots=True)
class Column:
    """values [N], NaN for none; stderr [N] where the column is a Monte-Carlo mean."""

    name: str
    values: Array
    stderr: Array | None


def column(table: pa.Table, name: str, option: str) -> Column:
    """A column, or by NAME:ENTRY (from 1) an entry of one with lists; SweepError naming `option` if there is none."""
    base, _, entry = name.partition(":")
    if base not in table.column_names or base == "scale":
        known = (known for known in table.column_names if not known.endswith("_stderr") and known != "scale")
        raise SweepError(f"{option} must be one of {', '.join(known)}, got {name}")
    stderr = f"{base}_stderr"
    errors = _numbers(table[stderr], name, entry, option) if stderr in table.column_names else None
    return Column(name, _numbers(table[base], name, entry, option), errors)


def _numbers(values: pa.ChunkedArray, name: str, entry: str, option: str) -> Array:
    if pa.types.is_list(values.type):
        shortest = pc.min(pc.list_value_length(values)).as_py()
        if not entry.isdecimal() or not 1 <= int(entry) <= shortest:
            base = name.partition(":")[0]
            raise SweepError(f"{option} must have an entry here, {base}:1 to {base}:{shortest}, got {name}")
        values = pc.list_element(values, int(entry) - 1)
    elif entry:
        raise SweepError(f"{option} must be without an entry here, got {name}")
    return np.array([np.nan if value is None else float(value) for value in values.to_pylist()])


def where(table: pa.Table, name: str, value: float, option: str) -> pa.Table:
    """The points at which the setting is `value` (NaN: none)."""
    if name.partition(":")[0] not in SETTINGS:
        raise SweepError(f"{option} must name a setting, one of {', '.join(SETTINGS)}, got {name}")
    values = column(table, name, option).values
    kept = table.filter(pa.array(np.isclose(values, value, rtol=1e-9, atol=0.0, equal_nan=True)))
    if kept.num_rows == 0:
        there = ", ".join("none" if np.isnan(v) else f"{v:g}" for v in np.unique(values)[:20])
        raise SweepError(f"{option} must leave a point; {name} has the values {there}")
    return kept


def check_distinct(table: pa.Table, axes: Sequence[Column], option: str) -> None:
    """Raise SweepError where two points share a place on the axes."""
    places = np.stack([np.nan_to_num(axis.values, nan=np.inf) for axis in axes])
    if np.unique(places, axis=1).shape[1] == table.num_rows:
        return
    shown = {axis.name.partition(":")[0] for axis in axes}
    others = [
        name for name in SETTINGS if name not in shown and len({str(value) for value in table[name].to_pylist()}) > 1
    ]
    raise SweepError(
        f"{option} must be given for what else varies, since points lie on each other: {', '.join(others)}"
    )
