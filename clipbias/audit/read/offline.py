"""W&B's offline runs (run-ID.wandb): histories, without W&B.

A file is «:W&B», three bytes, then blocks of 32 KiB of LevelDB's log format: pieces <checksum u32> <size u16> <kind u8>
(1 whole, 2 first, 3 middle, 4 last). A record is a message with history = 2, of items = 1: key = 1, nested_key = 2,
value_json = 16; step = 2 with num = 1.
"""

import json
import struct
from collections.abc import Iterator
from pathlib import Path

from clipbias.common.errors import InputError

from .records import fields_of
from .rows import MOST_ROWS, Row, Rows, flat_row

MARK = b":W&B"
LARGEST = 64_000_000  # bytes of a file that are looked at
LONGEST = 1_000_000  # bytes of a record
BLOCK, HEADER = 32_768, 7


def rows_of_run(path: Path) -> Rows:
    rows: list[Row] = []
    for record in _records(path):
        for number, value in fields_of(record):
            if number == 2 and isinstance(value, bytes) and (row := _history(value)):
                rows.append(row)
        if len(rows) >= MOST_ROWS:
            break
    if not rows:
        raise InputError(str(path), "an offline run with a history")
    return Rows(rows=rows, left_out=max(0, path.stat().st_size - LARGEST))


def _records(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        first, held = True, b""
        for _ in range(LARGEST // BLOCK):
            block = file.read(BLOCK)
            if not block:
                return
            place = HEADER if first else 0
            first = False
            while place + HEADER <= len(block):
                size, kind = struct.unpack_from("<HB", block, place + 4)
                piece = block[place + HEADER : place + HEADER + size]
                place += HEADER + size
                if kind == 0 or len(piece) < size:
                    break
                held = piece if kind in (1, 2) else held + piece
                if kind in (1, 4):
                    yield held
                if len(held) > LONGEST:
                    held = b""


def _history(data: bytes) -> Row:
    found: dict[object, object] = {}
    for number, value in fields_of(data):
        if number == 1 and isinstance(value, bytes):
            names, text = [], b""
            for part, content in fields_of(value):
                if part in (1, 2) and isinstance(content, bytes):
                    names.append(content.decode("utf-8", errors="replace"))
                elif part == 16 and isinstance(content, bytes):
                    text = content
            try:
                found["/".join(names)] = json.loads(text)
            except (ValueError, RecursionError):
                continue
    return flat_row(found)
