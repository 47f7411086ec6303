"""Text of any size in bounded memory: whole up to LARGEST, beyond it the first and the last half of that."""

from pathlib import Path

from clipbias.common.errors import InputError, check

LARGEST = 16_000_000  # bytes; 16,000 lines of a trainer that logs thirty series
LONGEST = 200_000  # characters of a line; longer ones are no metrics
HEAD = 4096


def head_of(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(HEAD)


def text_of(path: Path, start: int = 0) -> tuple[str, int]:
    """Text from byte `start` on, and how many bytes of its middle were left out (whole lines stay whole)."""
    size = path.stat().st_size - start
    with path.open("rb") as file:
        file.seek(start)
        if size <= LARGEST:
            data, left_out = file.read(LARGEST), 0
        else:
            first = file.read(LARGEST // 2).rpartition(b"\n")[0]
            file.seek(-(LARGEST // 2), 2)
            last = file.read(LARGEST // 2).partition(b"\n")[2]
            data, left_out = first + b"\n" + last, size - len(first) - len(last)
    check(b"\0" not in data[:HEAD], str(path), "a log; it is binary", path.suffix or "no suffix")
    if not data.strip():
        raise InputError(str(path), "empty", verb="not be")
    return data.decode("utf-8", errors="replace"), left_out
