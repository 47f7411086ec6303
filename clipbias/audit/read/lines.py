"""Lines of text: Python dictionaries as TRL prints them, JSON, and consoles that write name:value or name=value."""

import ast
import json
import re
from collections.abc import Callable

from ..frameworks.catalogue import FRAMEWORKS
from .bounded import LONGEST
from .rows import MOST_ROWS, Row, Rows, flat_row

MOST_DICT = 50_000  # characters of a printed dictionary or of a console's line
_COLOUR = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")
_NOT_PYTHON = re.compile(r"(?<=[:\s,\[])(nan|inf|-inf|NaN|Infinity|-Infinity|null|true|false)(?=\s*[,}\]])")
_PAIR = re.compile(  # every part has a most length: no text makes this slow
    r"([A-Za-z_][\w./@-]{0,120})\s{0,3}[:=]\s{0,3}(?:np\.float\d\d\()?"
    r"([-+]?(?:\d{1,30}(?:\.\d{0,30})?|\.\d{1,30})(?:[eE][-+]?\d{1,5})?|[-+]?(?:nan|inf)\b)(?![\w:])"
)
_WORDS = {"null": "None", "true": "True", "false": "False"}


def rows_of_lines(text: str, left_out: int = 0) -> Rows:
    """Every line that holds metrics, in whichever of the forms it is."""
    rows: list[Row] = []
    written: list[str] = []
    for raw in text.replace("\r", "\n").split("\n"):
        line = _COLOUR.sub("", raw).strip()
        if not line or len(line) > LONGEST or len(rows) >= MOST_ROWS:
            continue
        row = _dictionary(line) if "{" in line else None
        if row is None:
            pairs = _PAIR.findall(line) if len(line) <= MOST_DICT else []
            row = flat_row(dict(pairs)) if len(pairs) > 1 and _known(pairs) else None
            if row:
                written += [value for _, value in pairs[:200]] if len(written) < 20_000 else []
        if row:
            rows.append(row)
    return Rows(rows=rows, left_out=left_out, decimals=_decimals(written))


def _dictionary(line: str) -> Row | None:
    """From the first { to the last }, by JSON or else by Python's own reader of literals."""
    start, end = line.find("{"), line.rfind("}")
    if end < start or end - start > MOST_DICT:
        return None
    inner = line[start : end + 1]
    for reader in (json.loads, _python):
        parse: Callable[[str], object] = reader
        try:
            found = parse(inner)
        except (ValueError, SyntaxError, RecursionError, MemoryError):
            continue
        if isinstance(found, dict):
            row = flat_row(found)
            return row if any(isinstance(value, float) for value in row.values()) else None
    return None


def _python(text: str) -> object:
    """A literal; nan and inf, which Python prints without quotes, are put between them."""
    return ast.literal_eval(_NOT_PYTHON.sub(lambda word: _WORDS.get(word[1], f"'{word[1]}'"), text))


def _known(pairs: list[tuple[str, str]]) -> bool:
    """Whether any name means something: consoles write much else that looks like name=1."""
    return any(framework.meaning(name) for name, _ in pairs[:200] for framework in FRAMEWORKS)


def _decimals(written: list[str]) -> int | None:
    """d where every number with a point has exactly d digits behind it, as after rounding: exact zeros do not show."""
    lengths = {len(value.partition(".")[2]) for value in written if "." in value}
    if len(lengths) != 1 or len(written) < 5 or any("e" in value.lower() for value in written):
        return None
    return lengths.pop()
