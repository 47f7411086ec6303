"""A user's prompts: JSON Lines, a prompt and its columns a line. Sizes are bounded, since files come from anywhere."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np

from clipbias.common.errors import InputError, check

LARGEST = 64_000_000  # bytes
LONGEST = 100_000  # characters of a prompt
MOST = 64  # prompts that are asked; of more, so many are drawn
RESERVED = ("prompts", "completions", "completion", "completion_ids", "trainer_state", "log_extra", "log_metric")

Chat: TypeAlias = list[dict[str, str]]


@dataclass(frozen=True, slots=True, eq=False)
class Prompts:
    """prompts: all text or all chats (TRL decides by the first for all). columns: what else a line has, a value for
    each prompt, None where a line lacks it. of: how many the file has."""

    prompts: tuple[str | Chat, ...]
    columns: dict[str, list[Any]]
    of: int

    @property
    def chat(self) -> bool:
        return not isinstance(self.prompts[0], str)


def read_prompts(path: Path, seed: int) -> Prompts:
    """Raises InputError with the line that cannot be used. seed: of the prompts that are drawn where there are many."""
    rows = _rows(path)
    check(bool(rows), "prompts", "a file with a JSON object a line", str(path))
    kinds = {isinstance(row["prompt"], str) for _, row in rows}
    check(len(kinds) == 1, "prompts", "all text or all chats", "both")
    seen: dict[str, int] = {}
    for line, row in rows:
        first = seen.setdefault(json.dumps(row["prompt"]), line)
        check(first == line, "prompts", "distinct: what is read must not have moved the model", f"{first} = {line}")
    kept = [row for _, row in rows]
    if len(kept) > MOST:
        chosen = np.sort(np.random.default_rng(seed).choice(len(kept), MOST, replace=False))
        kept = [kept[i] for i in chosen]
    names = dict.fromkeys(name for row in kept for name in row if name != "prompt")
    for name in names:
        check(name not in RESERVED, "prompts", "without columns whose names TRL uses itself", name)
    columns = {name: [row.get(name) for row in kept] for name in names}
    return Prompts(tuple(row["prompt"] for row in kept), columns, len(rows))


def _rows(path: Path) -> list[tuple[int, dict[str, Any]]]:
    with path.open("rb") as file:
        raw = file.read(LARGEST + 1)
    check(len(raw) <= LARGEST, "prompts", f"a file of at most {LARGEST // 1_000_000} MB", str(path))
    return [(i, _row(line, f"line {i}")) for i, line in enumerate(raw.split(b"\n"), 1) if line.strip()]


def _row(line: bytes, place: str) -> dict[str, Any]:
    try:
        row: Any = json.loads(line.decode("utf-8-sig"), parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise InputError("prompts", f"JSON Lines: {place}: {error}") from None
    check(isinstance(row, dict), "prompts", f"JSON Lines: {place}: an object", type(row).__name__)
    check("prompt" in row, "prompts", f"JSON Lines: {place}: an object with a field prompt", ", ".join(row) or "{}")
    prompt = row["prompt"]
    if isinstance(prompt, str):
        _check_text(prompt, place)
    else:
        _check_chat(prompt, place)
    return dict(row)


def _no_constant(word: str) -> NoReturn:
    raise ValueError(f"{word} is no JSON")


def _check_text(text: str, place: str) -> None:
    check(bool(text.strip()), "prompts", f"JSON Lines: {place}: a prompt with something in it", "nothing")
    check(len(text) <= LONGEST, "prompts", f"JSON Lines: {place}: at most {LONGEST:,} characters", len(text))
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InputError("prompts", f"JSON Lines: {place}: text without half a surrogate pair") from None


def _check_chat(chat: Any, place: str) -> None:
    allowed = f'JSON Lines: {place}: text, or messages as {{"role": "user", "content": "…"}}'
    good = isinstance(chat, list) and chat and all(_is_message(message) for message in chat)
    check(bool(good), "prompts", allowed, type(chat).__name__ if not isinstance(chat, list) else "others")
    _check_text("".join(message["content"] for message in chat), place)


def _is_message(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    return set(message) == {"role", "content"} and all(isinstance(value, str) for value in message.values())


def repeated(values: Sequence[Any], problem: Sequence[int]) -> list[Any]:
    """A column for answers: each has its problem's value."""
    return [values[i] for i in problem]
