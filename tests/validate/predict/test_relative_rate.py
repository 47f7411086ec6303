"""What an arm's own shape does to the toy's learning rate, against the simulator with Adam in the place of the rule."""

from dataclasses import replace

import pytest

from clipbias.simulate.compiled.tabular import simulate
from clipbias.theory.formulas.momentum import persistence_from_rest
from clipbias.theory.surrogate import UNCLIPPED
from clipbias.theory.update_rule import Adam, UpdateRule
from clipbias.validate.predict.rates import relative_rate
from clipbias.validate.recipe.training import Training

pytestmark = pytest.mark.statistical

SMALL = 0.1  # a rate at which spreads grow in proportion
SHARED = Training(8, 16, 8, 1e-3, phases=12, max_completion_length=32)


def spread_with_adam(training: Training) -> float:
    """Of the log-odds over the training, by Monte Carlo; Adam's learning rate is the training's own."""
    config = training.toy(training.learning_rate, UNCLIPPED)
    optimization = UpdateRule(optimizer=training.update)
    return float(simulate((0.6, 0.4), config, training.phases, 4000, 1, optimization).log_odds_std.value)


def spread_of_plain_ascent(training: Training, rate: float) -> float:
    return float(simulate((0.6, 0.4), training.toy(rate, UNCLIPPED), training.phases, 4000, 2).log_odds_std.value)


@pytest.mark.parametrize(
    "changed",
    [
        {"prompts_per_phase": 32},
        {"prompts_per_phase": 64, "group_size": 4, "minibatches": 4},
        {"success_prob": 0.2},
        {"learning_rate": 2e-3},
    ],
    ids=["samples", "shape", "success_prob", "learning_rate"],
)
def test_a_changed_shape_spreads_as_the_rule_says(changed: dict) -> None:
    """Ratio of spreads, an arm's over the shared one: Adam's against plain ascent at the rate of the rule. Momentum's
    share of a phase is in the rule because bands put the rest back; here it is taken out again by equal M."""
    arm = replace(SHARED, **changed)
    equal_steps = replace(arm, phases=SHARED.phases * SHARED.minibatches // arm.minibatches)
    found = spread_with_adam(equal_steps) / spread_with_adam(SHARED)
    rate = relative_rate(arm, SHARED) if arm.minibatches == SHARED.minibatches else None
    if rate is None:
        rate = relative_rate(replace(arm, adam_beta1=0.0), replace(SHARED, adam_beta1=0.0))
    claimed = spread_of_plain_ascent(equal_steps, SMALL * rate) / spread_of_plain_ascent(SHARED, SMALL)
    assert claimed == pytest.approx(found, rel=0.08)
    without = spread_of_plain_ascent(equal_steps, SMALL) / spread_of_plain_ascent(SHARED, SMALL)
    assert abs(without / found - 1) > 0.2 or changed == {"success_prob": 0.2}  # negative control


def test_the_shared_shape_and_a_silent_reward_change_nothing() -> None:
    assert relative_rate(SHARED, SHARED) == 1.0
    assert relative_rate(replace(SHARED, success_prob=0.0), SHARED) == 1.0


@pytest.mark.parametrize(
    ("shared", "changed"),
    [
        (SHARED, {"optimizer": "adam:beta1=0.5,beta2=0.95"}),
        (replace(SHARED, optimizer="sgd:momentum=0.9"), {"optimizer": "sgd:momentum=0.5"}),
        (replace(SHARED, optimizer="sgd:momentum=0.5"), {"success_prob": 0.1, "prompts_per_phase": 32}),
    ],
    ids=["beta1", "momentum", "sgd"],
)
def test_an_optimizer_of_its_own_spreads_as_rule_and_momentum_say(shared: Training, changed: dict) -> None:
    """The same with what `band` does to the toy's spread: persistence from rest, by each one's own momentum."""
    arm = replace(shared, **changed)
    found = spread_with_adam(arm) / spread_with_adam(shared)

    def claimed(training: Training, rate: float) -> float:
        corrected = isinstance(training.update, Adam)
        kappa = persistence_from_rest(training.momentum, training.minibatches, training.phases, corrected=corrected)
        return kappa * spread_of_plain_ascent(training, rate)

    ratio = claimed(arm, SMALL * relative_rate(arm, shared)) / claimed(shared, SMALL)
    assert ratio == pytest.approx(found, rel=0.08)
    wrong = (
        1.0 if arm.momentum != shared.momentum else relative_rate(*(replace(t, optimizer=None) for t in (arm, shared)))
    )
    assert abs(claimed(arm, SMALL * wrong) / claimed(shared, SMALL) / found - 1) > 0.2  # no rule, or Adam's for SGD
