import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from clipbias.validate.tasks import equivalence
from clipbias.validate.tasks.equivalence import equivalent, exact, plain
from clipbias.validate.tasks.latex_verifier import SECONDS
from clipbias.validate.tasks.majority import majority_label, majority_labels

EQUAL_AS_TEXT = [
    ("42", " 42. "),
    ("1/2", r"\dfrac12"),
    (r"\frac{2}{4}", "1/2"),
    ("1,000", "1000"),
    ("1000", "1{,}000"),
    ("10,\\!080", "10080"),
    (r"\$18.90", "18.90"),
    (r"\left( 3, \frac{\pi}{2} \right)", r"(3,\tfrac{\pi}{2})"),
    ("-5", "-5"),
    ("5", "\u200f5\x00"),
    ("-3/4", r"-\frac{6}{8}"),
]
UNEQUAL_AS_TEXT = [("42", "43"), ("1/2", "1/3"), ("5", "-5"), ("3", ""), ("7", "7" * 1000), ("x" * 500, "x" * 501)]
EQUAL_AS_MATHEMATICS = [
    ("0.5", r"\frac{1}{2}"),
    (r"2\sqrt{2}", r"\sqrt{8}"),
    ("5", "x = 5"),
    ("5", r"5\text{ cm}"),
    (r"\{1, 2\}", r"\{2, 1\}"),
    (r"\text{Evelyn}", "Evelyn"),
    (r"x^2 + 2x + 1", "(x+1)^2"),
    (r"\pi r", r"\pi \cdot r"),
]
UNEQUAL_AS_MATHEMATICS = [
    ("11/2", "1 1/2"),
    ("0.5", "0.51"),
    ("(1, 2)", "(2, 1)"),
    (r"\sqrt{8}", r"\sqrt{7}"),
    ("1", "1/0"),
    ("3", "٤"),
    ("5", "__import__('os').getpid()"),
    ("5", r"\frac{"),
]


@pytest.fixture
def no_verifier(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(equivalence, "_COMMAND", ("false",))
    monkeypatch.setattr(equivalence, "_verifier", equivalence.Verifier())


@pytest.mark.usefixtures("no_verifier")
def test_plain_answers_are_decided_without_the_verifier() -> None:
    assert [pair for pair in EQUAL_AS_TEXT if not equivalent(*pair)] == []
    assert [pair for pair in UNEQUAL_AS_TEXT if equivalent(*pair)] == []


@pytest.mark.usefixtures("no_verifier")
def test_a_verifier_that_does_not_work_is_no_verdict() -> None:
    with pytest.raises(RuntimeError, match="verifier of answers does not work"):
        equivalent("0.25", r"\frac{1}{4} + 0")


def test_everything_else_is_mathematics() -> None:
    assert [pair for pair in EQUAL_AS_MATHEMATICS if not equivalent(*pair)] == []
    assert [pair for pair in UNEQUAL_AS_MATHEMATICS if equivalent(*pair)] == []


def test_what_is_decided_as_text_agrees_with_math_verify() -> None:
    pairs = [("1/2", r"\frac{2}{4}"), ("1/2", r"\frac{1}{3}"), ("12", "13"), ("-3", "3"), ("1,000", "1000")]
    for gold, given in pairs:
        assert equivalent(gold, given) == equivalence._verify(gold, given)


def test_values_of_plain_numbers() -> None:
    assert exact(plain(r"-\dfrac{6}{8}")) == exact("-3/4") == -0.75
    assert exact("1/0") is exact("1.5") is exact("9" * 16) is exact("٣") is exact("") is None


@pytest.mark.parametrize("given", ["9^{9^{9^{9}}}", "(10^{9})!", "{" * 150 + "1" + "}" * 150])
def test_what_hangs_is_ended_by_the_kernel_and_counts_as_unequal(given: str) -> None:
    begin = time.perf_counter()
    assert not equivalent("5", given)
    assert SECONDS <= time.perf_counter() - begin < 20.0  # it did hang, and a busy machine is granted 20 s for 1
    assert equivalent("0.125", r"\frac{1}{8}")  # and the verifier is none the worse


@pytest.mark.parametrize(
    "given",
    [
        r"\sqrt{" * 1000 + "2" + "}" * 1000,
        r"\sqrt{" * 50 + "2" + "}" * 50,
        "9" * 1_000_000,
        "9" * 399,
        "(" * 100_000,
        "\\" * 399,
        "\ud800",
        "0." + "3" * 390,
    ],
    ids=lambda text: f"{text[:9]}…",
)
def test_other_hostile_answers_are_unequal(given: str) -> None:
    begin = time.perf_counter()
    assert not equivalent(r"\sqrt{3}", given)
    assert time.perf_counter() - begin < 20.0


def test_a_verifier_ended_from_outside_is_started_again() -> None:
    assert equivalent("0.75", r"\frac{3}{4}")
    os.kill(equivalence._verifier._process.pid, signal.SIGKILL)
    assert equivalent("0.625", r"\frac{5}{8}")


SCRIPT = r"""
import os, threading, time
from clipbias.validate.tasks import equivalence
assert equivalence.equivalent("0.5", r"\frac{1}{2}")
pid = equivalence._verifier._process.pid
child = os.fork()
if child == 0:
    assert equivalence._verifier._process is None
    assert equivalence.equivalent("0.25", r"\frac{1}{4}") and not equivalence.equivalent("0.25", r"\frac{1}{3}")
    equivalence._verifier.close()
    os._exit(0)
assert equivalence.equivalent("0.2", r"\frac{1}{5}") and os.waitpid(child, 0)[1] == 0
threading.Thread(target=equivalence.equivalent, args=("5", "9^{9^{9^{9}}}")).start()
time.sleep(0.2)
print(pid, flush=True)
os.kill(os.getpid(), 9)
"""


def test_a_fork_asks_its_own_verifier_and_a_verifier_goes_with_its_parent() -> None:
    done = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, text=True, timeout=60)
    assert done.returncode == -signal.SIGKILL, done.stderr

    def runs(pid: str) -> bool:
        status = Path(f"/proc/{pid}/stat")
        return status.exists() and status.read_text().rsplit(") ")[-1][0] != "Z"

    until = time.perf_counter() + 20.0
    while runs(done.stdout.strip()) and time.perf_counter() < until:
        time.sleep(0.05)
    assert not runs(done.stdout.strip())


def test_majority_labels() -> None:
    assert majority_labels([[1, 2, 2], [None, 3, None], [None, None], []]) == [2, 3, None, None]
    assert majority_label([5, 4, 4, 5, 3]) == 5  # a tie: 5 came first
    assert majority_label([4, 5, 4, 5, 3]) == 4


def test_latex_answers_that_say_the_same_vote_together() -> None:
    assert majority_label(["0.5", "7", "7", r"\frac{1}{2}", "1/2"]) == "0.5"
    assert majority_label(["7", "0.5", r"\frac{1}{2}", "7", "7"]) == "7"
