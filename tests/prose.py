"""How many numbers a page asks its reader to carry: `python tests/prose.py README.md docs/*.md`.

Code, tables, headings and the targets of links are left out; a date is one number, an interval [a, b] two. What is
measured is a guard and not a goal: a page of few numbers may still be unreadable.
"""

import re
import sys
from pathlib import Path

from test_docs import blocks

NUMBER = re.compile(r"(?<![\w.])\d+(?:[.,:/-]\d+)*(?:e[-−]?\d+)?")  # not the 8 of T8, nor the 0.1 of 3.0.1 once more
SENTENCE_END = re.compile(r"[.!?…:][)\]\"'”’»*_]*(?=\s|$)")
LEFT_OUT = {"code", "heading", "th", "td"}


def counts(text: str) -> tuple[int, int]:
    """(numbers, sentences) of a page's prose; a paragraph or an item of a list is a sentence at least."""
    prose = [words for kind, words, _ in blocks(text) if kind not in LEFT_OUT]
    return sum(len(NUMBER.findall(words)) for words in prose), sum(
        max(1, len(SENTENCE_END.findall(words))) for words in prose
    )


def numbers_per_sentence(text: str) -> float:
    numbers, sentences = counts(text)
    return numbers / max(1, sentences)


if __name__ == "__main__":
    for name in sys.argv[1:]:
        page = Path(name).read_text(encoding="utf-8")
        numbers, sentences = counts(page)
        sys.stdout.write(f"{numbers_per_sentence(page):5.2f}  {numbers:4} / {sentences:<4} {name}\n")
