"""GRPO by autograd: any surrogate, any torch optimizer, outcomes that share features.

Replicates are trained side by side, as rows of one parameter. What it leaves out: the speed of `compiled.tabular`,
which counts samples instead of drawing each.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import ArrayLike
from torch import Tensor
from torch.optim import SGD, AdamW, Optimizer

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check, check_whole
from clipbias.common.seeds import seed_of
from clipbias.simulate.estimate import Ends, mean_estimate, std_estimate
from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.formulas.drift import check_probs
from clipbias.theory.formulas.reward import check_rewards
from clipbias.theory.law import Law
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import Surrogate
from clipbias.theory.update_rule import PLAIN, Adam, UpdateRule

from .objective import kl_penalty, objective
from .policy import Policy, SharedFeatures, Tabular

CHUNK_NUMBERS = 1 << 22  # of a chunk of replicates' logits or samples, whichever are more: 32 MB
MOST_KEPT = 1 << 24  # numbers of the policies that replicates end with, 128 MB; of more only moments are kept
NORM_GUARD = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm before dividing, and so do real runs

NAME = "autograd"
OptimizerFactory = Callable[[list[Tensor]], Optimizer]


@dataclass(frozen=True, slots=True)
class Samples:
    """A phase's samples by mini-batch, in the order of the steps: outcomes (int64) and advantages, both [R, M, n]."""

    outcomes: Tensor
    advantages: Tensor


class _Clipped(NamedTuple):
    """Shares [R] of a mini-batch's samples whose gradient the surrogate removes, by the sign of the advantage."""

    low: Tensor
    high: Tensor


def train_on(
    policy: Policy,
    phases: Sequence[Samples],
    surrogate: Surrogate,
    learning_rate: float,
    update: UpdateRule = PLAIN,
    optimizer: OptimizerFactory | None = None,
) -> Tensor:
    """Parameters after every optimizer step on the given samples, [steps, R, d].

    `update.split` and `update.whiten` are about drawing and have no effect here. optimizer: made from the
    parameters instead of `update.optimizer` and learning_rate.
    """
    parameters = _parameters(policy, len(phases[0].outcomes))
    opt = _optimizer(parameters, learning_rate, update, optimizer)
    reference = _log_probs(policy, parameters)
    found = []
    for samples in phases:
        for _ in _steps(policy, parameters, opt, samples, surrogate, update, reference):
            found.append(parameters.detach().clone())
    return torch.stack(found)


def simulate_torch(
    probs: ArrayLike,
    config: PhaseConfig,
    phases: int,
    replicates: int,
    seed: int,
    update: UpdateRule = PLAIN,
    features: ArrayLike | None = None,
    optimizer: OptimizerFactory | None = None,
    device: str | None = None,
) -> Law:
    """`replicates` independent policies, each trained for `phases` phases from probs [K].

    features: Φ [K, d] of `SharedFeatures`; without it the policy is `Tabular`. device: the GPU by default where there
    is one. Memory does not grow with phases, nor with replicates beyond the policies that they end with.
    """
    start = check_probs("probs", probs)
    for name, value, least in (("phases", phases, 1), ("replicates", replicates, 2), ("seed", seed, 0)):
        check_whole(value, name, least)
    check_rewards(config.success_prob, len(start))
    place = _place(device)
    prior = torch.as_tensor(start, device=place)
    policy: Policy = Tabular(prior)
    if features is not None:
        table = np.asarray(features, dtype=np.float64)
        rows = f"a table of {len(start)} rows, one for each outcome"
        check(table.ndim == 2 and len(table) == len(start), "features", rows, table.shape)
        policy = SharedFeatures(prior, torch.as_tensor(table, device=place))
    samples = config.group_size * config.groups_per_minibatch * config.minibatches
    chunk = max(1, CHUNK_NUMBERS // max(len(start), samples))
    moved = np.zeros((2 * len(start) + 2, 4))
    clipped = np.zeros((2, update.epochs * config.minibatches, 4))
    logits, inner, ends = slice(0, len(start)), slice(len(start), 2 * len(start)), list[Array]()
    for index, first in enumerate(range(0, replicates, chunk)):
        generator = torch.Generator(place)
        generator.manual_seed(seed_of(seed, index))
        size = min(chunk, replicates - first)
        shifts, shares = _chunk(config, policy, phases, size, generator, update, optimizer)
        moved += _powers(shifts)
        clipped += _powers(shares)
        if replicates * len(start) <= MOST_KEPT:
            ends.append(start + shifts[:, inner].cpu().numpy())
    if not np.isfinite(moved).all():
        raise InputError("learning_rate", "the logits finite", config.learning_rate, verb="keep")
    means, spreads = mean_estimate(moved, replicates), std_estimate(moved, replicates)
    return Law(
        method=NAME,
        phases=phases,
        logit_shift=means[logits],
        logit_std=spreads[logits],
        prob_shift=means[inner],
        prob_mean=means[inner].shifted(start),
        prob_std=spreads[inner],
        log_odds_shift=means[-1],
        log_odds_mean=means[-1].shifted(np.log(start[0] / start[1:].sum())),
        log_odds_std=spreads[-1],
        entropy_shift=means[-2],
        entropy_mean=means[-2].shifted(-start @ np.log(start)),
        clip_low_fraction=mean_estimate(clipped[0], replicates),
        clip_high_fraction=mean_estimate(clipped[1], replicates),
        marginals=Ends(np.concatenate(ends)) if ends else None,
    )


def draw_phase(log_probs: Tensor, config: PhaseConfig, update: UpdateRule, generator: torch.Generator) -> Samples:
    """N·M groups of fresh samples and their rewards from log_probs [R, K], dealt to M mini-batches."""
    replicates, groups = len(log_probs), config.groups_per_minibatch * config.minibatches
    outcomes = torch.multinomial(log_probs.exp(), groups * config.group_size, replacement=True, generator=generator)
    prob = torch.as_tensor(config.success_prob, dtype=log_probs.dtype, device=log_probs.device)
    chance = prob[outcomes] if isinstance(config.success_prob, tuple) else prob
    coin = torch.rand(outcomes.shape, dtype=log_probs.dtype, device=log_probs.device, generator=generator)
    rewarded = (coin < chance).view(replicates, groups, config.group_size)
    plus, minus = (
        torch.as_tensor(side, device=log_probs.device) for side in group_advantages(config.group_size, config.scale)
    )
    count = rewarded.sum(dim=2, keepdim=True)
    advantages = torch.where(rewarded, plus[count], minus[count]).flatten(1)
    if update.whiten:
        spread = advantages.std(dim=1, keepdim=True, correction=int(config.scale == "std-unbiased"))
        advantages = torch.where(spread > 0, advantages / spread, 0.0)  # their mean is 0
    if update.split:
        order = torch.rand(outcomes.shape, device=log_probs.device, generator=generator).argsort(dim=1)
        outcomes, advantages = outcomes.gather(1, order), advantages.gather(1, order)
    shape = (replicates, config.minibatches, -1)
    return Samples(outcomes.view(shape), advantages.view(shape))


def _place(device: str | None) -> torch.device:
    """Where to calculate; what torch does not know or this machine has not is refused."""
    try:
        place = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
        torch.zeros(1, device=place)
    except (RuntimeError, AssertionError) as error:  # torch without CUDA asserts
        raise InputError("device", "one that torch finds here (cpu is one)", device) from error
    return place


def _parameters(policy: Policy, replicates: int) -> Tensor:
    return policy.start().repeat(replicates, 1).requires_grad_()


def _log_probs(policy: Policy, parameters: Tensor) -> Tensor:
    with torch.no_grad():
        return policy.logits(parameters).log_softmax(dim=1)


def _optimizer(
    parameters: Tensor, learning_rate: float, update: UpdateRule, factory: OptimizerFactory | None
) -> Optimizer:
    if factory is not None:
        return factory([parameters])
    kind = update.optimizer
    if isinstance(kind, Adam):
        betas = (kind.beta1, kind.beta2)
        return AdamW([parameters], learning_rate, betas, kind.epsilon, weight_decay=kind.weight_decay)
    return SGD([parameters], learning_rate, kind.momentum)


def _steps(
    policy: Policy,
    parameters: Tensor,
    optimizer: Optimizer,
    samples: Samples,
    surrogate: Surrogate,
    update: UpdateRule,
    reference: Tensor,
) -> Iterator[_Clipped]:
    """The optimizer steps of one phase; parameters [R, d] change in place. reference: log π_ref [R, K]."""
    old = _log_probs(policy, parameters)
    for step in range(update.epochs * samples.outcomes.shape[1]):
        at = step % samples.outcomes.shape[1]
        chosen, advantage = samples.outcomes[:, at], samples.advantages[:, at]
        log_prob = policy.logits(parameters).log_softmax(dim=1).gather(1, chosen)
        leaf = log_prob.detach().requires_grad_()
        (pull,) = torch.autograd.grad(objective(surrogate, leaf, old.gather(1, chosen), advantage).sum(), leaf)
        silent = pull == 0
        if update.kl_coefficient > 0:
            (away,) = torch.autograd.grad(kl_penalty(leaf, reference.gather(1, chosen)).sum(), leaf)
            pull = pull - update.kl_coefficient * away
        (downhill,) = torch.autograd.grad(log_prob, parameters, -pull / chosen.shape[1])
        if update.max_grad_norm is not None:  # of each replicate's own gradient
            norm = downhill.norm(dim=1, keepdim=True)
            downhill = downhill * (update.max_grad_norm / (norm + NORM_GUARD)).clamp(max=1.0)
        parameters.grad = downhill
        optimizer.step()
        yield _Clipped(*((silent & side).double().mean(dim=1) for side in (advantage < 0, advantage > 0)))


def _chunk(
    config: PhaseConfig,
    policy: Policy,
    phases: int,
    replicates: int,
    generator: torch.Generator,
    update: UpdateRule,
    factory: OptimizerFactory | None,
) -> tuple[Tensor, Tensor]:
    """(shifts [R, 2K + 2] of logits, probabilities, entropy, log-odds; clipped shares [R, 2, E·M] over phases)."""
    parameters = _parameters(policy, replicates)
    optimizer = _optimizer(parameters, config.learning_rate, update, factory)
    reference, before = _log_probs(policy, parameters), _described(policy.logits(policy.start()[None]))
    shares = reference.new_zeros(replicates, 2, update.epochs * config.minibatches)
    for _ in range(phases):
        samples = draw_phase(_log_probs(policy, parameters), config, update, generator)
        steps = _steps(policy, parameters, optimizer, samples, config.surrogate, update, reference)
        for step, clipped in enumerate(steps):
            shares[:, :, step] += torch.stack(clipped, dim=1) / phases
    after = _described(policy.logits(parameters.detach()))
    parts = [now - then for now, then in zip(after, before, strict=True)]
    return torch.cat(parts, dim=1), shares


def _described(logits: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Logits, probabilities [R, K], entropy and log-odds of the first outcome [R, 1]."""
    probs = logits.softmax(dim=1)
    entropy = torch.special.entr(probs).sum(dim=1, keepdim=True)
    return logits, probs, entropy, logits[:, :1] - logits[:, 1:].logsumexp(dim=1, keepdim=True)


def _powers(values: Tensor) -> Array:
    """Σ over replicates of x…x⁴: [..., 4] from [R, ...]."""
    return torch.stack([(values**power).sum(dim=0) for power in range(1, 5)], dim=-1).cpu().numpy()
