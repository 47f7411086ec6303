"""TensorBoard's event files: scalars, as torch writes them (simple_value) and as TensorFlow does (a tensor of one).

A file is records of <length u64> <checksum u32> <data> <checksum u32>; a record is the message Event: step = 2,
summary = 5, of values = 1, each with tag = 1, simple_value = 2, tensor = 8. A torn last record ends the reading.
"""

import struct
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

from clipbias.common.errors import InputError

from .records import fields_of, single
from .rows import MOST_ROWS, Row, Rows, flat_row

LARGEST = 64_000_000  # bytes of a file that are looked at
LONGEST = 100_000  # bytes of a record; longer ones are pictures and texts
FLOAT, DOUBLE, INT64 = 1, 2, 9  # TensorFlow's numbers of types


def rows_of_events(path: Path) -> Rows:
    """One row for each step."""
    steps: dict[int, dict[str, float | str]] = defaultdict(dict)
    scalars, read = 0, 0
    with path.open("rb") as file:
        while read < LARGEST and scalars < MOST_ROWS * 5:
            head = file.read(12)
            if len(head) < 12:
                break
            (size,) = struct.unpack_from("<Q", head)
            read += 16 + size
            if size > LONGEST:
                if size > 2**40:
                    break
                file.seek(size + 4, 1)
                continue
            for step, tag, value in _scalars(file.read(size)):
                steps[step] |= flat_row({tag: value})
                scalars += 1
            file.seek(4, 1)
    if not steps:
        raise InputError(str(path), "a TensorBoard event file with scalars")
    left_out = max(0, path.stat().st_size - LARGEST)
    rows: list[Row] = [{"step": float(step), **steps[step]} for step in sorted(steps)]
    return Rows(rows=rows, left_out=left_out)


def _scalars(event: bytes) -> Iterator[tuple[int, str, float]]:
    step, summaries = 0, []
    for number, value in fields_of(event):
        if number == 2 and isinstance(value, int):
            step = value
        elif number == 5 and isinstance(value, bytes):
            summaries.append(value)
    for summary in summaries:
        for number, entry in fields_of(summary):
            if number == 1 and isinstance(entry, bytes):
                tag, found = _value(entry)
                if tag and found is not None:
                    yield step, tag, found


def _value(entry: bytes) -> tuple[str, float | None]:
    tag, found = "", None
    for number, value in fields_of(entry):
        if number == 1 and isinstance(value, bytes):
            tag = value[:200].decode("utf-8", errors="replace")
        elif number == 2:
            found = single(value, "<f")
        elif number == 8 and isinstance(value, bytes):
            found = _tensor(value)
    return tag, found


def _tensor(data: bytes) -> float | None:
    """Of one number: dtype = 1, tensor_content = 4, float_val = 5, double_val = 6, int64_val = 10."""
    kind, found = 0, None
    for number, value in fields_of(data):
        if number == 1 and isinstance(value, int):
            kind = value
        elif number in (4, 5, 6) and isinstance(value, bytes):
            found = single(value, "<d" if kind == DOUBLE else "<q" if kind == INT64 else "<f")
        elif number == 10 and isinstance(value, int):
            found = float(value)
    return found
