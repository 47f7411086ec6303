"""Pages that a reader goes through from top to bottom carry few numbers, and explain their words at first use."""

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it.tree import SyntaxTreeNode

from prose import counts, numbers_per_sentence
from test_docs import ROOT, blocks, parsed

HOW_TO = ("guide", "explore", "check", "forecast", "controls", "monitor", "audit", "sweeps")
EXPLANATION = (
    "why-random-rewards",
    "toy",
    "drift",
    "neutral-clip",
    "noise",
    "tangent-model",
    "honest-predictions",
    "disputed",
)
RESULTS = ("experiments", "published")
WALKED = [ROOT / "docs" / f"{name}.md" for name in HOW_TO + EXPLANATION] + [ROOT / "recipes" / "README.md"]
LIMITS = {ROOT / "README.md": 1.5} | dict.fromkeys([*WALKED, *(ROOT / "docs" / f"{n}.md" for n in RESULTS)], 1.0)
PARTS = ["Claim", "Assumptions", "Proof", "Check"]
WORDS = ("advantage", "arm", "band", "log-odds", "mini-batch", "organism", "phase", "pilot", "seed", "toy")


@pytest.mark.parametrize("page", LIMITS, ids=lambda page: page.stem)
def test_sentences_carry_few_numbers(page: Path) -> None:
    assert numbers_per_sentence(page.read_text(encoding="utf-8")) < LIMITS[page]


@pytest.mark.parametrize("name", EXPLANATION)
def test_an_explanation_claims_assumes_proves_checks_and_shows(name: str) -> None:
    text = (ROOT / "docs" / f"{name}.md").read_text(encoding="utf-8")
    headings = [words for kind, words, _ in blocks(text) if kind == "heading"]
    assert [words for words in headings if words in PARTS] == PARTS
    assert any(node.type == "image" for node in SyntaxTreeNode(parsed(text)).walk())


def test_numbers_and_sentences_are_counted() -> None:
    """By hand. Code, tables, headings and T-numbers count for nothing; an interval is two numbers."""
    text = (
        "# Of 3 arms\n\nT8 says: it moved by 1.09 [−0.2, 2e-3] (see [13](a14.md)). On `15` it did not.\n\n"
        "| 16 |\n|---|\n| 17 |\n\n    clipbias --phases 18\n\n- an item of 19\n"
    )
    assert counts(text) == (5, 4)


def mentions(text: str) -> Iterator[tuple[str, str]]:
    """(words, target) of every piece of prose: where a link leads, "here" of bold words, else nothing."""

    def pieces(node: SyntaxTreeNode, target: str) -> Iterator[tuple[str, str]]:
        target = str(node.attrs["href"]) if node.type == "link" else "here" if node.type == "strong" else target
        if node.type == "text":
            yield node.content, target
        for child in node.children:
            if child.type not in ("table", "heading", "image"):
                yield from pieces(child, target)

    return pieces(SyntaxTreeNode(parsed(text)), "")


def unexplained(text: str) -> list[str]:
    """Key words whose first use neither leads to the glossary nor is explained on the spot, in bold."""
    found = []
    for word in WORDS:
        use = re.compile(rf"\b{word}(?:s|es)?\b", re.IGNORECASE)
        target = next((target for words, target in mentions(text) if use.search(words)), "here")
        if target != "here" and not target.endswith(f"glossary.md#{word}"):
            found.append(word)
    return found


@pytest.mark.parametrize("page", WALKED, ids=lambda page: page.parent.name + "/" + page.stem)
def test_key_words_are_explained_at_first_use(page: Path) -> None:
    assert unexplained(page.read_text(encoding="utf-8")) == []


def test_unexplained_words_are_seen() -> None:
    assert unexplained("# The toy\n\nA **band** is a range. Two Arms and [the toy](glossary.md#arm).\n") == [
        "arm",
        "toy",
    ]
    assert unexplained("| seed |\n|---|\n| arm |\n\n`pilot` and [phases](../docs/glossary.md#phase); a phase.\n") == []
