"""One optimizer step after another, on given samples, beside gradients by autograd: to float precision."""

from dataclasses import replace

import pytest
import torch

from clipbias.simulate.autograd import engine as autograd
from clipbias.simulate.autograd.policy import SharedFeatures, Tabular
from clipbias.simulate.tangent.engine import Samples, Training, train_on
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule
from setups import SMALL
from trees import one_token, tabular

THREE = (0.5, 0.3, 0.2)
FEATURES = ((1.0, 0.2, -0.5), (0.1, 1.0, 0.3), (-0.4, 0.2, 0.9))


def samples(seed: int, outcomes: int, config: PhaseConfig, replicates: int) -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    shape = (replicates, config.minibatches, config.groups_per_minibatch * config.group_size)
    return torch.randint(outcomes, shape, generator=rng), torch.randn(shape, generator=rng, dtype=torch.float64)


UPDATES = {
    "plain": (1.5, UpdateRule()),
    "momentum": (0.5, UpdateRule(optimizer=Sgd(0.9))),
    "adam": (0.1, UpdateRule(optimizer=Adam(0.9, 0.95))),
    "norm": (1.5, UpdateRule(max_grad_norm=0.1, epochs=2)),
    "adam, norm": (0.1, UpdateRule(optimizer=Adam(), max_grad_norm=0.1, epochs=2)),
}


@pytest.mark.parametrize("name", UPDATES)
@pytest.mark.parametrize("shared", [False, True])
def test_same_samples_same_parameters(name: str, shared: bool) -> None:
    """Step by step; the tabular toy's parameters by their logits less the mean, which no gradient moves."""
    rate, update = UPDATES[name]
    config = replace(SMALL, learning_rate=rate, surrogate=PpoClip(0.05, 0.1))
    prior, table = torch.tensor(THREE, dtype=torch.float64), torch.tensor(FEATURES, dtype=torch.float64)
    policy = SharedFeatures(prior, table) if shared else Tabular(prior)
    tree = one_token(prior, table) if shared else tabular(prior)
    drawn = [samples(seed, 3, config, 4) for seed in (1, 2)]
    expected = autograd.train_on(policy, [autograd.Samples(*phase) for phase in drawn], config.surrogate, rate, update)
    training = Training(
        groups=config.groups_per_minibatch * config.minibatches,
        group_size=config.group_size,
        minibatches=config.minibatches,
        learning_rate=rate,
        surrogate=config.surrogate,
        update=update,
    )
    given = [Samples(*(part.flatten(1) for part in phase)) for phase in drawn]
    found = train_on(tree, given, training)
    assert (found - (expected - policy.start())).abs().max() < 1e-12
    backwards = [Samples(phase.answers.flip(1), phase.advantages.flip(1)) for phase in given]
    for wrong in (train_on(tree, given, replace(training, surrogate=UNCLIPPED)), train_on(tree, backwards, training)):
        assert (wrong - found).abs().max() > 1e-4
