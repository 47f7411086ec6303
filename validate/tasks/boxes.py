r"""The last non-empty \boxed{…} of a text.

Model output is untrusted: one pass over a bounded part of the text, whatever is in it.
"""

import re

# A response of 3,072 tokens has some 12,000 characters; of a longer text only the end is looked at.
LOOKED_AT = 100_000

_OPEN = r"\\boxed\s*\{"
# A brace with one backslash before it is a printed brace and groups nothing.
_MARK = re.compile(rf"(?P<box>{_OPEN})|(?P<printed>(?<!\\)\\[{{}}])|(?P<brace>[{{}}])")
_VISIBLE = re.compile(r"\S")


def visible(text: str) -> str:
    """`text` without characters that print nothing: controls, marks of direction, joiners, lone surrogates."""
    return "".join(c for c in text if c.isprintable() or c.isspace())


def last_box(text: str) -> str | None:
    r"""What is inside the last box that is closed and not empty, without the commands of boxes inside it; else None.

    Of nested boxes the outer one counts, if it is closed: \boxed{x = \boxed{5}} gives "x = {5}". A box is empty if it
    holds nothing but spaces, braces and empty boxes.
    """
    text = visible(text[-LOOKED_AT:])
    open_at: list[int | None] = []  # for every open brace: where its box's inside begins, or None if it is no box
    seen = -1  # where the last visible sign is
    found = None
    end = 0
    for mark in _MARK.finditer(text):
        if _VISIBLE.search(text, end, mark.start()):
            seen = mark.start() - 1
        end = mark.end()
        if mark["box"]:
            open_at.append(end)
        elif mark["printed"]:
            seen = mark.start()
        elif mark["brace"] == "{":
            open_at.append(None)
        elif open_at:
            start = open_at.pop()
            if start is not None and seen >= start:
                found = start, mark.start()
    return None if found is None else re.sub(_OPEN, "{", text[slice(*found)]).strip()
