"""The page is what the command writes, and its numbers are those of the JSON."""

import json
from pathlib import Path

import pytest

from clipbias.published.answer import Answer, published
from clipbias.published.page import page
from clipbias.published.verdict import VERDICTS

PAGE = Path(__file__).parents[2] / "docs" / "published.md"

pytestmark = pytest.mark.statistical


@pytest.fixture(scope="module")
def answer() -> Answer:
    return published()


def test_the_page_is_generated(answer: Answer) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(answer, "published.png")
    assert PAGE.with_suffix(".png").exists()


def test_json_gives_every_line_with_source_and_verdict(answer: Answer) -> None:
    found = json.loads(json.dumps(answer.to_json(), allow_nan=False))
    entries = [e for e in found["entries"] if e["kind"] != "out of scope"]
    assert len(entries) >= 60
    assert len({e["source"]["where"] for e in entries}) >= 10
    for entry in entries:
        assert entry["verdict"] in VERDICTS
        assert entry["source"]["work"]
        assert entry["source"]["place"]
        if entry["kind"] == "predicted":
            low, high = entry["predicted"]["band"]
            assert low <= entry["predicted"]["value"] <= high
    assert sum(found["counts"].values()) == len(found["entries"])


def test_the_parts_of_the_gain_add_up(answer: Answer) -> None:
    early, end = answer.headline.at_150, answer.headline.at_end
    assert early.by_share + early.which_problems + early.kept == pytest.approx(early.total)
    assert end.by_share + end.which_problems + end.open == pytest.approx(end.total)
    assert early.total == pytest.approx(answer.record.figure("gain-150.random").value)


def test_the_rivals_can_be_told_apart(answer: Answer) -> None:
    """Every account differs from the clip's somewhere, and some measurement sets the clip apart from all of them."""
    rivals = answer.rivals
    assert rivals.telling
    for other in range(1, len(rivals.accounts)):
        assert any("?" not in (m.expects[0], m.expects[other]) and m.expects[0] != m.expects[other]
                   for m in rivals.measurement)  # fmt: skip
    assert all(0 < design.power <= 1 for design in answer.headline.designs)
