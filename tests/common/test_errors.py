"""The one form of complaint: what it says, and that it says it in another process too."""

import pickle

import pytest

from clipbias.common.errors import InputError, check


def test_it_names_the_field_the_range_and_what_was_given() -> None:
    error = InputError("clip_low", "in (0, 1] or none", 1.3)
    assert (str(error), error.field) == ("clip_low must be in (0, 1] or none, got 1.3", "clip_low")
    assert error.rule == "must be in (0, 1] or none, got 1.3"
    assert isinstance(error, ValueError)


def test_texts_are_quoted_and_what_is_said_already_is_left_out() -> None:
    assert str(InputError("scale", "one of std, none", "max")) == "scale must be one of std, none, got 'max'"
    assert str(InputError("probs", "two entries here", 3, verb="have")) == "probs must have two entries here, got 3"
    assert str(InputError("ratio_std", "given")) == "ratio_std must be given"
    inside = InputError("clip_low", "in (0, 1] or none", 1.3).within("grid.")
    assert str(inside) == "grid.clip_low must be in (0, 1] or none, got 1.3"


@pytest.mark.parametrize("error", [InputError("seed", "at least 0", -1), InputError("out", "a prefix", verb="have")])
def test_it_is_the_same_after_a_journey(error: InputError) -> None:
    there = pickle.loads(pickle.dumps(error))
    assert (str(there), there.field, there.rule) == (str(error), error.field, error.rule)


def test_check_raises_only_where_it_does_not_hold() -> None:
    check(True, "phases", "at least 1", 1)
    with pytest.raises(InputError, match="phases must be at least 1, got 0"):
        check(False, "phases", "at least 1", 0)
