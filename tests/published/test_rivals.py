"""What is seen in published figures, and which account it speaks for."""

import math

import pytest

from clipbias.published.figure import Figure, Unit
from clipbias.published.rivals import Pair, Rivals, Row, Seen, sign_of


def figure(value: float, unit: Unit = "%", problems: int | None = 500, half_width: float = 0.0) -> Figure:
    return Figure(
        id="f", work="w", place="p", when="after", unit=unit, value=value, problems=problems, half_width=half_width
    )


@pytest.mark.parametrize(
    ("this", "other", "sign"),
    [
        (figure(70.8), figure(64.4), 1),  # 6.4 points, where two counts of 500 differ by up to 4.9 in 90 % of cases
        (figure(70.8), figure(68.8), 0),
        (figure(64.4), figure(70.8), -1),
        (figure(70.8, problems=None), figure(68.8, problems=None), 1),  # beyond the margin of a point
        (figure(0.50, "fraction", half_width=0.02), figure(49.4), 0),
        (figure(0.71, "fraction", half_width=0.02), figure(49.4), 1),
        (figure(-4.9, "points"), None, 0),
        (figure(-8.5, "points"), None, -1),
        (figure(155, "count", None), figure(164, "count", None), 0),
        (figure(31, "count", None), figure(15, "count", None), 1),
        (figure(-1, "sign", None), None, -1),
    ],
)
def test_a_difference_within_counting_and_reading_is_none(this: Figure, other: Figure | None, sign: int) -> None:
    assert sign_of(this, other) == sign


def test_counting_allows_what_two_binomials_show() -> None:
    """The width at which a difference of two rates stops being none is 1.645 standard deviations of it."""
    std = math.sqrt((0.6 * 0.4 + 0.5 * 0.5) / 500)
    for factor, sign in ((1.5, 0), (1.8, 1)):
        rate = 0.5 + factor * std
        assert sign_of(figure(100 * rate), figure(50.0)) == sign


def seen(sign: int, noise: float | None = None) -> Seen:
    return Seen(pair=Pair(figure=f"f.{sign}"), value=float(sign), unit="sign", sign=sign, noise=noise)


def test_what_is_as_expected_speaks_for_an_account_and_noise_for_none() -> None:
    rows = (
        Row(
            letter="A",
            what="a",
            expects=("+", "0", "?"),
            seen=(seen(1), seen(-1), seen(1, noise=0.2), seen(0, noise=0.9)),
        ),
        Row(letter="B", what="b", expects=("+", "0", "0"), seen=()),
    )
    rivals = Rivals(accounts=("clip", "other", "third"), rows=rows)
    clip, other, third = rivals.standings
    assert [s.sign for _, s in clip.speaks_for] == [1]
    assert [s.sign for _, s in clip.speaks_against] == [-1, 0]
    assert [s.sign for _, s in other.speaks_for] == [0]  # a fall is as far from no change as a rise
    assert [s.sign for _, s in other.speaks_against] == [1, -1]
    assert [s.noise for _, s in clip.undecided] == [s.noise for _, s in other.undecided] == [0.2]
    assert third.speaks_for == third.speaks_against == ()
    assert clip.apart == ()
    assert other.apart == ("A", "B")
    assert third.apart == ("B",)
    assert rivals.telling == rows[1:]
