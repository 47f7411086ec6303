"""The setting of T6 in the torch engine: rare outcomes whose ratios are moved by noise that shared features carry.

Outcome 0, the head, has no features. All others, the tail, come in pairs of equal probability with opposite unit
vectors ±ψ in few directions, so that each is moved by everyone's samples. One more feature for each bin of the tail,
PROBE on all of the bin's outcomes, is a probe too weak to move them: its parameter adds up the gradients in their
logits, of which the noise along ±ψ cancels.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.common.seeds import seed_of
from clipbias.theory.estimate import Estimate
from clipbias.theory.formulas.advantage import AdvantageMoments, advantage_moments
from clipbias.theory.formulas.neutral import expected_push
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from clipbias.theory.update_rule import PLAIN

from .engine import draw_phase, train_on
from .policy import SharedFeatures, zipf

PROBE = 0.01
CHUNK_NUMBERS = 1 << 22  # of a chunk of replicates' logits or samples, whichever are more


@dataclass(frozen=True, slots=True)
class Crowd:
    """probs [K]: the head's first; features [K, d + bins]; bin_of [K]: −1 for the head."""

    probs: Array
    features: Array
    bin_of: NDArray[np.int64]

    @property
    def masses(self) -> Array:
        """b of each bin, [bins]."""
        return np.asarray(np.bincount(self.bin_of[1:], self.probs[1:]), dtype=np.float64)


def crowd(pairs: int, directions: int, tail: float, exponent: float, edges: Sequence[int] = (), seed: int = 0) -> Crowd:
    """`pairs` pairs in the tail, which has probability `tail` together and Zipf's law with this exponent.

    edges: the first pair, counted from 0, of the second, third, … bin.
    """
    share = zipf(pairs, exponent) * tail / 2
    unit = np.random.default_rng(seed).normal(size=(pairs, directions))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    bins = np.searchsorted(edges, np.arange(pairs), side="right")
    probe = PROBE * np.eye(len(edges) + 1)[bins]
    features = np.vstack([np.zeros(directions + len(edges) + 1), np.hstack([unit, probe]), np.hstack([-unit, probe])])
    return Crowd(np.concatenate([[1 - tail], share, share]), features, np.concatenate([[-1], bins, bins]))


def step_stds(of: Crowd, config: PhaseConfig) -> Array:
    """Standard deviation of every logit's first move, against the mean logit under b; [K].

    θ moves by (η/n)·ΣÂ(φ_a − φ̄), of covariance (η²/n)(v₊+v₋)·Φᵀ(diag b − bbᵀ)Φ (T3 at R = 1).
    """
    moments = _moments(config)
    centred = of.features - of.probs @ of.features
    spread = (centred.T * of.probs) @ centred
    samples = config.group_size * config.groups_per_minibatch
    scale = config.learning_rate**2 * (moments.v_plus + moments.v_minus) / samples
    return np.asarray(np.sqrt(scale * np.einsum("ki,ij,kj->k", centred, spread, centred)))


def at_spread(of: Crowd, config: PhaseConfig, ratio_std: float) -> tuple[PhaseConfig, float]:
    """config at the learning rate where the tail's log-ratios spread by ratio_std (root mean square) in the last step,
    were there no clip; and σ̄, the spread of all outcomes then."""
    squares = step_stds(of, replace(config, learning_rate=1.0)) ** 2 * (config.minibatches - 1)
    rate = ratio_std / float(np.sqrt(np.average(squares[1:], weights=of.probs[1:])))
    return replace(config, learning_rate=rate), rate * float(np.sqrt(of.probs @ squares))


def predicted_push(of: Crowd, config: PhaseConfig, clip: PpoClip) -> Array:
    """`measured_push` by T2 and T6, [bins]: Σ over steps and outcomes of b_k·(E[R_k s_k] − E[R_k]·s̄), by bin mass.

    In step m + 1 log R_k ~ N(−σ̄²/2, σ_k²) with variances m times those of the first move, as if clipping shaped
    nothing; s̄ = Σ b_k E[R_k s_k].
    """
    first, total = step_stds(of, config), np.zeros(len(of.masses))
    for moves in range(1, config.minibatches):
        stds = first * np.sqrt(moves)
        rest = float(np.sqrt(of.probs @ stds**2))
        pushes = np.array([expected_push(clip, std, rest) for std in stds])
        net = of.probs * (pushes - np.exp((stds**2 - rest**2) / 2) * (of.probs @ pushes))
        total += np.bincount(of.bin_of[1:], net[1:])
    return total / of.masses


def measured_push(of: Crowd, config: PhaseConfig, clips: Sequence[PpoClip], replicates: int, seed: int) -> Estimate:
    """Mean drift of the logits of each bin over one phase, in units of η·μ·b of the bin; [clips, bins].

    Every replicate is trained on the same samples with each clip (instead of config's surrogate) and with none, where
    nothing drifts (T2); the difference counts.
    """
    prior = torch.as_tensor(of.probs)
    policy = SharedFeatures(prior, torch.as_tensor(of.features))
    samples = config.group_size * config.groups_per_minibatch * config.minibatches
    chunk = max(1, CHUNK_NUMBERS // max(len(prior), samples))
    found = []
    for index, first in enumerate(range(0, replicates, chunk)):
        generator = torch.Generator()
        generator.manual_seed(seed_of(seed, index))
        log_probs = prior.log().expand(min(chunk, replicates - first), -1)
        drawn = [draw_phase(log_probs, config, PLAIN, generator)]
        free, *held = (train_on(policy, drawn, gate, config.learning_rate)[-1] for gate in (UNCLIPPED, *clips))
        found.append(torch.stack([(end - free)[:, -len(of.masses) :] for end in held]).numpy())
    moved = np.concatenate(found, axis=1) / (config.learning_rate * _moments(config).mu * PROBE * of.masses)
    return Estimate(moved.mean(axis=1), moved.std(axis=1, ddof=1) / np.sqrt(replicates))


def _moments(config: PhaseConfig) -> AdvantageMoments:
    if isinstance(config.success_prob, tuple):
        raise InputError("success_prob", "one number", config.success_prob)
    return advantage_moments(config.group_size, config.success_prob, config.scale)
