"""What a sweep's table says about one quantity: columns by name, and the points that a plot is of."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError

from .point import Point

SETTINGS = tuple(field.name for field in fields(Point))


@dataclass(frozen=True, slots=True)
class Column:
    """values [N], NaN for none; stderr [N] where the column is a Monte-Carlo mean; words: of text and switches, whose
    values are places in it."""

    name: str
    values: Array
    stderr: Array | None
    words: tuple[str, ...] | None = None

    def says(self, value: float) -> str:
        """One of its values as people write it."""
        return "none" if np.isnan(value) else f"{value:g}" if self.words is None else self.words[int(value)]


def column(table: pa.Table, name: str, field: str) -> Column:
    """A column, or by NAME:ENTRY (from 1) an entry of one with lists; InputError naming `field` if there is none."""
    base, _, entry = name.partition(":")
    if base not in table.column_names:
        known = (known for known in table.column_names if not known.endswith("_stderr"))
        raise InputError(field, f"one of {', '.join(known)}", name)
    if pa.types.is_string(table[base].type):
        texts = table[base].to_pylist()
        words = tuple(sorted({text for text in texts if text is not None}))
        return Column(name, np.array([np.nan if text is None else words.index(text) for text in texts]), None, words)
    if pa.types.is_boolean(table[base].type):
        return Column(name, np.array(table[base].to_pylist(), dtype=np.float64), None, ("false", "true"))
    stderr = f"{base}_stderr"
    errors = _numbers(table[stderr], name, entry, field) if stderr in table.column_names else None
    return Column(name, _numbers(table[base], name, entry, field), errors)


def _numbers(values: pa.ChunkedArray, name: str, entry: str, field: str) -> Array:
    if pa.types.is_list(values.type):
        shortest = pc.min(pc.list_value_length(values)).as_py()
        if not entry.isdecimal() or not 1 <= int(entry) <= shortest:
            base = name.partition(":")[0]
            raise InputError(field, f"one entry of the list, {base}:1 to {base}:{shortest}", name)
        values = pc.list_element(values, int(entry) - 1)
    elif entry:
        raise InputError(field, "without an entry here", name)
    return np.array([np.nan if value is None else float(value) for value in values.to_pylist()])


def where(table: pa.Table, name: str, text: str, field: str) -> pa.Table:
    """The points at which the setting is what `text` says: a number, none, true or false, or a word."""
    if name.partition(":")[0] not in SETTINGS:
        raise InputError(field, f"about a setting, one of {', '.join(SETTINGS)}", name)
    found = column(table, name, field)
    words = {"none": np.nan} | {word: float(i) for i, word in enumerate(found.words or ())}
    try:
        value = words[text] if text in words else float(text) if found.words is None else np.inf
    except ValueError:
        raise InputError(field, f"a number or none for {name}", text) from None
    kept = table.filter(pa.array(np.isclose(found.values, value, rtol=1e-9, atol=0.0, equal_nan=True)))
    if kept.num_rows == 0:
        there = ", ".join(found.says(v) for v in np.unique(found.values)[:20])
        raise InputError(field, f"one of the values that {name} has, {there}", text)
    return kept


def check_distinct(table: pa.Table, axes: Sequence[Column], field: str) -> None:
    """Raise InputError where two points share a place on the axes."""
    places = np.stack([np.nan_to_num(axis.values, nan=np.inf) for axis in axes])
    if np.unique(places, axis=1).shape[1] == table.num_rows:
        return
    shown = {axis.name.partition(":")[0] for axis in axes}
    others = [
        name for name in SETTINGS if name not in shown and len({str(value) for value in table[name].to_pylist()}) > 1
    ]
    raise InputError(field, f"given for what else varies, since points lie on each other: {', '.join(others)}")
