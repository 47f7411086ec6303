"""The torch engine beside enumeration, the compiled engine and Adam's own arithmetic, by z-score where it is random."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clipbias.simulate.autograd.engine import Samples, draw_phase, simulate_torch, train_on
from clipbias.simulate.autograd.policy import SharedFeatures, Tabular, zipf
from clipbias.simulate.compiled.tabular import simulate
from clipbias.simulate.exact.enumeration import enumerate_phase
from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Dppo, Gspo, PpoClip, Probability, Sapo
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule
from setups import ONE_STEP, SMALL, TINY

pytestmark = pytest.mark.statistical

FIELDS = ("logit_shift", "prob_shift", "prob_std", "entropy_shift", "log_odds_shift")
FRACTIONS = ("clip_low_fraction", "clip_high_fraction")
SURROGATES = {
    "none": UNCLIPPED,
    "ppo": PpoClip(0.15, 0.25),
    "dual": PpoClip(0.3, 0.2, dual=1.3),
    "cispo": Cispo(1.1),
    "sapo": Sapo(1.0, 4.0),
    "dppo": Dppo(0.15, 0.04),
    "gspo": Gspo(0.05, 0.08, 3),
    "released": Probability(),
}


def z_scores(found, expected, fields=FIELDS + FRACTIONS) -> np.ndarray:
    """(found − expected)/stderr of every field; where the estimate has no spread it must be exact."""
    scores = []
    for name in fields:
        estimate, other = getattr(found, name), getattr(expected, name)
        against, spread = (other.value, other.stderr) if hasattr(other, "stderr") else (other, 0.0)
        error = np.atleast_1d(estimate.value - np.asarray(against))
        stderr = np.atleast_1d(np.hypot(estimate.stderr, spread))
        assert abs(error[stderr == 0]).max(initial=0.0) < 1e-4
        scores.extend(error[stderr > 0] / stderr[stderr > 0])
    return np.array(scores)


@pytest.mark.parametrize("name", SURROGATES)
def test_each_surrogate_agrees_with_enumeration(name: str) -> None:
    config = replace(TINY, learning_rate=1.7, group_size=3, success_prob=0.4, surrogate=SURROGATES[name])
    found = simulate_torch((0.5, 0.3, 0.2), config, 1, 400_000, seed=1)
    assert abs(z_scores(found, enumerate_phase((0.5, 0.3, 0.2), config))).max() < 4


@pytest.mark.parametrize(
    ("config", "update"),
    [
        (replace(TINY, learning_rate=1.2, surrogate=PpoClip(0.2, 0.1)), UpdateRule(epochs=3)),
        (replace(TINY, learning_rate=1.7, success_prob=0.4, surrogate=PpoClip(0.2, 0.1)), UpdateRule(split=True)),
        (
            replace(TINY, group_size=3, success_prob=(0.5, 0.9), surrogate=PpoClip(0.15, 0.25)),
            UpdateRule(epochs=2, split=True),
        ),
        (
            PhaseConfig(
                learning_rate=1.5,
                group_size=3,
                groups_per_minibatch=2,
                minibatches=2,
                success_prob=(0.8, 0.3),
                surrogate=Sapo(1.0, 4.0),
                scale="std-unbiased",
            ),
            UpdateRule(),
        ),
        (
            PhaseConfig(
                learning_rate=4.0,
                group_size=2,
                groups_per_minibatch=2,
                minibatches=2,
                success_prob=(0.8, 0.3),
                surrogate=Dppo(0.1, 0.1),
                scale="none",
            ),
            UpdateRule(),
        ),
    ],
    ids=["epochs", "split", "both", "by-outcome", "unscaled"],
)
def test_options_agree_with_enumeration(config: PhaseConfig, update: UpdateRule) -> None:
    exact = enumerate_phase((0.7, 0.3), config, update.epochs, update.split)
    found = simulate_torch((0.7, 0.3), config, 1, 400_000, 2, update)
    assert abs(z_scores(found, exact)).max() < 4


def test_swapped_sides_disagree_with_enumeration() -> None:
    """Negative control."""
    config = replace(TINY, learning_rate=1.7, group_size=3, success_prob=0.4, surrogate=PpoClip(0.1, 0.3))
    swapped = replace(config, surrogate=PpoClip(0.3, 0.1))
    found = simulate_torch((0.5, 0.3, 0.2), swapped, 1, 400_000, seed=1)
    assert abs(z_scores(found, enumerate_phase((0.5, 0.3, 0.2), config))).max() > 20


def test_the_second_epoch_is_noticed() -> None:
    """Negative control: fresh samples in place of a second look at the same ones."""
    config = replace(TINY, learning_rate=1.2, surrogate=PpoClip(0.2, 0.1))
    found = simulate_torch((0.7, 0.3), replace(config, minibatches=4), 1, 400_000, 2)
    assert abs(z_scores(found, enumerate_phase((0.7, 0.3), config, epochs=2))).max() > 10


def test_several_phases_agree_with_the_compiled_engine() -> None:
    config = replace(SMALL, group_size=8, minibatches=4, surrogate=PpoClip(0.2, 0.28))
    probs = (0.5, 0.3, 0.15, 0.05)
    compiled = simulate(probs, config, 3, 400_000, seed=3)
    found = simulate_torch(probs, config, 3, 40_000, seed=4)
    assert abs(z_scores(found, compiled, (*FIELDS, *FRACTIONS, "log_odds_std"))).max() < 4


def test_identity_features_are_the_tabular_policy() -> None:
    """Logits move alike whatever holds them, but for the weight decay, which pulls at parameters."""
    config = replace(SMALL, learning_rate=0.3)
    update = UpdateRule(optimizer=Adam(), max_grad_norm=0.5, epochs=2, split=True, whiten=True, kl_coefficient=0.1)
    probs = (0.5, 0.3, 0.2)
    tabular = simulate_torch(probs, config, 2, 100, 5, update)
    shared = simulate_torch(probs, config, 2, 100, 5, update, features=np.eye(3))
    np.testing.assert_allclose(tabular.logit_shift.value, shared.logit_shift.value, rtol=0, atol=1e-10)
    decayed = replace(update, optimizer=Adam(weight_decay=0.1))
    apart = simulate_torch(probs, config, 2, 100, 5, decayed).logit_shift.value
    assert abs(apart - simulate_torch(probs, config, 2, 100, 5, decayed, np.eye(3)).logit_shift.value).max() > 1e-3


def given_phase(replicates: int, seed: int, minibatches: int = 3) -> Samples:
    config = replace(ONE_STEP, minibatches=minibatches, surrogate=UNCLIPPED)
    log_probs = torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64).log().repeat(replicates, 1)
    return draw_phase(log_probs, config, UpdateRule(split=True), torch.Generator().manual_seed(seed))


POLICY = Tabular(torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64))


def gradients(samples: Samples, optimizer: Sgd | Adam, rate: float, norm: float | None) -> np.ndarray:
    """z after each step [M, R, K] by the formulas of `update`, without torch."""
    z = np.log(np.tile([0.5, 0.3, 0.2], (len(samples.outcomes), 1)))
    first, second, found = np.zeros_like(z), np.zeros_like(z), []
    for step in range(samples.outcomes.shape[1]):
        probs = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
        chosen, advantage = samples.outcomes[:, step].numpy(), samples.advantages[:, step].numpy()
        ratio = np.take_along_axis(probs, chosen, 1) / np.array([0.5, 0.3, 0.2])[chosen]
        weight = (ratio * advantage)[:, :, None]
        gradient = (weight * (np.eye(3)[chosen] - probs[:, None, :])).mean(axis=1)
        if norm is not None:
            length = np.sqrt((gradient**2).sum(axis=1, keepdims=True))
            gradient *= np.minimum(1.0, norm / (length + 1e-6))  # as torch.nn.utils.clip_grad_norm_
        if isinstance(optimizer, Sgd):
            first = optimizer.momentum * first + gradient
            z = z + rate * first
        else:
            first = optimizer.beta1 * first + (1 - optimizer.beta1) * gradient
            second = optimizer.beta2 * second + (1 - optimizer.beta2) * gradient**2
            mean, square = first / (1 - optimizer.beta1 ** (step + 1)), second / (1 - optimizer.beta2 ** (step + 1))
            z = (1 - rate * optimizer.weight_decay) * z + rate * mean / (np.sqrt(square) + optimizer.epsilon)
        found.append(z)
    return np.stack(found)


@pytest.mark.parametrize("optimizer", [Sgd(), Sgd(0.9), Adam(), Adam(0.8, 0.95, 1e-6, 0.1)], ids=repr)
@pytest.mark.parametrize("norm", [None, 0.05])
def test_optimizers_by_hand(optimizer: Sgd | Adam, norm: float | None) -> None:
    """Each replicate has its own gradient norm and its own moments."""
    samples = given_phase(50, 1)
    found = train_on(POLICY, [samples], UNCLIPPED, 0.3, UpdateRule(optimizer=optimizer, max_grad_norm=norm)).numpy()
    np.testing.assert_allclose(found, gradients(samples, optimizer, 0.3, norm), rtol=0, atol=1e-12)


def test_the_optimizers_state_lives_on_from_phase_to_phase() -> None:
    two = [given_phase(5, seed, minibatches=1) for seed in (1, 2)]
    update = UpdateRule(optimizer=Sgd(0.9))
    both = train_on(POLICY, two, UNCLIPPED, 0.3, update)
    start = POLICY.start()
    alone = train_on(
        Tabular(both[0, 0].softmax(0)), [Samples(two[1].outcomes[:1], two[1].advantages[:1])], UNCLIPPED, 0.3
    )
    carried = 0.9 * (both[0, 0] - start)
    moved = alone[0, 0] - both[0, 0].log_softmax(0)
    torch.testing.assert_close(both[1, 0] - both[0, 0], moved + carried, rtol=0, atol=1e-12)


def test_any_torch_optimizer() -> None:
    samples = given_phase(20, 3)
    made = train_on(POLICY, [samples], UNCLIPPED, 1.0, optimizer=lambda p: torch.optim.SGD(p, 0.3, momentum=0.5))
    torch.testing.assert_close(made, train_on(POLICY, [samples], UNCLIPPED, 0.3, UpdateRule(optimizer=Sgd(0.5))))


def test_replicates_do_not_touch_each_other() -> None:
    samples = given_phase(4, 4)
    update = UpdateRule(optimizer=Adam(), max_grad_norm=0.1, epochs=2, kl_coefficient=0.2)
    together = train_on(POLICY, [samples], PpoClip(0.1, 0.1), 0.2, update)
    last = Samples(samples.outcomes[3:], samples.advantages[3:])
    torch.testing.assert_close(together[:, 3:], train_on(POLICY, [last], PpoClip(0.1, 0.1), 0.2, update))


def test_the_penalty_holds_the_policy_back() -> None:
    config = replace(TINY, group_size=8, minibatches=4, success_prob=(0.9, 0.1), surrogate=UNCLIPPED)
    free = simulate_torch((0.5, 0.5), config, 5, 500, 0).prob_shift.value[0]
    held = simulate_torch((0.5, 0.5), config, 5, 500, 0, UpdateRule(kl_coefficient=1.0)).prob_shift.value[0]
    assert 0.02 < held < 0.7 * free


def test_whitened_advantages_have_unit_variance() -> None:
    for scale in ("std", "std-unbiased"):
        config = replace(SMALL, success_prob=0.2, surrogate=UNCLIPPED, scale=scale)
        log_probs = torch.tensor([0.5, 0.5], dtype=torch.float64).log().repeat(200, 1)
        drawn = draw_phase(log_probs, config, UpdateRule(whiten=True), torch.Generator().manual_seed(0)).advantages
        spread = drawn.flatten(1).std(dim=1, correction=int(scale == "std-unbiased"))
        silent = drawn.flatten(1).abs().sum(dim=1) == 0
        torch.testing.assert_close(spread[~silent], torch.ones_like(spread[~silent]))
        assert drawn.flatten(1).mean(dim=1).abs().max() < 1e-12


def test_groups_stay_whole_unless_split() -> None:
    config = replace(SMALL, surrogate=UNCLIPPED)
    log_probs = torch.tensor([0.5, 0.5], dtype=torch.float64).log().repeat(200, 1)
    for split in (False, True):
        drawn = draw_phase(log_probs, config, UpdateRule(split=split), torch.Generator().manual_seed(0)).advantages
        assert (drawn.view(200, 3, 2, 4).sum(dim=3).abs().max() < 1e-12) == (not split)
        assert drawn.flatten(1).sum(dim=1).abs().max() < 1e-12
    assert drawn.abs().max() <= group_advantages(4)[0].max()


def test_shared_features_move_outcomes_that_were_not_sampled() -> None:
    """One sample of outcome 0 with Â = 1: Δz = η·Φ(φ₀ − φ̄), which moves outcome 2 with the features that it shares."""
    features = torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.5, -0.5]], dtype=torch.float64)
    policy = SharedFeatures(torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64), features)
    samples = Samples(torch.tensor([[[0]]]), torch.tensor([[[1.0]]], dtype=torch.float64))
    after = train_on(policy, [samples], UNCLIPPED, 0.1)[0]
    expected = 0.1 * features @ (features[0] - policy.probs @ features)
    torch.testing.assert_close(policy.logits(after)[0] - policy.probs.log(), expected)


def test_a_vocabulary() -> None:
    """50,000 outcomes: unclipped, no logit drifts, and the largest of 50,000 z-scores is of the usual size."""
    rng = np.random.default_rng(0)
    features = rng.normal(size=(50_000, 4)) / 2
    config = replace(SMALL, group_size=8, minibatches=2, surrogate=UNCLIPPED)
    found = simulate_torch(zipf(50_000), config, 1, 100, 0, features=features)
    scores = found.logit_shift.value / found.logit_shift.stderr
    assert found.logit_shift.stderr.min() > 0
    assert abs(scores).max() < 5


def test_seeds_matter_and_wrong_input_names_its_field() -> None:
    config = replace(TINY, group_size=4, surrogate=UNCLIPPED)
    one, same, other = (simulate_torch((0.5, 0.5), config, 1, 50, seed).logit_shift.value for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()
    with pytest.raises(ValueError, match="replicates"):
        simulate_torch((0.5, 0.5), config, 1, 1, 0)
    with pytest.raises(ValueError, match="learning_rate"):
        simulate_torch((0.5, 0.5), replace(config, learning_rate=1e100), 40, 50, 0, UpdateRule(optimizer=Sgd(0.9)))
