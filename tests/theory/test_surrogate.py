"""What docs/equations.md says of each gate."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.theory.laws.phase import phase
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo, Surrogate, push
from setups import SMALL

ALL = [UNCLIPPED, PpoClip(0.1, 0.2), PpoClip(0.2, None), PpoClip(None, 0.1), PpoClip(0.2, 0.2, 1.5), Cispo(1.2),
       Sapo(2.0, 3.0), Dppo(0.05, 0.1), Gspo(0.05, 0.03, 4), Probability()]  # fmt: skip
RATIO, OLD = st.floats(0.01, 20.0), st.floats(1e-6, 1 - 1e-6)


@pytest.mark.parametrize("surrogate", ALL, ids=str)
def test_gradients_are_kept_at_the_start_of_a_phase(surrogate: Surrogate) -> None:
    old = np.array([1e-6, 0.3, 1 - 1e-6])
    above, below = surrogate.slopes(np.ones(3), old)
    assert (above > 0).all()
    np.testing.assert_allclose(above, below)


@given(surrogate=st.sampled_from(ALL), old=OLD, ratio=RATIO)
def test_slopes_are_smooth_but_at_the_named_ratios(surrogate: Surrogate, old: float, ratio: float) -> None:
    near = np.array([ratio, ratio * (1 + 1e-7)])
    if not any(near[0] <= jump <= near[1] for jump in surrogate.jumps(old)):
        for slope in surrogate.slopes(near, np.full(2, old)):
            assert slope[1] == pytest.approx(slope[0], rel=1e-4)


@given(old=OLD, ratio=RATIO)
def test_pushes(old: float, ratio: float) -> None:
    for surrogate in (UNCLIPPED, Cispo(1.2), Probability(), Sapo(2.0, 2.0)):
        assert push(ratio, old, surrogate) == 0.0
    if abs(ratio - 1) > 1e-3:
        assert push(ratio, old, Sapo(1.0, 1.05)) > 0 or ratio > 15  # where both slopes have vanished
    inside = 0.9 <= ratio <= 1.2
    assert push(ratio, old, PpoClip(0.1, 0.2)) == (0.0 if inside else 1.0 if ratio < 1 else -1.0)
    assert push(ratio, old, PpoClip(0.1, 0.2, 1.5)) == (0.0 if inside or ratio > 1.5 else 1.0 if ratio < 1 else -1.0)


@given(old=OLD, ratio=RATIO)
def test_weights_of_the_noise(old: float, ratio: float) -> None:
    """w± = R·f±′, as the table has it."""
    per_token = ratio ** (1 / 4)
    low, high = ratio >= 0.9, ratio <= 1.2
    table = {
        UNCLIPPED: (ratio, ratio),
        PpoClip(0.1, 0.2): (ratio * high, ratio * low),
        PpoClip(0.1, 0.2, 1.5): (ratio * high, ratio * low * (ratio <= 1.5)),
        Cispo(1.2): (min(ratio, 1.2),) * 2,
        Dppo(0.05, 0.1): (ratio * (ratio * old - old <= 0.1), ratio * (ratio * old - old >= -0.05)),
        Gspo(0.05, 0.03, 4): (per_token / 4 * (per_token <= 1.03), per_token / 4 * (per_token >= 0.95)),
        Probability(): (ratio * old,) * 2,
    }
    for surrogate, weights in table.items():
        np.testing.assert_allclose(
            ratio * np.array(surrogate.slopes(ratio, old)), weights, rtol=1e-12, err_msg=str(surrogate)
        )
    for slope, tau in zip(Sapo(2.0, 3.0).slopes(ratio, old), (2.0, 3.0), strict=True):
        assert slope == pytest.approx(np.cosh(tau * (ratio - 1) / 2) ** -2)
        assert slope <= 1


@given(old=OLD, ratio=RATIO)
def test_the_push_of_sequences_is_that_of_their_tokens_weighted(old: float, ratio: float) -> None:
    per_token = ratio ** (1 / 4)
    claimed = push(per_token, old, PpoClip(0.05, 0.03)) * per_token / (4 * ratio)
    assert push(ratio, old, Gspo(0.05, 0.03, 4)) == pytest.approx(float(claimed))


@given(old=OLD)
def test_immunity(old: float) -> None:
    """The largest ratio there is, 1/b, against each gate's upper side; SAPO spares none, nor do CISPO's caps."""
    largest = 1 / old
    for surrogate, threshold in ((PpoClip(0.2, 0.25), 0.8), (PpoClip(0.2, 0.25, 1.5), 0.8), (Dppo(0.1, 0.2), 0.8),
                                 (Gspo(0.1, 0.1, 3), 1.1**-3)):  # fmt: skip
        if abs(old - threshold) > 1e-9:
            assert (surrogate.slopes(largest, old)[0] > 0) == (old > threshold)
    if old < 0.999:
        assert Sapo(2.0, 3.0).slopes(largest, old)[0] < 1


@given(old=OLD, ratio=st.floats(0.0, 1.0))
def test_outcomes_rarer_than_the_mask_are_never_cut_below(old: float, ratio: float) -> None:
    """DPPO bounds π − b ≥ −b; a larger b is cut where π has fallen by more than δ_l."""
    assert (Dppo(0.1, 0.2).slopes(ratio, old)[1] == 0) == ((ratio - 1) * old < -0.1)
    if old < 0.1:
        assert Dppo(0.1, 0.2).slopes(ratio, old)[1] == 1


def test_bounds_that_no_float_holds_are_never_reached() -> None:
    assert Gspo(0.1, 0.1, 1_000_000).jumps(0.5) == (0.0, np.inf)
    assert Gspo(0.1, 0.1, 3).jumps(0.5) == pytest.approx((0.9**3, 1.1**3))


@pytest.mark.parametrize("surrogate", ALL, ids=str)
def test_whole_groups_drift_where_there_is_a_push_and_nowhere_else(surrogate: Surrogate) -> None:
    found = phase(0.7, replace(SMALL, learning_rate=1.5, group_size=8, minibatches=4, surrogate=surrogate))
    driftless = surrogate in (UNCLIPPED, Cispo(1.2), Probability())
    assert (abs(found.log_odds_shift) < 1e-6 * found.log_odds_std) == driftless


def test_one_token_is_ppo() -> None:
    ratio, old = np.linspace(0.1, 3, 50), np.full(50, 0.3)
    np.testing.assert_allclose(Gspo(0.2, 0.3, 1).slopes(ratio, old), PpoClip(0.2, 0.3).slopes(ratio, old))


@pytest.mark.parametrize(
    ("make", "words"),
    [(lambda: PpoClip(0.0, 0.2), "clip_low must be"), (lambda: PpoClip(0.2, 0.0), "clip_high must be"),
     (lambda: PpoClip(0.2, 0.2, 1.1), "dual must be above 1.2"), (lambda: Cispo(0.9), "cap must be"),
     (lambda: Sapo(0.0, 1.0), "plus must be"), (lambda: Dppo(1.0, 0.1), r"low must be in \(0, 1\)"),
     (lambda: Gspo(0.2, 0.2, 0), "length must be"), (lambda: Gspo(0.2, 0.2, 2.5), "length must be a whole number"),
     (lambda: Gspo(0.2, 0.2, 10**7), "length must be"), (lambda: Gspo(0.2, -1.0, 2), "clip_high must be")],
)  # fmt: skip
def test_errors_name_the_field(make, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make()
