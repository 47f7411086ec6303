"""What no Markdown linter sees: sentences that were lost, links that lead nowhere, commands that do not exist.

Each check reads one text and returns its complaints, so that each can also be shown a text that must fail.
"""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote

import click
import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

from clipbias.cli.main import clipbias

ROOT = Path(__file__).parents[1]
PAGES = sorted(p for pattern in ("*.md", "docs/**/*.md", "recipes/**/*.md") for p in ROOT.glob(pattern))
MARKERS = re.compile(r"\b(?:X{2,}|TODO|FIXME|TBD)\b|<{4,}|>{4,}|={7,}")
ENDS = re.compile(r"[.:;!?…][)\]\"'”’»*_]*$")
LOST_START = re.compile(r"[a-zß-öø-ÿ]{2,} [a-zß-öø-ÿ]")
SHELL = re.compile(r"^(?:\.venv/bin/)?(?:clipbias|python|make) ")
FILES = re.compile(
    r"^[\w.-]+(?:/[\w.-]+)+\.(?:py|toml|md|png|json|html|sh)$|^(?:docs|tests|recipes|benchmarks|theory|simulate|validate)/[\w./-]*$"
)


def parsed(text: str) -> list[Token]:
    return MarkdownIt("commonmark").enable("table").parse(text)


def plain(inline: SyntaxTreeNode) -> str:
    """The text of a block as a reader sees it; code as one backquoted word."""
    words = []
    for token in inline.children or []:
        match token.type:
            case "text":
                words.append(token.content)
            case "code_inline":
                words.append("`code`")
            case "softbreak" | "hardbreak":
                words.append(" ")
            case "image":
                words.append(".")
            case _:
                words.append(plain(token))
    return "".join(words)


def blocks(text: str) -> Iterator[tuple[str, str, int]]:
    """(kind, text, line) of every paragraph, cell, heading and code block in order."""
    for node in SyntaxTreeNode(parsed(text)).walk():
        if node.type in ("code_block", "fence"):
            yield "code", node.content, node.map[0] + 1 if node.map else 0
        elif node.type == "inline" and node.parent is not None:
            yield node.parent.type, plain(node), node.map[0] + 1 if node.map else 0


def stray_markers(text: str) -> list[str]:
    """Placeholders and what a merge leaves behind."""
    return [
        f"line {line}: {m[0]}" for kind, words, line in blocks(text) if kind != "code" for m in MARKERS.finditer(words)
    ]


def unclosed_fences(text: str) -> list[str]:
    """A fence without its end makes code of the rest of the page."""
    lines, found = text.splitlines(), []
    for token in parsed(text):
        if token.type == "fence" and token.map and not lines[token.map[1] - 1].strip().startswith(token.markup):
            found.append(f"line {token.map[0] + 1}: fence without an end")
    return found


def broken_sentences(text: str) -> list[str]:
    """Paragraphs that stop in the middle, or start there. A formula or a block of code may stand between two halves."""
    found, listed = [], list(blocks(text))
    for i, (kind, words, line) in enumerate(listed):
        before, after = listed[i - 1] if i else None, listed[i + 1] if i + 1 < len(listed) else None
        if kind != "paragraph":
            continue
        bridged = (
            words.endswith(",") and after is not None and any("=" in w or k == "code" for k, w, _ in (listed[i], after))
        )
        if not ENDS.search(words) and not bridged:
            found.append(f"line {line}: does not end: …{words[-60:]}")
        joined = before is not None and (before[0] == "code" or "=" in before[1] or before[1].endswith(","))
        if LOST_START.match(words) and not joined:
            found.append(f"line {line}: does not begin: {words[:60]}…")
    return found


def anchors(text: str) -> set[str]:
    """The anchors that GitHub gives to headings."""
    headings = (words for kind, words, _ in blocks(text) if kind == "heading")
    return {re.sub(r"[^\w\- ]", "", words.lower()).replace(" ", "-") for words in headings}


def dead_links(text: str, page: Path) -> list[str]:
    """Links and pictures whose file or anchor is not there. Addresses on the web are not asked."""
    found = []
    for node in SyntaxTreeNode(parsed(text)).walk():
        target = (
            str(node.attrs.get("href" if node.type == "link" else "src", "")) if node.type in ("link", "image") else ""
        )
        if not target or re.match(r"[a-z]+:", target):
            continue
        name, _, anchor = unquote(target).partition("#")
        file = (page.parent / name) if name else page
        if name and not file.exists():
            found.append(f"no file {target}")
        elif anchor and anchor not in anchors(text if file == page else file.read_text(encoding="utf-8")):
            found.append(f"no anchor {target}")
    return found


def spans(text: str) -> Iterator[str]:
    """Every line of code, continued lines joined, and every code span."""
    for node in SyntaxTreeNode(parsed(text)).walk():
        if node.type in ("code_block", "fence"):
            yield from (line.strip() for line in re.sub(r"\\\n\s*", " ", node.content).splitlines())
        elif node.type == "code_inline":
            yield node.content.strip()


def wrong_commands(text: str, page: Path = ROOT / "page.md") -> list[str]:
    """Commands that are not there or lack an option that the text names; scripts, targets and files that are gone."""
    return [f"{wrong}: {span}" for span in spans(text) if (wrong := _wrong(span, page))]


def _wrong(span: str, page: Path) -> str:
    there = any((folder / span).exists() for folder in (ROOT, page.parent))
    if FILES.match(span) and not there and not span.startswith("runs/"):
        return "no such file"
    if not SHELL.match(span):
        return ""
    program, *arguments = shlex.split(span.removeprefix(".venv/bin/"), comments=True)
    if program == "clipbias":
        return _wrong_clipbias(arguments)
    if program == "make":
        return (
            ""
            if re.search(rf"^{re.escape(arguments[0])}:", (ROOT / "Makefile").read_text(), re.MULTILINE)
            else "no such target"
        )
    script = arguments[0]
    return "" if not script.endswith(".py") or (ROOT / script).exists() else "no such script"


def _wrong_clipbias(arguments: list[str]) -> str:
    command: click.Command = clipbias
    for i, word in enumerate(arguments):
        if isinstance(command, click.Group) and not word.startswith("-"):
            below = command.get_command(click.Context(command), word)
            if below is None:
                return "" if re.fullmatch(r"[A-Z]+|…", word) else f"no command {word}"
            command = below
        elif word.startswith("--"):
            known = {o for p in command.params if isinstance(p, click.Option) for o in (*p.opts, *p.secondary_opts)} | {
                "--help"
            }
            if word.partition("=")[0] not in known:
                return f"no option {word} of {' '.join(arguments[:i])}"
    return ""


@pytest.mark.parametrize("page", PAGES, ids=lambda p: str(p.relative_to(ROOT)))
def test_page_is_whole(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    complaints = (
        stray_markers(text)
        + unclosed_fences(text)
        + broken_sentences(text)
        + dead_links(text, page)
        + wrong_commands(text, page)
    )
    assert complaints == []


@pytest.mark.parametrize(
    ("check", "text"),
    [
        (stray_markers, "- twice the\nXX With the clip tokens grow surer.\n"),
        (stray_markers, "Sentence. TODO\n"),
        (stray_markers, "Text.\n\n<<<<<<< HEAD\n"),
        (unclosed_fences, "Text.\n\n```python\n>>> 1\n"),
        (broken_sentences, "Everything is frozen. AGAIN\n"),
        (broken_sentences, "A first sentence. A second one that\n\nAnother paragraph.\n"),
        (broken_sentences, "- a bullet that ends in a comma,\n- another.\n"),
        (broken_sentences, "A sentence.\n\nlearning rate, and fails in all four of those runs.\n"),
        (wrong_commands, "Say `clipbias theory nothing`.\n"),
        (wrong_commands, "    clipbias theory neutral --clip-lowest 0.2\n"),
        (wrong_commands, "    clipbias theory neutral \\\n      --clip-lowest 0.2\n"),
        (wrong_commands, "Run `make nothing`.\n"),
        (wrong_commands, "Run `python benchmarks/nothing.py`.\n"),
        (wrong_commands, "See `theory/nothing.py`.\n"),
    ],
)
def test_what_is_broken_is_seen(check, text: str) -> None:
    assert check(text)


@pytest.mark.parametrize(
    "link", ["[a](nothing.md)", "[a](README.md#no-such-heading)", "![a](docs/nothing.png)", "[a](#no-such-heading)"]
)
def test_dead_links_are_seen(link: str) -> None:
    assert dead_links(f"# Heading\n\nSee {link}.\n", ROOT / "page.md")


def test_what_is_whole_passes() -> None:
    text = (
        "# A title\n\nHence E[x] = 0, so that,\n\nx = 1,\n\nwhatever y is (see [above](#a-title)). It says:\n\n"
        "    clipbias theory neutral --clip-low 0.2\n\nand `XX` in code is no marker.\n"
    )
    assert stray_markers(text) + broken_sentences(text) + dead_links(text, ROOT / "page.md") == []
    assert wrong_commands(text) == unclosed_fences(text) == []


def test_every_documented_example_of_the_help_exists() -> None:
    """The examples in the commands' own help are read by the same check."""
    for module in sorted((ROOT / "clipbias" / "cli").glob("*.py")):
        for node in ast.walk(ast.parse(module.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef) and "Example: " in (ast.get_docstring(node) or ""):
                example = (ast.get_docstring(node) or "").split("Example: ", 1)[1].split("\n\n")[0]
                assert _wrong(" ".join(example.replace("\\\n", " ").split()), module) == ""
