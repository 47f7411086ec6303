"""Are two answers in LaTeX the same?

Plain text and plain numbers are decided here; everything else by math-verify, in a process of its own that is started
when it is first needed (see latex_verifier).
"""

import atexit
import contextlib
import functools
import json
import os
import re
import selectors
import subprocess
import sys
import threading
from fractions import Fraction
from typing import IO

from .boxes import visible

LONGEST = 400  # characters; a longer answer is compared as text
_COMMAND = (sys.executable, "-P", "-m", "clipbias.validate.tasks.latex_verifier")
_PATIENCE = 120.0  # seconds on the clock until a verifier that does not answer is given up

# Spaces between two digits stay: 1 1/2 is not 11/2.
_SPACING = re.compile(r"(?<![0-9])\s+|\s+(?![0-9])|\\[ ,;:!]|\\q?quad(?![a-zA-Z])|\\(?:left|right)(?![a-zA-Z])|\\?\$|~")
_SHORT_RATIO = re.compile(r"\\[dt]?frac\s*(?:\{([^{}]*)\}|([0-9]))\s*(?:\{([^{}]*)\}|([0-9]))")
_THOUSANDS = re.compile(r"-?[0-9]{1,3}(?:,[0-9]{3})+")
_RATIO = re.compile(r"(-?)\\frac\{([0-9]{1,15})\}\{([0-9]{1,15})\}|(-?[0-9]{1,15})/([0-9]{1,15})")
_INTEGER = re.compile(r"-?[0-9]{1,15}")


def plain(answer: str) -> str:
    """The answer without spacing and dollars, with one spelling of fractions and thousands."""
    text = _SPACING.sub("", answer).replace("{,}", ",")
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


def equivalent(gold: str, given: str) -> bool:
    """Whether `given` says what `gold` says. Never raises on any text; bounded in time and memory.

    Not symmetric, as math-verify is not: "x = 5" may be given for "5". An answer of more than 400 characters is
    compared as text.
    """
    gold, given = (visible(answer).strip().removesuffix(".") for answer in (gold, given))
    if gold == given or not given or max(len(gold), len(given)) > LONGEST:
        return gold == given
    plain_gold, plain_given = plain(gold), plain(given)
    if plain_gold == plain_given:
        return True
    values = exact(plain_gold), exact(plain_given)
    if None not in values:
        return values[0] == values[1]
    return _verify(gold, given)


@functools.lru_cache(maxsize=1 << 16)
def _verify(gold: str, given: str) -> bool:
    return _verifier.equal(gold, given)


class Verifier:
    """The process that compares, started when it is needed and gone when this one goes.

    A fork of this process starts its own.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[str] | None
        self._process, self._lock = None, threading.Lock()

    def equal(self, gold: str, given: str) -> bool:
        request = json.dumps([gold, given])
        with self._lock:
            # No text can end it; if something else has, the pair is asked once more.
            verdict = self._ask(request) or self._ask(request)
        if verdict not in ("true", "false"):
            raise RuntimeError(f"the verifier of answers does not work: see {' '.join(_COMMAND)}")
        return verdict == "true"

    def _ask(self, request: str) -> str:
        """The answer to a line, or "" if the process has ended or does not answer."""
        if self._process is None:
            self._process = subprocess.Popen(
                _COMMAND,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
                start_new_session=True,  # Ctrl-C is for the one who asks
            )
        asked, answers = self._pipes(self._process)
        try:
            asked.write(request + "\n")
            asked.flush()
        except BrokenPipeError:
            answer = ""
        else:
            answer = self._read(answers)
        if not answer:
            self.close()
        return answer

    @staticmethod
    def _pipes(process: subprocess.Popen[str]) -> tuple[IO[str], IO[str]]:
        assert process.stdin is not None
        assert process.stdout is not None
        return process.stdin, process.stdout

    @staticmethod
    def _read(answers: IO[str]) -> str:
        with selectors.DefaultSelector() as selector:
            selector.register(answers, selectors.EVENT_READ)
            return answers.readline().strip() if selector.select(_PATIENCE) else ""

    def close(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self.forget()

    def forget(self) -> None:
        """Let go of the process without ending it."""
        if self._process is not None:
            for pipe in self._pipes(self._process):
                with contextlib.suppress(BrokenPipeError):
                    pipe.close()
        self._process, self._lock = None, threading.Lock()


_verifier = Verifier()
atexit.register(_verifier.close)
os.register_at_fork(after_in_child=_verifier.forget)  # or an open end of its pipes would keep it alive
