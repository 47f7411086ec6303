"""The ledger: it has every frozen run, it only grows, and what touches a line of it is seen."""

import json
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest
from click.testing import CliRunner

from clipbias.cli.validate import ledger as command
from clipbias.common.errors import InputError
from clipbias.validate.store.ledger import (
    NONE_BEFORE,
    Entry,
    append,
    checked_ledger,
    read_ledger,
)
from clipbias.validate.store.manifest import read_manifest

ROOT = Path(__file__).parents[3]
KEPT = ROOT / "docs" / "results" / "ledger.jsonl"

pytestmark = pytest.mark.fast


def entry(digit: str, fate: str = "hashed") -> Entry:
    return Entry(
        prediction_sha256=digit * 64,
        written="2026-11-26T12:00:00+00:00",
        recipe="rewards",
        recipe_sha256="0" * 64,
        model="default",
        fate=fate,
        where="rewards-default",
        entered="2026-11-26T12:00:01+00:00",
    )


def test_every_frozen_run_and_the_run_of_make_report_are_in_it() -> None:
    found = checked_ledger(KEPT).fates
    for manifest in sorted(KEPT.parent.glob("*/manifest.json")):
        frozen = read_manifest(manifest.parent)
        line = found[frozen.prediction_sha256 or ""]
        assert (line.fate, line.where, line.written) == ("frozen", manifest.parent.name, frozen.prediction_written)
        assert line.recipe_sha256 == frozen.recipe_sha256
    shown = json.loads((ROOT / "docs" / "organism.json").read_text())["runs"]
    assert {run["prediction_sha256"] for run in shown} <= found.keys()


UNCHAINED = "fda247e885bd84a7687bd0190953547280f31e0e"


def test_all_that_git_has_of_it_is_how_it_begins() -> None:
    def git(*words: str) -> str:
        return subprocess.run(["git", "-C", str(ROOT), *words], capture_output=True, text=True, check=False).stdout

    name = str(KEPT.relative_to(ROOT))
    for commit in git("log", "--format=%H", "--", name).split():
        then = git("show", f"{commit}:{name}").splitlines(keepends=True)
        if commit == UNCHAINED:  # its last line named no line before it; the next commit entered it again, in the chain
            again = json.loads(then.pop())["prediction_sha256"]
            assert again in read_ledger(KEPT).fates
        assert KEPT.read_text().startswith("".join(then)), commit


def test_lines_are_added_and_none_is_lost(tmp_path: Path) -> None:
    path = tmp_path / "results" / "ledger.jsonl"
    assert read_ledger(path).head == NONE_BEFORE
    append(path, [entry("a"), entry("b")])
    before = path.read_bytes()
    grown = append(path, [entry("a", "frozen"), entry("b"), entry("c", "retrospective")])
    assert path.read_bytes().startswith(before)
    assert read_ledger(path) == grown
    assert [e.fate for e in grown.entries] == ["hashed", "hashed", "frozen", "retrospective"]
    assert {k[0]: e.fate for k, e in grown.fates.items()} == {"a": "frozen", "b": "hashed", "c": "retrospective"}
    untouched = path.read_bytes()
    append(path, [entry("c", "retrospective")])
    assert path.read_bytes() == untouched


@pytest.mark.parametrize(
    ("touch", "line"),
    [
        (lambda lines: [lines[0].replace("rewards-default", "elsewhere"), *lines[1:]], 2),
        (lambda lines: [lines[0], *lines[2:]], 2),
        (lambda lines: lines[1:], 1),
        (lambda lines: [lines[1], lines[0], lines[2]], 1),
        (lambda lines: [*lines[:2], lines[1], lines[2]], 3),
        (lambda lines: [lines[0].replace('": "', '":  "', 1), *lines[1:]], 1),
        (lambda lines: [lines[0], "{}", *lines[1:]], 2),
        (lambda lines: [lines[0], lines[1][:20], lines[2]], 2),
        (lambda lines: [lines[0].replace('"hashed"', '"lost"'), *lines[1:]], None),
    ],
)
def test_a_line_that_was_touched_is_seen_and_nothing_more_is_written(touch, line: int | None, tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, [entry("a"), entry("b"), entry("c")])
    path.write_text("".join(f"{text}\n" for text in touch(path.read_text().splitlines())))
    touched = path.read_bytes()
    for work in (lambda: read_ledger(path), lambda: append(path, [entry("d")])):
        with pytest.raises(InputError, match="fate must be one of" if line is None else rf"jsonl:{line} must"):
            work()
    assert path.read_bytes() == touched


def test_a_line_without_its_end_is_no_line(tmp_path: Path) -> None:
    path = tmp_path / "ledger.jsonl"
    append(path, [entry("a")])
    path.write_text(path.read_text()[:-1])
    with pytest.raises(InputError, match="must have whole lines"):
        read_ledger(path)


def test_what_is_no_hash_or_no_fate_is_refused() -> None:
    with pytest.raises(InputError, match="prediction_sha256 must be 64 hexadecimal digits"):
        replace(entry("a"), prediction_sha256="A" * 64)


def test_the_command_shows_and_checks(tmp_path: Path) -> None:
    found = json.loads(CliRunner().invoke(command, [str(KEPT), "--json"]).stdout)
    assert found["head"] == read_ledger(KEPT).head
    assert len(found["entries"]) == len(KEPT.read_text().splitlines())
    text = CliRunner().invoke(command, [str(KEPT)]).stdout
    assert "2c890af6b2bb  2026-11-24 23:03  frozen" in text
    (tmp_path / "ledger.jsonl").write_text(KEPT.read_text())
    run = tmp_path / "clip-code-strong"
    run.mkdir()
    for name in ("manifest.json", "recipe.toml"):
        (run / name).write_bytes((KEPT.parent / run.name / name).read_bytes())
    assert checked_ledger(tmp_path / "ledger.jsonl").entries
    (tmp_path / "ledger.jsonl").write_text("\n".join(KEPT.read_text().splitlines()[:3]) + "\n")
    with pytest.raises(InputError, match=r"must hold every frozen run; .*clip-code-strong is not in it"):
        checked_ledger(tmp_path / "ledger.jsonl")
