"""Every finding has its sentence, every gap its words, and both are filled in from what comes with them."""

import ast
from pathlib import Path

import pytest

from clipbias.audit import words
from clipbias.audit.diagnose.finding import Finding, Gap
from clipbias.audit.frameworks.catalogue import FRAMEWORKS, meanings_of, recognised
from clipbias.audit.frameworks.trl import TRL
from clipbias.audit.log import Role

ROOM = Path(words.__file__).parent / "diagnose"


def coded(kind: str) -> set[str]:
    """Codes that the diagnosis writes as they are, by its syntax trees."""
    found = set()
    for file in ROOM.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == kind:
                found |= {k.value.value for k in node.keywords if k.arg == "code" and isinstance(k.value, ast.Constant)}
    return found


def test_all_that_is_found_can_be_said() -> None:
    assert len(coded("Finding")) > 25
    assert coded("Finding") <= words.SENTENCES.keys()
    assert coded("Gap") == words.GAPS.keys()


def test_what_was_not_logged_is_left_out() -> None:
    evidence = {"lines": 3, "why": "the gradient is 0", "reward": None}
    said = words.say(Finding(code="no-learning-signal", strength="certain", evidence=evidence))
    assert said == "No learning signal in any of 3 lines: the gradient is 0."
    said = words.say(Finding(code="no-learning-signal", strength="certain", evidence=evidence | {"reward": 0.5}))
    assert said.endswith("; mean reward 0.5.")


def test_a_number_that_must_be_there_is_missed() -> None:
    with pytest.raises(KeyError):
        words.say(Finding(code="clip-extreme", strength="strong"))


def test_a_gap_has_numbers_too() -> None:
    what, why = words.gap_words(Gap(code="too-few-points", switch_on="", evidence={"points": 2}))
    assert (what, why) == ("a trend of entropy", "the log has 2 of its values")


@pytest.mark.parametrize("framework", FRAMEWORKS, ids=lambda framework: framework.name)
def test_a_framework_knows_its_own_names(framework: object) -> None:
    """Its marks bring it back, and notes and constants are of names that it has."""
    assert isinstance(framework, type(TRL))
    known = {name for names in framework.names.values() for name in names}
    assert set(framework.notes) | set(framework.constants) <= known
    if framework.marks:
        assert recognised({mark.replace("*", "x") for mark in framework.marks}) is framework


def test_truncation_is_never_taken_for_the_clip() -> None:
    for framework in FRAMEWORKS:
        for name in ("response_length/clip_ratio", "completions/clipped_ratio", "prompt_length/clip_ratio"):
            meaning = meanings_of([name], framework).get(name)
            assert meaning is None or meaning.role is Role.TRUNCATED, (framework.name, name)
