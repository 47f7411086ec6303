"""Are two answers in LaTeX the same?

Plain text and plain numbers are decided here; everything else by math-verify, in a process of its own that is started
when it is first needed (see latex_verifier).
"""

import atexit
import functools
import json
import os
import re
import selectors
import subprocess
import sys
import threading
from fractions import Fraction

from .boxed import visible

LONGEST = 400  # characters; a longer answer is compared as text
_PATIENCE = 120.0  # seconds on the clock until a verifier that does not answer is given up

# Spaces between two digits stay: 1 1/2 is not 11/2.
_SPACING = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])|\\[ ,;:!]|\\q?quad(?![a-zA-Z])|\\(?:left|right)(?![a-zA-Z])|\\?\$|~")
_SHORT_RATIO = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}|([0-9]))\s*(?:\{([^{}]*)\}|([0-9]))")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+")
_RATIO = re.compile(r"(-?)\\frac\{([0-9]{1,15})\}\{([0-9]{1,15})\}|(-?[0-9]{1,15})/([0-9]{1,15})")
_INTEGER = re.compile(r"-?[0-9]{1,15}")


def plain(answer: str) -> str:
    """The answer without spacing, dollars and a last full stop, with one spelling of fractions and thousands."""
    text = _SPACING.sub("", answer).replace("{,}", ",").removesuffix(".")
    text = _SHORT_RATIO.sub(lambda m: rf"\frac{{{m[1] or m[2] or ''}}}{{{m[3] or m[4] or ''}}}", text)
    return text.replace(",", "") if _THOUSANDS.fullmatch(text) else text


def exact(answer: str) -> Fraction | None:
    """The value of a plain integer or ratio of integers; None for anything else."""
    if _INTEGER.fullmatch(answer):
        return Fraction(int(answer))
    if found := _RATIO.fullmatch(answer):
        above, below = (found[1] + found[2], found[3]) if found[3] else (found[4], found[5])
        if int(below) != 0:
            return Fraction(int(above), int(below))
    return None


@functools.lru_cache(maxsize=1 << 16)
def equivalent(gold: str, given: str) -> bool:
    """Whether `given` says what `gold` says. Never raises on any text; bounded in time and memory.

    Not symmetric, as math-verify is not: "x = 5" may be given for "5". An answer of more than 400 characters is
    compared as text.
    """
    gold, given = visible(gold), visible(given)
    if gold.strip() == given.strip():
        return True
    if max(len(gold), len(given)) > LONGEST:
        return False
    plain_gold, plain_given = plain(gold), plain(given)
    if plain_gold == plain_given:
        return True
    values = exact(plain_gold), exact(plain_given)
    if None not in values:
        return values[0] == values[1]
    return _verifier.equal(gold, given)


class Verifier:
    """The process that compares; one for each process that asks, started when needed and gone when that one goes."""

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def equal(self, gold: str, given: str) -> bool:
        with self._lock:
            if self._process is None or self._process.poll() is not None:
                self._start()
            self._process.stdin.write(json.dumps([gold, given]) + "\n")
            self._process.stdin.flush()
            return self._answer() == "true"

    def _start(self) -> None:
        self.close()
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "clipbias.validate.latex_verifier"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,  # Ctrl-C is for the one who asks
        )
        if self._answer() != "ready":
            raise RuntimeError("the verifier of answers does not start: see python -m clipbias.validate.latex_verifier")

    def _answer(self) -> str:
        """The next line, or "" if the process has ended or does not answer."""
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            if not selector.select(_PATIENCE):
                self._process.kill()
                return ""
        return self._process.stdout.readline().strip()

    def close(self) -> None:
        if self._process is not None:
            self._process.stdin.close()
            self._process.stdout.close()
            self._process.kill()
            self._process.wait()
            self._process = None


_verifier = Verifier()
atexit.register(_verifier.close)
