"""Prompts as users have them, and files made to break a reader."""

import json
from pathlib import Path

import pytest

from clipbias.common.errors import InputError
from clipbias.forecast.prompts import MOST, read_prompts

CHAT = [{"role": "user", "content": "2+2?"}]


def written(tmp_path: Path, *lines: object) -> Path:
    path = tmp_path / "prompts.jsonl"
    path.write_bytes(b"".join((w if isinstance(w, bytes) else json.dumps(w).encode()) + b"\n" for w in lines))
    return path


def test_columns_stand_beside_their_prompts(tmp_path: Path) -> None:
    found = read_prompts(written(tmp_path, {"prompt": "a", "answer": 1}, {"prompt": "b", "level": [2]}), 0)
    assert found.prompts == ("a", "b")
    assert found.columns == {"answer": [1, None], "level": [None, [2]]}
    assert not found.chat
    assert read_prompts(written(tmp_path, {"prompt": CHAT}), 0).chat


def test_many_are_drawn_by_the_seed_and_keep_their_columns(tmp_path: Path) -> None:
    path = written(tmp_path, *({"prompt": f"p{i}", "answer": i} for i in range(5 * MOST)))
    first, again, other = (read_prompts(path, seed) for seed in (1, 1, 2))
    assert first.prompts == again.prompts != other.prompts
    assert len(first.prompts) == MOST
    assert [f"p{i}" for i in first.columns["answer"]] == list(first.prompts)
    assert first.of == 5 * MOST


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ([], "a JSON object a line"),
        ([b"{"], "line 1"),
        ([{"prompt": "a"}, b"[1]"], "line 2"),
        ([b'{"prompt": NaN}'], "NaN"),
        ([b"[" * 100_000], "line 1"),
        ([b'{"prompt": "\xff"}'], "line 1"),
        ([b'{"prompt": "\\ud800"}'], "surrogate"),
        ([{"text": "a"}], "field prompt"),
        ([{"prompt": " "}], "something in it"),
        ([{"prompt": 3}], "messages"),
        ([{"prompt": []}], "messages"),
        ([{"prompt": [{"role": "user", "content": [1]}]}], "messages"),
        ([{"prompt": "x" * 100_001}], "100,000"),
        ([{"prompt": "a"}, {"prompt": CHAT}], "all text or all chats"),
        ([{"prompt": "a"}, {"prompt": "b"}, {"prompt": "a"}], "distinct"),
        ([{"prompt": "a", "completions": 1}], "TRL uses itself"),
    ],
)
def test_what_cannot_be_used_is_said_in_a_line(tmp_path: Path, lines: list[object], said: str) -> None:
    with pytest.raises(InputError, match=said) as found:
        read_prompts(written(tmp_path, *lines), 0)
    assert found.value.field == "prompts"
    assert "\n" not in str(found.value)
