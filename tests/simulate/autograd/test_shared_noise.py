"""T6 where noise is shared: the drift of a tail of rare outcomes in the torch engine, against the rule."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from clipbias.simulate.autograd.engine import draw_phase, train_on
from clipbias.simulate.autograd.policy import SharedFeatures
from clipbias.simulate.autograd.shared_noise import at_spread, crowd, measured_push, predicted_push, step_stds
from clipbias.theory.formulas.neutral import neutral_clip_high
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from clipbias.theory.update_rule import UpdateRule
from setups import STANDARD

pytestmark = pytest.mark.statistical

TWO_STEPS = replace(
    STANDARD, groups_per_minibatch=16, minibatches=2, surrogate=UNCLIPPED
)  # the first step makes the ratios, the second pushes
LOWS, HIGHS, STDS = (0.1, 0.2), (0.1, 0.15, 0.25, 0.33), (0.12, 0.22)
CLIPS = [PpoClip(low, high) for low in LOWS for high in HIGHS]
REPLICATES = 1000


@pytest.fixture(scope="module", params=[0.1, 0.5, 0.9])
def tail(request):
    """The crowd, and by spread the setting, σ̄ and the drift [clips] that the engine finds."""
    of = crowd(pairs=60, directions=6, tail=request.param, exponent=0.3)
    found = []
    for seed, std in enumerate(STDS):
        config, rest = at_spread(of, TWO_STEPS, std)
        push = measured_push(of, config, CLIPS, REPLICATES, seed)
        found.append((std, config, rest, push.value[:, 0], push.stderr[:, 0]))
    return of, found


def swapped(clip: PpoClip) -> PpoClip:
    return PpoClip(clip.high, clip.low)


def expected(of, found, change=lambda clip: clip) -> np.ndarray:
    """Of every setting found: the predicted drift with its clip changed; [settings]."""
    return np.array([predicted_push(of, config, change(clip))[0] for _, config, *_ in found for clip in CLIPS])


def test_the_drift_is_the_one_predicted(tail):
    of, found = tail
    mean, stderr = (np.concatenate([row[at] for row in found]) for at in (3, 4))
    seen = stderr > 0  # else no replicate reached a bound
    off, control = abs(mean - expected(of, found)), abs(mean - expected(of, found, swapped))
    assert seen.sum() >= 12
    if of.masses[0] > 0.5:  # nearly all spread alike: what little is left hangs on how R and s̄ go together
        assert (off < 4.5 * stderr + 0.05 * abs(mean).max()).all()
        assert (control > 4.5 * stderr + 0.2 * abs(mean).max()).any()
    else:
        assert (off[seen] / stderr[seen]).max() < 4.5
        assert (control[seen] / stderr[seen]).max() > 15


def agreement(found, rule) -> tuple[int, int]:
    """(settings where the drift is beyond three of its errors, those of them with the rule's sign)."""
    decided, right = 0, 0
    for std, _, rest, mean, stderr in found:
        for clip, push, error in zip(CLIPS, mean, stderr, strict=True):
            if abs(push) > 3 * error:
                decided += 1
                right += (push > 0) == (rule(clip, std, rest) > 0)
    return decided, right


def test_its_sign_is_the_rules(tail):
    """(1+ε_h)(1−ε_l) against exp(2σ²−σ̄²): the tail rises where the product is larger."""
    _, found = tail
    decided, right = agreement(found, lambda c, std, rest: c.high - neutral_clip_high(c.low, std, rest))
    assert decided == right
    assert decided >= 12
    decided, right = agreement(found, lambda c, std, rest: c.low - neutral_clip_high(c.high, std, rest))
    assert right < 0.8 * decided


def test_a_quiet_rest_shifts_the_neutral_line():
    """Where the rest does not spread, exp(σ²), which takes E[R] to be 1, has the wrong sign and exp(2σ²) the right."""
    of = crowd(pairs=60, directions=6, tail=0.1, exponent=0.3)
    config, rest = at_spread(of, TWO_STEPS, 0.2)
    clip = PpoClip(0.2, 0.32)
    push = measured_push(of, config, [clip], 5 * REPLICATES, 5)
    assert neutral_clip_high(0.2, 0.2) < clip.high < neutral_clip_high(0.2, 0.2, rest)
    assert push.value[0, 0] < -5 * push.stderr[0, 0]


def test_over_many_steps_clipping_shapes_the_ratios():
    """Where the rule stops: what a bound holds back no longer spreads, and the neutral clip-high is lower."""
    of = crowd(pairs=60, directions=6, tail=0.5, exponent=0.3)
    config, _ = at_spread(of, replace(TWO_STEPS, groups_per_minibatch=4, minibatches=16), 0.15)
    clip = PpoClip(0.2, 0.28)
    push = measured_push(of, config, [clip], 1200, 6)
    assert predicted_push(of, config, clip)[0] < 0
    assert push.value[0, 0] > 5 * push.stderr[0, 0]


def test_the_spread_of_a_move_is_that_of_the_engine():
    of = crowd(pairs=30, directions=4, tail=0.6, exponent=1.0, edges=(3,))
    config, replicates = replace(TWO_STEPS, learning_rate=0.4, minibatches=1), 20_000
    prior, features = torch.as_tensor(of.probs), torch.as_tensor(of.features)
    log_probs = prior.log().expand(replicates, -1)
    samples = draw_phase(log_probs, config, UpdateRule(), torch.Generator().manual_seed(0))
    moved = train_on(SharedFeatures(prior, features), [samples], UNCLIPPED, config.learning_rate)[-1] @ features.T
    found = (moved - (moved @ prior)[:, None]).std(dim=0).numpy()
    assert found == pytest.approx(step_stds(of, config), rel=4 / np.sqrt(2 * replicates))


def test_bins_and_masses():
    of = crowd(pairs=10, directions=3, tail=0.4, exponent=1.0, edges=(1, 4))
    assert of.probs.sum() == pytest.approx(1)
    assert of.masses.sum() == pytest.approx(0.4)
    assert np.bincount(of.bin_of[1:]).tolist() == [2, 6, 12]
    assert of.probs @ of.features[:, :3] == pytest.approx(np.zeros(3))


def test_rewards_by_outcome_are_refused():
    with pytest.raises(ValueError, match="success_prob must be one number"):
        step_stds(crowd(1, 1, 0.5, 1.0), replace(TWO_STEPS, success_prob=(0.5, 0.4, 0.3)))
