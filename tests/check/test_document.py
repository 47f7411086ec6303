"""Files that come from anywhere: bounded, never run, and one line with its place where they cannot be read."""

import pickle
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.check.check import check_files
from clipbias.check.document import LARGEST, MOST_KEYS, parse, read_document
from clipbias.common.errors import InputError

FORMS = ("yaml", "json", "toml", "py", "sh")


def complaint(path: Path, content: bytes | str) -> str:
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(InputError) as error:
        check_files([path])
    assert "\n" not in str(error.value)
    return str(error.value)


@pytest.mark.parametrize(
    ("name", "content", "line"),
    [
        ("a.yaml", "epsilon: 0.2\nb: [1, 2\nc: 2\n", "line 3"),
        ("a.json", '{"epsilon": 0.2,\n "b" 1}', "line 2"),
        ("a.toml", "a = 1\nb = = 2\n", "line 2"),
        ("a.py", "a = 1\nGRPOConfig(epsilon=\n", "line 2"),
        ("a.yaml", b"epsilon: 0.2\nb: \xff\n", "line 2"),
    ],
)
def test_a_parser_that_stops_names_the_line(name: str, content: bytes | str, line: str, tmp_path: Path) -> None:
    assert line in complaint(tmp_path / name, content)


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return Path.touch, (marker,)

    for protocol in range(2, 6):
        found = complaint(tmp_path / "training_args.bin", pickle.dumps(Hostile(), protocol))
        assert "pickle" in found
        assert "json" in found  # how to get something that can be read
    assert not marker.exists()


def test_yaml_makes_no_objects(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    assert "YAML" in complaint(tmp_path / "a.yaml", f"a: !!python/object/apply:pathlib.Path.touch [{marker}]\n")
    assert not marker.exists()


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.yaml", "a: &a {b: *a}\n"),
        ("a.yaml", "x0: &x0 {a: 1}\n" + "".join(f"x{i}: &x{i} {{a: *x{i - 1}, b: *x{i - 1}}}\n" for i in range(1, 40))),
        ("a.yaml", "a: " + "[" * 5000 + "]" * 5000),
        ("a.json", '{"a":' * 3000 + "1" + "}" * 3000),
        ("a.py", "f(x=" + "(" * 3000 + ")" * 3000 + ")"),
        ("a.py", "f(x=" + "-" * 20000 + "1)"),
        ("a.yaml", "".join(f"k{i}: 1\n" for i in range(MOST_KEYS + 1))),
        ("a.sh", "x " * 60_000),
        ("a.sh", "A=aaaaaaaaaa\n" + ("A=" + "$A" * 10 + "\n") * 12),
        ("a.sh", 'A="x"\n' + 'A="$A$A"\n' * 60 + "trl grpo --epsilon $A\n"),
        ("a.sh", "A=" + "a" * 9000 + "\npython a.py " + "$A " * 100_000),
        ("a.yaml", "- a\n- b\n"),
        ("a.yaml", ""),
        ("a.json", "[]"),
        ("a.sh", ""),
        ("a.sh", "echo hello\n"),
        ("a.py", "print(1)\n"),
        ("a.bin", bytes(range(128, 256))),
    ],
)  # fmt: skip
def test_hostile_and_empty_files_are_one_line(name: str, content: bytes | str, tmp_path: Path) -> None:
    complaint(tmp_path / name, content)


def test_a_file_that_is_too_large_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    with path.open("wb") as file:
        file.truncate(1 << 33)  # 8 GB, of which nothing is stored
    with pytest.raises(InputError, match=f"at most {LARGEST // 1_000_000} MB"):
        read_document(path)


@given(text=st.text(max_size=300), form=st.sampled_from(FORMS))
def test_any_text_is_read_or_refused(text: str, form: str) -> None:
    with suppress(InputError):
        parse(Path(f"a.{form}"), text)


PIECES = ["$", "{", "}", "(", ")", "A", "=", " ", '"', "'", "\\", "\n", "#", "[@]", ":-", ";"]


@given(text=st.lists(st.sampled_from(PIECES), max_size=60))
def test_any_script_is_read_or_refused(text: list[str]) -> None:
    with suppress(InputError):
        parse(Path("a.sh"), "".join(text))
