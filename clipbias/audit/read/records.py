"""Protocol buffers, as far as two kinds of event files need them: fields by number, nothing else."""

import struct
from collections.abc import Iterator

VARINT, EIGHT, BYTES, FOUR = 0, 1, 2, 5


def fields_of(data: bytes) -> Iterator[tuple[int, int | bytes]]:
    """(number, value) of a message's fields: whole numbers of varints, else bytes. Ends where the message is broken."""
    place, end = 0, len(data)
    while place < end:
        key, place = _varint(data, place)
        kind = key & 7
        if kind == VARINT:
            value, place = _varint(data, place)
            yield key >> 3, value
            continue
        if kind == BYTES:
            size, place = _varint(data, place)
        else:
            size = {EIGHT: 8, FOUR: 4}.get(kind, end)
        if place + size > end:
            return
        yield key >> 3, data[place : place + size]
        place += size


def _varint(data: bytes, place: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if place >= len(data):
            return value, len(data) + 1
        byte = data[place]
        place += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, place
    return value, len(data) + 1


def single(value: int | bytes, form: str) -> float | None:
    """One number of the struct's form, little-endian."""
    if isinstance(value, bytes) and len(value) >= struct.calcsize(form):
        found: float = struct.unpack_from(form, value)[0]
        return float(found)
    return None
