"""T11 against the published table of strategy switches (arXiv:2506.10947; step 0 to 150 on MATH-500)."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.theory.formulas.mixture import gain_parts, mixture_accuracy, moved_accuracy, partial_contributions

# (n, right before, right after) for code→code, code→language, language→code, language→language
SWITCHES = {
    "ground truth": [(165, 105, 119), (160, 93, 125), (72, 20, 56), (103, 29, 91)],
    "majority vote": [(243, 148, 172), (82, 50, 64), (119, 28, 96), (56, 21, 50)],
    "format": [(314, 191, 212), (11, 7, 5), (152, 36, 119), (23, 13, 21)],
    "incorrect": [(301, 182, 210), (24, 16, 20), (129, 29, 100), (46, 20, 38)],
    "random": [(268, 164, 155), (57, 34, 41), (142, 34, 98), (33, 15, 31)],
}


def test_the_published_shares_of_the_gain() -> None:
    table = np.array(list(SWITCHES.values()), dtype=float)
    shares = np.mean([partial_contributions(before, after) for _, before, after in table.transpose(0, 2, 1)], axis=0)
    np.testing.assert_allclose(100 * shares, [11.6, 8.6, 58.3, 21.4], atol=0.06)
    gain = (table[:, :, 2] - table[:, :, 1]).sum(axis=1) / 5
    assert gain.mean() == pytest.approx(23.5, abs=0.05)
    assert gain[-1] == pytest.approx(15.6)


def test_what_the_mixture_explains_of_the_gain_under_random_rewards() -> None:
    """5.6 of 15.6 points: the new shares at the old accuracies; 10 points happen within strategies."""
    (cc, cl, lc, ll) = SWITCHES["random"]
    before = ((cc[1] + cl[1]) / (cc[0] + cl[0]), (lc[1] + ll[1]) / (lc[0] + ll[0]))
    after = ((cc[2] + lc[2]) / (cc[0] + lc[0]), (cl[2] + ll[2]) / (cl[0] + ll[0]))
    code, later = (cc[0] + cl[0]) / 500, (cc[0] + lc[0]) / 500
    assert mixture_accuracy((code, 1 - code), before) == pytest.approx(0.494)
    parts = gain_parts((code, 1 - code), before, (later, 1 - later), after)
    assert parts.total == pytest.approx(0.156)
    assert parts.switching == pytest.approx(0.0560, abs=5e-4)


@given(st.lists(st.tuples(st.floats(0.01, 1), st.floats(0, 1), st.floats(0.01, 1), st.floats(0, 1)), min_size=2))
def test_parts_add_up(rows: list[tuple[float, float, float, float]]) -> None:
    table = np.array(rows)
    before, after = table[:, 0] / table[:, 0].sum(), table[:, 2] / table[:, 2].sum()
    parts = gain_parts(before, table[:, 1], after, table[:, 3])
    assert parts.total == pytest.approx(after @ table[:, 3] - before @ table[:, 1], abs=1e-12)
    same = gain_parts(before, table[:, 1], before, table[:, 3])
    assert same.switching == pytest.approx(0.0, abs=1e-12)


def test_a_strategy_may_be_used_by_none_or_by_all() -> None:
    assert mixture_accuracy((0.0, 1.0), (0.9, 0.4)) == 0.4
    assert mixture_accuracy((1.0,), (0.9,)) == 0.9
    parts = gain_parts((1.0, 0.0), (0.5, 0.2), (0.0, 1.0), (0.5, 0.3))
    assert (parts.switching, parts.within) == (pytest.approx(-0.3), pytest.approx(0.1))


def test_errors_name_the_field() -> None:
    for shares in ((0.5, 0.6), (-0.1, 1.1), (float("nan"), 1.0), (0.5,)):
        with pytest.raises(ValueError, match=r"shares must be numbers in \[0, 1\] that add to 1"):
            mixture_accuracy(shares, (0.5, 0.5))
    with pytest.raises(ValueError, match=r"accuracies must be in \[0, 1\]"):
        mixture_accuracy((0.5, 0.5), (0.5, 1.5))
    with pytest.raises(ValueError, match="correct_after must differ"):
        partial_contributions([1, 2], [2, 1])


def test_a_moved_share_is_the_mixture_of_two_strategies() -> None:
    shares, accuracies = np.linspace(0.1, 0.95, 7), (0.8, 0.3)
    mixed = [mixture_accuracy((share, 1 - share), accuracies) for share in shares]
    np.testing.assert_allclose(moved_accuracy(mixed[0], shares, 0.8 - 0.3), mixed, atol=1e-15)
    read_elsewhere = moved_accuracy(0.5, shares - 0.05, 0.8 - 0.3)  # only changes of the share count
    np.testing.assert_allclose(read_elsewhere - 0.5, np.array(mixed) - mixed[0], atol=1e-15)
    assert abs(moved_accuracy(mixed[0], shares, 0.4)[-1] - mixed[-1]) > 0.05  # negative control


def test_readings_that_contradict_one_another_may_move_an_accuracy_out_of_its_range() -> None:
    """The change is claimed as it is, uncut; at a share of 0.9 a contrast of 0.61 needs an accuracy of 0.549."""
    assert moved_accuracy(0.05, (0.9, 0.05), 0.61)[-1] == pytest.approx(-0.4685)
    assert moved_accuracy(0.9 * 0.61, (0.9, 0.05), 0.61)[-1] == pytest.approx(0.05 * 0.61)
