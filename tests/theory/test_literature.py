"""What others claim about clipping and random rewards: where the theory confirms it, and where it does not."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit

from clipbias.theory.laws.evolve import evolve
from clipbias.theory.laws.paths import paths
from clipbias.theory.laws.phase import phase
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from setups import STANDARD

pytestmark = pytest.mark.statistical

SHAPE = replace(STANDARD, surrogate=UNCLIPPED)
LOW, HIGH, BOTH = PpoClip(0.2, None), PpoClip(None, 0.2), PpoClip(0.2, 0.2)


def added_entropy(prob: float, clip: PpoClip, shape: PhaseConfig = SHAPE) -> float:
    """E[ΔH] of one phase beyond that of the same phase without a clip."""
    free = phase(prob, replace(shape, surrogate=UNCLIPPED)).entropy_shift
    return phase(prob, replace(shape, surrogate=clip)).entropy_shift - free


class TestPark:
    """arXiv:2509.26114: clip-low raises entropy, clip-high lowers it, and high dominates at symmetric ε."""

    @pytest.mark.parametrize("prob", [0.65, 0.75, 0.8])
    def test_signs_for_a_moderately_skewed_policy(self, prob: float) -> None:
        """Confirmed against the drift: the log-odds of the likelier outcome fall with clip-low, rise with clip-high,
        and rise with both."""
        shifts = [phase(prob, replace(SHAPE, surrogate=clip)).log_odds_shift for clip in (LOW, HIGH, BOTH)]
        assert shifts[0] < 0 < shifts[1]
        assert shifts[2] > 0

    def test_entropy_of_an_even_policy_rises_with_either_side(self) -> None:
        """Not confirmed at p = ½: there is no drift, and each bound cuts noise, without which entropy falls less."""
        low, high, both = (added_entropy(0.5, clip) for clip in (LOW, HIGH, BOTH))
        assert low == pytest.approx(high, rel=1e-3)
        assert 0.003 < low < both

    def test_entropy_signs_where_the_policy_is_skewed(self) -> None:
        """Confirmed at p = 0.8: clip-low adds entropy, clip-high takes it, both together take it."""
        low, high, both = (added_entropy(0.8, clip) for clip in (LOW, HIGH, BOTH))
        assert high < both < 0 < low

    def test_entropy_signs_with_many_outcomes(self) -> None:
        """Confirmed where one outcome dominates (ten others share 0.2), by more than four standard errors. Not
        confirmed for eleven Zipf outcomes (the first has 0.33): there each side raises entropy, as at p = ½."""
        skewed = np.array([0.8] + [0.02] * 10)
        flat = 1 / np.arange(1, 12)
        shape = replace(SHAPE, groups_per_minibatch=16, learning_rate=4.0)
        for probs, signs in ((skewed, (1, -1, -1)), (flat / flat.sum(), (1, 1, 1))):
            free, *clipped = (
                paths(probs, replace(shape, surrogate=clip), points=512).entropy_shift
                for clip in (UNCLIPPED, LOW, HIGH, BOTH)
            )
            for found, sign in zip(clipped, signs, strict=True):
                added = float(found.value - free.value)
                assert sign * added > 4 * float(np.hypot(found.stderr, free.stderr))


@pytest.mark.filterwarnings("ignore:one step moves")  # bounds that one sample crosses are part of the question
class TestOertell:
    """Oertell et al. 2025, two-armed bandit under random rewards: the mean stays, the median moves to the likelier arm,
    smaller ε means less skew."""

    CONFIG = replace(SHAPE, learning_rate=0.5, groups_per_minibatch=1, minibatches=4)

    def median_and_mean(self, clip: PpoClip, phases: int = 60) -> tuple[float, float]:
        law = evolve(0.7, replace(self.CONFIG, surrogate=clip), phases).laws[-1]
        return float(expit(law.quantile(0.5))), law.prob_mean

    def test_without_a_clip_the_mean_of_the_log_odds_stays_and_that_of_p_does_not(self) -> None:
        """Their "mean stays" holds for the log-odds to the last digit; E[p] drifts toward ½ (Itô), the median stays
        near the start."""
        median, mean = self.median_and_mean(UNCLIPPED)
        law = evolve(0.7, self.CONFIG, 60).laws[-1]
        assert law.mean == pytest.approx(np.log(7 / 3), abs=1e-3)
        assert mean < 0.69
        assert median > mean + 0.02

    def test_with_a_clip_the_median_moves_to_the_likelier_arm_and_the_mean_stays(self) -> None:
        """Confirmed, and explained: the mean stays only because two effects cancel. Noise pulls E[p] toward ½ (the
        unclipped arm), the clip pushes it back up."""
        median, mean = self.median_and_mean(BOTH)
        assert median > 0.8
        assert mean == pytest.approx(0.7, abs=0.01)
        assert self.median_and_mean(UNCLIPPED)[1] < mean - 0.04

    def test_smaller_bounds_skew_less_down_to_the_size_of_a_step(self) -> None:
        """Confirmed from ε = 0.2 to 0.05 (median − mean). Below that it does not go on: one step already crosses the
        bound (its standard deviation is 0.11), and the skew grows again."""
        skew = {}
        for e in (0.005, 0.05, 0.1, 0.2):
            median, mean = self.median_and_mean(PpoClip(e, e))
            skew[e] = median - mean
        assert skew[0.05] + 0.01 < skew[0.1] < skew[0.2] - 0.01
        assert skew[0.005] > skew[0.05] + 0.01


class TestChen:
    """arXiv:2512.16912: clipping is a negligible signal that lowers entropy; without it entropy may rise from a skewed
    policy."""

    def test_the_signal_is_small_beside_the_noise_where_clipping_is_rare(self) -> None:
        """Confirmed at the activation they report (0.1 % of samples): a phase drifts by a fiftieth of its noise."""
        found = phase(0.65, replace(SHAPE, learning_rate=0.45, surrogate=BOTH))
        activation = np.mean(found.clip_low_fraction) + np.mean(found.clip_high_fraction)
        assert 5e-4 < activation < 2e-3
        assert 0 < found.log_odds_shift < found.log_odds_std / 50

    def test_it_adds_up_over_phases(self) -> None:
        """Not confirmed as "negligible" over a run: drift grows with T, noise with √T, so after 100 phases at twice
        that activation the mean has moved by more than a tenth of the spread."""
        config = replace(SHAPE, learning_rate=0.5, surrogate=BOTH)
        law = evolve(0.65, config, 100).laws[-1]
        assert law.mean - np.log(0.65 / 0.35) > 0.1 * law.std

    @pytest.mark.parametrize(("prob", "added"), [(0.6, 8.5e-5), (0.65, -7.2e-5), (0.75, -5.5e-4)])
    def test_clipping_lowers_entropy_only_of_a_skewed_policy(self, prob: float, added: float) -> None:
        """Not confirmed as a rule: at p = 0.6 the cut noise, without which entropy falls less, outweighs the drift."""
        assert added_entropy(prob, BOTH, replace(SHAPE, learning_rate=0.45)) == pytest.approx(added, rel=0.05)

    def test_entropy_without_a_clip_falls_from_an_even_policy_and_rises_from_a_skewed_one(self) -> None:
        """Confirmed: the sign changes where d²H/dx² does, near p = 0.824 for two outcomes."""
        even, skewed = (phase(p, SHAPE).entropy_shift for p in (0.65, 0.93))
        assert even < -0.001
        assert skewed > 0.001
        below, above = (phase(p, replace(SHAPE, learning_rate=0.05)).entropy_shift for p in (0.815, 0.835))
        assert below < 0 < above
