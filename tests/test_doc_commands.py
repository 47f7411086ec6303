"""Commands in the docs that stand with their output: `$ clipbias …` in an indented block, run beside the page's files.

A fence with a file name after its language, as ```yaml grpo.yaml, is that file. Lines that end in … stand for more.
"""

import re
import shlex
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from test_docs import ROOT, parsed

PAGES = [p for p in sorted((ROOT / "docs").glob("*.md")) if "    $ clipbias " in p.read_text(encoding="utf-8")]
FILE = re.compile(r"\w+ ([\w.-]+)")


def told(text: str) -> tuple[dict[str, str], list[tuple[str, str]]]:
    """Files of a page, and its commands with the output that stands below each."""
    files, commands = {}, []
    for token in parsed(text):
        if token.type == "fence" and (name := FILE.fullmatch(token.info)):
            files[name[1]] = token.content
        elif token.type == "code_block" and token.content.startswith("$ "):
            for part in token.content[2:].split("\n$ "):
                command, _, output = part.partition("\n")
                commands.append((command, output.rstrip("\n")))
    return files, commands


def matches(output: str, shown: str) -> bool:
    """Whether what is shown came out, … standing for the rest of a line or for further lines."""
    parts = [re.escape(part) for part in shown.rstrip().split("…")]
    lines = "\n".join(line.rstrip() for line in output.rstrip().splitlines())
    return re.fullmatch(".*".join(parts), lines, re.DOTALL) is not None


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_print_what_the_page_shows(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, clipbias: Callable[[str], CompletedProcess[str]]
) -> None:
    files, commands = told(page.read_text(encoding="utf-8"))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "100")
    for name, content in files.items():
        (tmp_path / name).write_text(content, encoding="utf-8")
    for command, shown in commands:
        words = shlex.split(command)
        assert words[0] == "clipbias"
        done = clipbias(" ".join(words[1:]))
        assert matches(done.stdout + done.stderr, shown), f"{command}\n{done.stdout}{done.stderr}"


def test_a_page_that_shows_something_else_is_found() -> None:
    assert matches("a b\nc\nd\n", "a …\nd")
    assert not matches("a b\nc\nd\n", "a …\ne")
    assert not matches("a b\nc\n", "a b")
