"""A process that says whether two LaTeX answers are equal: `python -m clipbias.validate.tasks.latex_verifier`.

It reads one JSON pair [right answer, given answer] a line and writes "true" or "false" for each. math-verify and sympy
can hang or fill the memory inside one C call, where no exception and no signal handler reaches them. So each pair is
compared in a fork of this process, warmed up beforehand, under the kernel's own limits on processor time and memory,
and only its exit status is read. A pair that breaks a limit counts as unequal. Processor time, not time on the clock,
so that a busy machine gives the same verdicts; and as no comparison sees what an earlier one left behind, the order of
the pairs does not matter.
"""

import json
import logging
import os
import resource
import signal
import sys
from typing import NoReturn

from math_verify import LatexExtractionConfig, parse, verify

SECONDS = 1.0  # of processor time for one pair
_MEMORY = 1 << 30
_EQUAL, _UNEQUAL = 10, 11

# LaTeX only: math-verify's other reader of expressions goes through Python's eval.
_LATEX = (LatexExtractionConfig(boxed_match_priority=0),)
# One pair for every kind of answer: what sympy loads late, it loads before the forks.
_KINDS = (
    (r"\frac{1}{2}", "0.5"),
    (r"\sqrt{8}", r"2\sqrt{3}"),
    ("(1, 2]", "(1, 3]"),
    (r"\{1, 2\}", r"\{2, 3\}"),
    ("x = 5", "2x = 7"),
    ("x < 3", "x > 4"),
    (r"\text{even}", "odd"),
    (r"\begin{pmatrix} 1 \\ 2 \end{pmatrix}", r"\begin{pmatrix} 1 \\ 3 \end{pmatrix}"),
    (r"x^2 + 2x + 1", r"(x + 1)(x + 2)"),
    (r"\sin(\pi/3) + 2i", r"\frac{\sqrt{3}}{2} + i"),
)


def equal(gold: str, given: str) -> bool:
    def read(answer: str) -> list[object]:
        return list(parse(rf"\boxed{{{answer}}}", extraction_config=_LATEX, parsing_timeout=None))

    return bool(verify(read(gold), read(given), timeout_seconds=None))


def _compare(line: str) -> NoReturn:
    """The life of one fork."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGPROF, signal.SIG_DFL)  # ends the process, whatever it is at
    signal.setitimer(signal.ITIMER_PROF, SECONDS)
    status = _UNEQUAL
    try:
        if equal(*json.loads(line)):
            status = _EQUAL
    finally:
        os._exit(status)


def main() -> None:
    logging.disable(logging.CRITICAL)
    for gold, given in _KINDS:
        equal(gold, given)
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            _compare(line)
        status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        print(json.dumps(status == _EQUAL), flush=True)


if __name__ == "__main__":
    main()
