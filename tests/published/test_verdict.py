"""The rules: fixed by their hash, and one verdict for every case."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import clipbias.published.verdict as rules
from clipbias.published.verdict import Direction, Number, Outcome, Verdict, judge

NUMBERS = st.floats(-1, 1)


def outcome(value: float, still: float = 0.0, half_width: float = 0.0) -> Outcome:
    return Outcome(value=value, half_width=half_width, still=still, margin=0.01, widest=0.06)


def test_the_rules_are_those_that_were_hashed() -> None:
    file = Path(rules.__file__)
    assert (
        hashlib.sha256(file.read_bytes()).hexdigest() == (file.parent / "record" / "rules.sha256").read_text().strip()
    )


@pytest.mark.parametrize(
    ("value", "low", "high", "published", "verdict"),
    [
        (0.20, 0.15, 0.25, 0.21, "explained"),  # in a band that excludes 0
        (0.00, -0.05, 0.05, 0.03, "explained"),  # noise, and nothing but noise came
        (0.00, -0.30, 0.30, 0.21, "not explained"),  # holds everything
        (0.10, 0.05, 0.15, 0.21, "direction right"),
        (0.10, 0.05, 0.15, -0.08, "contradicted"),
        (0.10, 0.05, 0.15, 0.00, "contradicted"),  # something was to come
        (0.00, -0.05, 0.05, 0.21, "not explained"),
        (-0.10, -0.15, -0.05, -0.21, "direction right"),
        (-0.10, -0.15, -0.05, 0.08, "contradicted"),
    ],
)
def test_one_example_of_each_case(value: float, low: float, high: float, published: float, verdict: Verdict) -> None:
    assert judge(Number(value=value, low=low, high=high), outcome(published)).verdict == verdict


@pytest.mark.parametrize(
    ("size", "spread", "published", "verdict"),
    [
        (0.3, 1.0, 1, "direction right"),
        (0.05, 1.0, 1, "not explained"),  # a twentieth of the spread is no drift
        (0.05, 1.0, 0, "direction right"),
        (0.3, 1.0, 0, "contradicted"),
        (0.3, 1.0, -1, "contradicted"),
        (-1e-6, 0.0, -1, "direction right"),
    ],
)
def test_directions(size: float, spread: float, published: int, verdict: Verdict) -> None:
    assert judge(Direction(size=size, spread=spread), outcome(published)).verdict == verdict


def test_a_reading_from_a_plot_counts_for_the_theory_where_it_may_lie_in_the_band() -> None:
    band = Number(value=0.1, low=0.05, high=0.15)
    assert judge(band, outcome(0.16)).verdict == "direction right"
    assert judge(band, outcome(0.16, half_width=0.02)).verdict == "explained"


@given(value=NUMBERS, down=st.floats(0, 1), up=st.floats(0, 1), published=NUMBERS, still=NUMBERS)
def test_turning_the_axis_round_changes_no_verdict(
    value: float, down: float, up: float, published: float, still: float
) -> None:
    band, mirrored = (
        Number(value=value, low=value - down, high=value + up),
        Number(value=-value, low=-value - up, high=-value + down),
    )
    assert judge(band, outcome(published, still)) == judge(mirrored, outcome(-published, -still))


@given(value=NUMBERS, half=st.floats(0, 1), published=NUMBERS, still=NUMBERS)
def test_explained_is_never_said_of_what_lies_outside(
    value: float, half: float, published: float, still: float
) -> None:
    found = judge(Number(value=value, low=value - half, high=value + half), outcome(published, still))
    inside = value - half <= published <= value + half
    assert inside or found.verdict != "explained"
    assert not inside or found.verdict in ("explained", "not explained")
