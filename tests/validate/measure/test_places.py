"""Which problems a forecast surveys and reads."""

import pytest

from clipbias.common.errors import InputError
from clipbias.validate.measure.forecast_survey import places
from clipbias.validate.recipe.recipe import ForecastLine

LINE, COUNT = ForecastLine(problems=20, read_problems=10), 50


def test_surveyed_and_read_problems_are_apart_and_fixed() -> None:
    found = places(LINE, COUNT)
    assert (len(found.surveyed), len(found.read)) == (20, 10)
    assert not set(found.surveyed) & set(found.read)
    again = places(LINE, COUNT)
    assert (again.surveyed, again.read) == (found.surveyed, found.read)


def test_the_one_problem_of_an_arm_is_surveyed_in_the_place_of_another() -> None:
    before = places(LINE, COUNT)
    (left, *_) = sorted(set(range(COUNT)) - {*before.surveyed, *before.read})
    after = places(LINE, COUNT, [(left,), tuple(range(COUNT)), (before.surveyed[0],)])
    assert left in after.surveyed
    assert len(after.surveyed) == 20
    assert len(set(after.surveyed) & set(before.surveyed)) == 19
    assert after.read == before.read


def test_more_problems_than_there_are_are_refused() -> None:
    with pytest.raises(InputError, match=r"forecast\.problems must be at most 29 together with read_problems, got 30"):
        places(LINE, 29)
