"""JSON as one document: trainer_state.json, lists of rows, columns of numbers; and tables (CSV)."""

import csv
import io
import json
from pathlib import Path
from typing import Any

from clipbias.common.errors import InputError

from .rows import MOST_ROWS, Row, Rows, flat_row, number_of

HISTORIES = ("log_history", "history", "rows", "data", "metrics", "logs")


def rows_of_json(text: str) -> Rows | None:
    """None where the text is not one JSON document."""
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return None
    rows = _rows(value)
    return Rows(rows=rows) if rows else None


def _rows(value: Any) -> list[Row]:
    if isinstance(value, list):
        return [flat_row(row) for row in value[:MOST_ROWS] if isinstance(row, dict)]
    if not isinstance(value, dict):
        return []
    for name in HISTORIES:
        if isinstance(value.get(name), list) and (rows := _rows(value[name])):
            return rows
    columns = {str(k): v for k, v in value.items() if isinstance(v, list) and v and number_of(v[0]) is not None}
    if columns:
        length = min(MOST_ROWS, max(map(len, columns.values())))
        return [flat_row({k: v[i] for k, v in columns.items() if i < len(v)}) for i in range(length)]
    indexed = {str(k): v for k, v in value.items() if isinstance(v, dict) and v and all(str(i).isdigit() for i in v)}
    if indexed:  # as pandas writes a table: {column: {row: value}}
        places = sorted({int(i) for v in indexed.values() for i in v})[:MOST_ROWS]
        return [flat_row({k: v.get(str(i)) for k, v in indexed.items()}) for i in places]
    return [flat_row(value)]


def is_table(text: str) -> bool:
    """Whether the first two lines have as many cells, names in the first and a number in the second."""
    lines = [line for line in text[:65_536].splitlines() if line.strip()][:2]
    if len(lines) < 2 or lines[0].lstrip().startswith(("{", "[")):
        return False
    mark = _delimiter(lines[0])
    names, cells = (next(csv.reader([line], delimiter=mark), []) for line in lines)
    named = len(names) > 1 and all(number_of(name) is None for name in names)
    return named and len(names) == len(cells) and any(number_of(cell) is not None for cell in cells)


def _delimiter(line: str) -> str:
    return max(",\t;", key=line.count)


def rows_of_table(path: Path, text: str, left_out: int) -> Rows:
    """A CSV with a header. W&B's charts have a column «run - series» for each run, which become rows of arms."""
    rows: list[Row] = []
    try:
        reader = csv.DictReader(io.StringIO(text, newline=""), delimiter=_delimiter(text.partition("\n")[0]))
        for record in reader:
            rows += _split_runs(
                {k: v for k, v in record.items() if isinstance(k, str) and isinstance(v, str) and v != ""}
            )
            if len(rows) >= MOST_ROWS:
                break
    except csv.Error as error:
        raise InputError(str(path), f"a table: {error}") from None
    return Rows(rows=rows, left_out=left_out)


def _split_runs(record: dict[str, str]) -> list[Row]:
    split = {name: name.partition(" - ") for name in record}
    runs = dict.fromkeys(run for run, mark, _ in split.values() if mark)
    if not runs:
        return [flat_row(record)]
    shared = {name: value for name, value in record.items() if not split[name][1]}
    rows = []
    for run in runs:
        own = {
            series: record[name]
            for name, (of, mark, series) in split.items()
            if mark and of == run and not series.endswith(("__MIN", "__MAX"))
        }
        if own:
            rows.append(flat_row(shared | own | {"run": run}))
    return rows
