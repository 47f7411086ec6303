"""The answers against computations that share nothing with them."""

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.special import expit, logit, ndtr
from scipy.stats import fisher_exact, hypergeom

from clipbias.published.chance import _drawn, chances, pattern, quiet
from clipbias.published.confront import Line
from clipbias.published.entry import Comparisons, Entry, Question
from clipbias.published.figure import Figure
from clipbias.published.headline import ratio_std
from clipbias.published.mixture import MovedShare, OneStrategy, Parts, Strategies, Subset
from clipbias.published.training import (
    Geometry,
    ImpliedActivation,
    Step,
    Training,
    activation_of,
    law_after,
    mean_path,
    rate_in,
    rate_of,
)
from clipbias.published.verdict import Number
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.setup import PhaseConfig

KNOWN = Strategies(share=0.6, with_code=0.7, with_language=0.2, problems=400)
GEOMETRY = Geometry(group_size=16, groups_per_minibatch=8, minibatches=8, clip_low=0.2, clip_high=0.2, momentum=0.9)
STEP = Step(activation=0.002, half_width=0.001, share=0.6, geometry=GEOMETRY)
NOTHING = Comparisons(between=(), still=(), clipped=(), unclipped=())
TRAINING = Training(step=STEP, geometry=GEOMETRY, strategies=KNOWN, accuracy=0.5, steps=10, reads="share")


def line(name: str, figure: Figure, question: Question | None, still: float = 0.0) -> Line:
    entry = Entry(
        id=name, group="g", claim="c", figure=figure, still=still, still_figure=None, question=question,
        out_of_scope=None, used=(), assumed=(), note=None,
    )  # fmt: skip
    return Line(entry=entry, prediction=None, judged=None)


def share(value: float, half_width: float = 0.0) -> Figure:
    return Figure(
        id="f", work="w", place="p", when="after", unit="fraction", value=value, problems=400, seeds=(1, 2),
        half_width=half_width,
    )  # fmt: skip


def covered(band: Number, values: np.ndarray) -> float:
    return float(np.mean((values >= band.low) & (values <= band.high)))


def test_a_moved_share_moves_accuracy_as_problems_one_by_one_would() -> None:
    """400 problems, each asked with code or without by the share: mean and 90 % of what counting shows, contrast
    re-measured every time."""
    asked = MovedShare(accuracy=0.5, strategies=KNOWN, share_after=0.9, reads="gain")
    rng, found = np.random.default_rng(1), []
    for _ in range(4000):
        code = rng.random(400) < np.array([[0.6], [0.9]])
        right = rng.random((2, 400)) < np.where(code, 0.7, 0.2)
        found.append(right[1].mean() - right[0].mean())
    band = asked.predict()
    assert band.value == pytest.approx(np.mean(found), abs=4 * np.std(found) / math.sqrt(4000))
    assert 0.9 <= covered(band, np.array(found)) <= 0.97  # the uncertain contrast is in it besides
    shifted = replace(band, low=band.low + 0.06, high=band.high + 0.06)
    assert covered(shifted, np.array(found)) < 0.75  # negative control


def test_one_strategy_gains_what_counting_twice_shows() -> None:
    rng = np.random.default_rng(2)
    found = (rng.binomial(500, 0.368, 20_000) - rng.binomial(500, 0.368, 20_000)) / 500
    assert covered(OneStrategy(accuracy=0.368, problems=500).predict(), found) == pytest.approx(0.9, abs=0.015)


def test_problems_that_switched_are_right_as_often_as_those_that_were_there() -> None:
    band = Subset(n=142, right_before=34, rate_after=0.609).predict()
    found = np.random.default_rng(3).binomial(142, 0.609, 20_000)
    assert band.value == pytest.approx(found.mean(), abs=0.2)
    assert covered(band, found) == pytest.approx(0.9, abs=0.02)


def test_parts_of_the_gain_add_up_and_give_those_that_kept_nothing() -> None:
    given = {"n": (60.0, 5.0, 30.0, 5.0), "right_before": (40.0, 3.0, 6.0, 2.0)}
    parts = [
        Parts(subset=subset, **given, with_code=0.7, with_language=0.2).predict().value
        for subset in ("CC", "CL", "LC", "LL")
    ]
    assert parts[0] == parts[3] == 0.0
    assert parts[2] == pytest.approx((0.7 * 30 - 6) / (0.7 * 30 - 6 + 0.2 * 5 - 3))
    assert sum(parts) == pytest.approx(1.0)


def test_the_rate_of_an_activation_has_that_activation() -> None:
    rate = rate_of(0.002, 0.6, GEOMETRY)
    assert activation_of(rate, 0.6, GEOMETRY) == pytest.approx(0.002, rel=0.02)
    assert activation_of(1.2 * rate, 0.6, GEOMETRY) > 0.003


def test_a_single_update_spreads_as_its_part_of_a_phase_of_eight() -> None:
    """With momentum β eight updates in a row have a variance of Σ β^|i−j| = 8 + 2·Σ(8−h)β^h single ones."""
    one = replace(GEOMETRY, minibatches=1)
    whole = sum(0.9 ** abs(i - j) for i in range(8) for j in range(8))
    laws = [evolve(0.6, g.free.config(rate_in(STEP, 0, g, 0.5, True), 0.5), 1).laws[1] for g in (GEOMETRY, one)]
    assert laws[0].std / laws[1].std == pytest.approx(math.sqrt(whole), rel=0.02)


def test_a_coarse_lattice_keeps_the_means() -> None:
    config = GEOMETRY.config(rate_of(0.002, 0.6, GEOMETRY), 0.5)
    fine, coarse = evolve(0.6, config, 40, "gaussian").laws[-1], evolve(0.6, config, 40, "gaussian", 3.0).laws[-1]
    assert coarse.prob_mean == pytest.approx(fine.prob_mean, abs=1e-3)
    assert coarse.std == pytest.approx(fine.std, rel=5e-3)


def test_the_mean_path_follows_the_law_where_rewards_select() -> None:
    """Against T10 with each seed followed, for a weak and for a strong selection over a few phases."""
    for success, steps in (((0.52, 0.5), 5), ((0.7, 0.4), 3)):
        config = GEOMETRY.config(rate_of(0.002, 0.6, GEOMETRY), success)
        path, law = mean_path(0.6, config, steps)[-1], evolve(0.6, config, steps, "gaussian").laws[-1]
        moved = law.mean - float(logit(0.6))
        assert path.mean - float(logit(0.6)) == pytest.approx(moved, rel=0.1)
        assert path.std == pytest.approx(law.std, rel=0.15)


def test_a_training_without_time_stays_and_without_a_clip_does_not_drift() -> None:
    free = law_after(0.6, rate_in(STEP, 0, GEOMETRY, 0.5, True), GEOMETRY.free, 0.5, 10)
    assert free.mean == pytest.approx(float(logit(0.6)), abs=1e-3)
    bound = TRAINING.law(0)
    assert bound.mean > free.mean + 1e-3
    assert expit(bound.quantile(0.05)) < 0.6 < expit(bound.quantile(0.95))


def test_noise_alone_on_one_strategy_is_the_difference_of_two_counts() -> None:
    figure = Figure(id="f", work="w", place="p", when="after", unit="points", value=-4.9, problems=500, seeds=(1, 3))
    found = chances((line("e", figure, OneStrategy(accuracy=0.368, problems=500)),), NOTHING)
    for chance, seeds in zip(found, (1, 3), strict=True):
        std = math.sqrt(0.368 * 0.632 / 500 * (1 + 1 / seeds))
        assert chance.seeds == seeds
        assert chance.probability == pytest.approx(float(ndtr(-0.049 / std)), abs=4 * chance.stderr)


def test_noise_alone_is_drawn_from_the_law_of_the_free_walk() -> None:
    changes = _drawn(TRAINING, 1)
    law = law_after(0.6, rate_in(STEP, 0, GEOMETRY, 0.5, True), GEOMETRY.free, 0.5, 10)
    walked = float(law.mass @ (expit(law.grid) - law.prob_mean) ** 2)
    counting = 2 * 0.6 * 0.4 / 400
    assert changes.mean() == pytest.approx(law.prob_mean - 0.6, abs=2e-3)
    assert changes.var() == pytest.approx(walked + counting, rel=0.05)


def test_arms_that_walk_alike_differ_by_two_walks_and_two_counts() -> None:
    """Against a second way to the same law: the free walk's density, folded with itself and with normal counting."""
    lines = (line("this", share(0.75), TRAINING, 0.6), line("other", share(0.55), TRAINING, 0.6))
    found = chances(lines, replace(NOTHING, between=(("this", "other"),)))[:2]
    law = law_after(0.6, rate_in(STEP, 0, GEOMETRY, 0.5, True), GEOMETRY.free, 0.5, 10)
    probs, mass = expit(law.grid), law.mass
    for chance in found:
        assert chance.effect == pytest.approx(0.2)
    std = np.sqrt((probs * (1 - probs))[:, None] / 400 + (probs * (1 - probs))[None, :] / 400)
    exact = float(mass @ ndtr((probs[:, None] - probs[None, :] - 0.2) / std) @ mass)
    assert found[0].probability == pytest.approx(exact, abs=4 * found[0].stderr)
    assert found[1].probability < found[0].probability


def test_noise_leaves_an_arm_near_its_start_as_often_as_its_law_says() -> None:
    """Two arms, independent: the product; smaller steps make it likelier. Against the law's own distribution."""
    lines = (line("a", share(0.58, 0.02), TRAINING, 0.6), line("b", share(0.6, 0.03), TRAINING, 0.6))
    rows = quiet(lines, replace(NOTHING, still=("a", "b")))
    law = law_after(0.6, rate_in(STEP, 0, GEOMETRY, 0.5, True), GEOMETRY.free, 0.5, 10)
    probs = expit(law.grid)
    std = np.sqrt(probs * (1 - probs) / 400 + 0.6 * 0.4 / 400)
    near = [float(law.mass @ (ndtr((0.6 + d - probs) / std) - ndtr((0.6 - d - probs) / std))) for d in (0.04, 0.03)]
    assert rows[0].probability == pytest.approx(near[0] * near[1], abs=0.01)
    assert rows[0].activation == pytest.approx(STEP.activation, rel=0.02)
    assert [row.probability for row in rows] == sorted(row.probability for row in rows)
    assert [row.activation for row in rows] == sorted((row.activation for row in rows), reverse=True)


def test_a_clean_division_of_arms_is_fishers_exact_test() -> None:
    values = {"c1": 0.75, "c2": 0.75, "c3": 0.61, "u1": 0.75, "u2": 0.6, "u3": 0.5}
    lines = tuple(line(name, share(value), None, 0.6) for name, value in values.items())
    found = pattern(lines, replace(NOTHING, clipped=("c1", "c2", "c3"), unclipped=("u1", "u2", "u3")))
    assert (found.clipped_rose, found.unclipped_rose) == (2, 1)  # 0.61 is within counting
    assert found.probability == pytest.approx(float(hypergeom(6, 3, 3).sf(1)))
    assert found.probability == pytest.approx(fisher_exact([[2, 1], [1, 2]], alternative="greater").pvalue)


@pytest.mark.parametrize(("value", "seeds"), [(1.0, 3), (0.0, 2)])
def test_noise_sends_all_seeds_up_or_apart_as_a_coin_that_the_walk_weights(value: float, seeds: int) -> None:
    claim = Figure(id="f", work="w", place="p", when="claim", unit="sign", value=value, seeds=(seeds, seeds))
    (chance,) = chances((line("e", claim, replace(TRAINING, reads="direction")),), NOTHING)
    law = law_after(0.6, rate_in(STEP, 0, GEOMETRY, 0.5, True), GEOMETRY.free, 0.5, 10)
    up = np.random.default_rng(4).choice(law.grid, (200_000, seeds), p=np.maximum(law.mass, 0) / law.mass.clip(0).sum())
    rose = (up > float(logit(0.6))).sum(axis=1)
    drawn = float(np.mean(rose == seeds if value else (rose > 0) & (rose < seeds)))
    assert chance.probability == pytest.approx(drawn, abs=0.02)  # half a lattice point lies at the start itself


def test_the_spread_of_ratios_is_that_of_a_simulated_phase() -> None:
    """σ² = p·Var log(π₁/b₁) + (1 − p)·Var log(π₂/b₂) over ends of an unclipped phase, by Monte Carlo."""
    asked = ImpliedActivation(
        share=0.6, share_after=0.7, half_width=0.02, steps=10, geometry=GEOMETRY, least=0.001, most=0.01
    )
    free = GEOMETRY.free.config(rate_of(0.002, 0.6, GEOMETRY), 0.5)
    ends = np.asarray(expit(simulate_two_outcomes(free, 0.6)))
    spread = 0.6 * np.var(np.log(ends / 0.6)) + 0.4 * np.var(np.log((1 - ends) / 0.4))
    assert ratio_std(asked, 0.002) == pytest.approx(math.sqrt(spread), rel=0.03)


def simulate_two_outcomes(config: PhaseConfig, share: float, replicates: int = 4000) -> np.ndarray:
    """Log-odds after one phase, answer by answer: a coin for each, plain ascent, no clip."""
    rng = np.random.default_rng(5)
    shape = (replicates, config.groups_per_minibatch, config.group_size)
    x = np.full(replicates, float(logit(share)))
    for _ in range(config.minibatches):
        first = rng.random(shape) < share
        reward = (rng.random(shape) < config.success_prob).astype(float)
        std = reward.std(axis=2, ddof=1, keepdims=True)
        advantage = np.where(std > 0, (reward - reward.mean(axis=2, keepdims=True)) / np.where(std > 0, std, 1), 0.0)
        p = expit(x)[:, None, None]
        gradient = np.where(first, p / share * 2 * (1 - p), -(1 - p) / (1 - share) * 2 * p)
        x = x + config.learning_rate * (advantage * gradient).mean(axis=(1, 2))
    return x
