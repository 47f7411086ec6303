"""Questions that are asked by what a finding is, not by how it reads."""

import pytest

from clipbias.validate.judge.finding import Finding, Kind, Untrained
from clipbias.validate.judge.questions import QUESTIONS, Shown, style_letter
from clipbias.validate.judge.statistics import Interval


def finding(kind: Kind, arm: str | None, details: Untrained | None = None) -> Finding:
    return Finding(
        experiment="a",
        kind=kind,
        unit="share",
        organism="mini",
        run="rewards-mini",
        arm=arm,
        verdict="held",
        seeds=5,
        claim=0.25,
        estimate=Interval(mean=0.3, stderr=0.01, low=0.27, high=0.33, n=5),
        margin=0.01,
        details=details,
    )


@pytest.mark.parametrize(
    ("shown", "covered"),
    [
        (Shown(kinds=("share",)), [True, True, False, False]),
        (Shown(kinds=("share",), arms=("clip",)), [True, False, False, False]),
        (Shown(kinds=("untrained",)), [False, False, True, True]),
        (Shown(kinds=("share", "untrained"), rates=("share",)), [True, True, True, False]),
    ],
)
def test_what_the_first_page_shows(shown: Shown, covered: list[bool]) -> None:
    lines = [
        finding("share", "clip"),
        finding("share", "no-clip"),
        finding("untrained", None, Untrained(style="plain", rate="share", answers=8)),
        finding("untrained", None, Untrained(style="plain", rate="boxed", answers=8)),
    ]
    assert [shown.covers(line) for line in lines] == covered


def test_every_question_has_its_letter() -> None:
    letters = [question.letter for question in QUESTIONS]
    assert letters == sorted(set(letters))
    assert {style_letter(style) for style in ("plain", "story", "python", "lorem")} <= set(letters)
