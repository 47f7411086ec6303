"""GRPO on the tangent model: whole trainings in the space of Δ = θ − θ₀, from the answers of one survey.

Rollouts are drawn from the survey's answers, reweighted to the moved model, problem by problem. Advantages, shuffling,
mini-batches, ratios of tokens under any surrogate, the clip of the gradient's norm and the optimizer are those of the
run that is forecast. The toy of a categorical policy is the case of one problem,
one token an answer and φ_a = e_a − π₀.

Accuracy: coordinates are sampled, so φ·Δ has a sampling error (see `measure.gradient_survey`): of 2,048 on the default
organism, three random halves gave 0.84 to 0.95 of the share's change over 5 phases of the format reward, and three
quarters 0.51 to 1.58 (16 seeds, 100 problems move). Features are those of θ₀, so that what the network does beyond
first order is left out; a problem's answers are those that the survey saw.
"""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Literal

import torch
from torch import Tensor

from clipbias.common.errors import check
from clipbias.common.seeds import seed_of
from clipbias.theory.setup import Scale
from clipbias.theory.surrogate import Surrogate
from clipbias.theory.update_rule import Adam, UpdateRule

from .packing import Layout, Packed
from .reading import Reader, Reading
from .tree import Tree, along

CHUNK_NUMBERS = 1 << 21  # of the gradients that a chunk of seeds takes into a phase: 8 MB, for a processor's cache
EPSILON = 1e-4  # TRL adds it to the standard deviation of a group's rewards
NORM_GUARD = 1e-6  # torch.nn.utils.clip_grad_norm_ adds it to the norm before dividing


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """The run: `groups` prompts a phase, group_size answers to each, shuffled over minibatches.

    weigh: whether every token of a mini-batch counts alike (TRL's bnpo and dapo) or every answer (grpo). update: its
    epochs and max_grad_norm are used; samples are shuffled over mini-batches where it says `split`.
    """

    groups: int
    group_size: int
    minibatches: int
    learning_rate: float
    surrogate: Surrogate
    update: UpdateRule
    scale: Scale = "std-unbiased"
    weigh: Literal["token", "answer"] = "token"

    def __post_init__(self) -> None:
        samples = self.groups * self.group_size
        check(samples % self.minibatches == 0, "minibatches", f"a divisor of {samples} samples", self.minibatches)
        optimizer = self.update.optimizer
        decay = optimizer.weight_decay if isinstance(optimizer, Adam) else 0.0
        check(decay == 0.0, "weight_decay", "0: what it pulls to zero are the parameters, not their change", decay)


@dataclass(frozen=True, slots=True, eq=False)
class TangentRun:
    """R seeds. readings: after 0…T phases, [R, T + 1] each. clip_low, clip_high [R, T, M]: shares of a mini-batch's
    tokens whose gradient the surrogate removes (first epoch). kl [R, T]: mean of R − 1 − log R over a phase's tokens
    before its last step, over that step's tokens, as recorded of a real run. paid [R, T]: mean reward."""

    readings: Reading
    clip_low: Tensor
    clip_high: Tensor
    kl: Tensor
    paid: Tensor


@dataclass(frozen=True, slots=True, eq=False)
class Samples:
    """A phase's samples in the order of its mini-batches: answers (numbers in the tree) and advantages, both [R, S]."""

    answers: Tensor
    advantages: Tensor


def simulate_tangent(
    moving: Tree,
    rewards: Tensor | float,
    reader: Reader,
    training: Training,
    phases: int,
    seeds: int,
    seed: int,
    weights: Tensor | None = None,
) -> TangentRun:
    """Train `seeds` times. moving: the answers that rollouts are drawn from; rewards: of each of them [N], or the
    chance that a coin pays. reader: what is read of the moved model. weights [P]: how often a phase takes each problem,
    relatively (None: all alike).

    Chunks of seeds run on as many threads as torch uses; the numbers do not depend on how many.
    """
    layout = Layout(moving)
    often = torch.ones(moving.problems) if weights is None else weights
    rows = training.groups * layout.mean_edges * moving.gradients.shape[1]
    size = max(1, int(CHUNK_NUMBERS / rows))

    def chunk(index: int) -> TangentRun:
        generator = torch.Generator().manual_seed(seed_of(seed, index))
        replicates = _Replicates(layout, training, min(size, seeds - index * size))
        return replicates.train(rewards, reader, phases, generator, often)

    threads = torch.get_num_threads()
    try:
        with ThreadPoolExecutor(threads, initializer=partial(torch.set_num_threads, 1)) as pool:
            parts = list(pool.map(chunk, range(-(-seeds // size))))
    finally:
        torch.set_num_threads(threads)
    return TangentRun(
        Reading.joined([part.readings for part in parts]),
        *(torch.cat([getattr(part, name) for part in parts]) for name in ("clip_low", "clip_high", "kl", "paid")),
    )


@torch.no_grad()
def train_on(tree: Tree, phases: Sequence[Samples], training: Training) -> Tensor:
    """Δ after every optimizer step on the given samples, [steps, R, D]."""
    layout = Layout(tree)
    replicates = _Replicates(layout, training, len(phases[0].answers))
    found = []
    for samples in phases:
        problems = [torch.unique(row) for row in tree.problem[samples.answers]]
        most = max(map(len, problems))
        chosen = torch.stack([torch.cat([row, row[:1].expand(most - len(row))]) for row in problems])
        slots = (tree.problem[samples.answers][..., None] == chosen[:, None]).long().argmax(-1)
        packed = layout.pack(chosen)
        answers = samples.answers[..., None] == packed.answers.gather(
            1, slots[..., None].expand(-1, -1, packed.answers.shape[2])
        )
        within = (answers & packed.real.gather(1, slots[..., None].expand_as(answers))).long().argmax(-1)
        paths = _taken(packed, slots * packed.answers.shape[2] + within)
        batch = _Batch(packed, replicates.features(packed), paths, samples.advantages, tree.tokens[samples.answers])
        for _ in replicates.steps(batch):
            found.append(replicates.shift.detach().clone())
    return torch.stack(found)


def _taken(packed: Packed, places: Tensor) -> Tensor:
    """Paths [R, S, depth] of samples, given their places [R, S] among all answers of the row."""
    paths = packed.paths.flatten(1, 2)
    return paths.gather(1, places[..., None].expand(*places.shape, paths.shape[2]))


@dataclass(frozen=True, slots=True, eq=False)
class _Batch:
    """A phase's samples. features: φ of each row's edges, [size, D] each; paths [R, S, depth]; advantages, tokens
    [R, S]."""

    packed: Packed
    features: list[Tensor]
    paths: Tensor
    advantages: Tensor
    tokens: Tensor


class _Replicates:
    """Some seeds, side by side."""

    def __init__(self, layout: Layout, training: Training, seeds: int) -> None:
        self.layout, self.tree, self.training, self.seeds = layout, layout.tree, training, seeds
        self.shift = self.tree.gradients.new_zeros(seeds, self.tree.gradients.shape[1]).requires_grad_()
        optimizer, rate = training.update.optimizer, training.learning_rate
        self.optimizer: torch.optim.Optimizer
        if isinstance(optimizer, Adam):
            betas = (optimizer.beta1, optimizer.beta2)
            self.optimizer = torch.optim.Adam([self.shift], rate, betas, optimizer.epsilon, maximize=True)
        else:
            self.optimizer = torch.optim.SGD([self.shift], rate, optimizer.momentum, maximize=True)

    @torch.no_grad()
    def train(
        self, rewards: Tensor | float, reader: Reader, phases: int, generator: torch.Generator, often: Tensor
    ) -> TangentRun:
        readings, low, high, kl, paid = [reader.read(self.shift)], [], [], [], []
        for _ in range(phases):
            batch, mean = self._rollout(rewards, generator, often)
            steps = list(self.steps(batch))
            low.append(torch.stack([step[0] for step in steps], 1)[:, : self.training.minibatches])
            high.append(torch.stack([step[1] for step in steps], 1)[:, : self.training.minibatches])
            kl.append(steps[-1][2])
            paid.append(mean)
            readings.append(reader.read(self.shift))
        return TangentRun(Reading.stacked(readings), *(torch.stack(found, 1) for found in (low, high, kl, paid)))

    def features(self, packed: Packed) -> list[Tensor]:
        return [self.tree.gradients[row[:size]] for row, size in zip(packed.edges, packed.sizes.tolist(), strict=True)]

    def _shifts(self, batch_features: list[Tensor], like: Tensor) -> Tensor:
        """φ_e·Δ [R, e]."""
        found = torch.zeros_like(like)
        for row, features, shift in zip(found, batch_features, self.shift * self.tree.scale, strict=True):
            row[: len(features)] = features @ shift
        return found

    def _rollout(self, rewards: Tensor | float, generator: torch.Generator, often: Tensor) -> tuple[_Batch, Tensor]:
        """(A phase's samples, mean reward [R])."""
        training, tree, seeds = self.training, self.tree, self.seeds
        again = training.groups > tree.problems
        chosen = torch.multinomial(often.expand(seeds, -1), training.groups, again, generator=generator)
        packed = self.layout.pack(chosen)
        features = self.features(packed)
        log_prob = packed.nodes.log_prob
        gain = packed.nodes.moved(self._shifts(features, log_prob)).log_prob - log_prob
        gains = along(gain, packed.paths.flatten(1, 2)).unflatten(1, packed.real.shape[1:])
        weights = (tree.count[packed.answers].log() + gains).masked_fill(~packed.real, -torch.inf).softmax(-1)
        bounded = bool(weights.isfinite().all())
        check(bounded, "learning_rate", "one at which simulated trainings stay finite", training.learning_rate)
        drawn = torch.multinomial(weights.flatten(0, 1), training.group_size, True, generator=generator)
        drawn = drawn.unflatten(0, (seeds, training.groups))  # [R, Q, G]
        answers = packed.answers.gather(-1, drawn)
        if isinstance(rewards, float):
            paid = torch.bernoulli(torch.full(answers.shape, rewards), generator=generator)
        else:
            paid = rewards[answers]
        advantages = self._advantages(paid.to(log_prob.dtype)).flatten(1)
        places = (drawn + packed.real.shape[2] * torch.arange(training.groups)[:, None]).flatten(1)
        tokens = tree.tokens[answers].flatten(1)
        if training.update.split:
            order = torch.rand(advantages.shape, generator=generator).argsort(1)
            places, advantages, tokens = (x.gather(1, order) for x in (places, advantages, tokens))
        return _Batch(packed, features, _taken(packed, places), advantages, tokens), paid.flatten(1).mean(1)

    def _advantages(self, rewards: Tensor) -> Tensor:
        """A group's rewards less their mean, over their standard deviation as TRL takes it."""
        centred = rewards - rewards.mean(-1, keepdim=True)
        if self.training.scale == "none":
            return centred
        correction = 1 if self.training.scale == "std-unbiased" else 0
        return centred / (rewards.std(-1, correction=correction, keepdim=True) + EPSILON)

    def steps(self, batch: _Batch) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The optimizer steps of a phase; of each the shares of tokens clipped low and high, and its KL as it began."""
        training, nodes = self.training, batch.packed.nodes
        parts = (training.minibatches, -1)
        advantage, tokens = batch.advantages.unflatten(1, parts), batch.tokens.unflatten(1, parts).to(nodes.prob.dtype)
        total = tokens.sum(2)
        mean = tokens * tokens.shape[2] if training.weigh == "answer" else total[..., None]
        length = self.tree.length[batch.packed.edges]
        praised, blamed = advantage > 0, advantage < 0

        def on_edges(values: Tensor) -> Tensor:
            """Each sample's value [R, M, n] added to every edge on its path: [R, M, e]."""
            paths = batch.paths.unflatten(1, parts)
            found = values.new_zeros(*values.shape[:2], nodes.prob.shape[1] + 1)
            return found.scatter_add_(2, paths.flatten(2), values[..., None].expand(paths.shape).flatten(2))[..., :-1]

        praise, blame = (on_edges(advantage / mean * side) for side in (praised, blamed))
        seen, seen_praised, seen_blamed = (
            on_edges(side.to(tokens.dtype)) * length[:, None] / total[..., None]
            for side in (torch.ones_like(praised), praised, blamed)
        )
        old: Tensor | None = None
        for step in range(training.update.epochs * training.minibatches):
            at = step % training.minibatches
            laws = nodes.moved(self._shifts(batch.features, nodes.prob))
            old = laws.log_prob if old is None else old
            log_ratio = (laws.log_prob - old) / length
            ratio = log_ratio.exp()
            slopes = training.surrogate.slopes(ratio.numpy(), old.exp().numpy())
            plus, minus = (torch.as_tensor(slope, dtype=ratio.dtype) for slope in slopes)
            low, high = (seen_blamed[:, at] * (minus == 0)).sum(1), (seen_praised[:, at] * (plus == 0)).sum(1)
            kl = (seen[:, at] * (ratio - 1 - log_ratio)).sum(1)
            weights = nodes.score_weights(ratio * (plus * praise[:, at] + minus * blame[:, at]), laws)
            pairs = zip(weights, batch.features, strict=True)
            gradient = torch.stack([row[: len(features)] @ features for row, features in pairs])
            if training.update.max_grad_norm is not None:
                norm = (gradient.square() @ self.tree.scale).sqrt().unsqueeze(1)
                gradient *= (training.update.max_grad_norm / (norm + NORM_GUARD)).clamp(max=1.0)
            self.shift.grad = gradient
            self.optimizer.step()
            yield low, high, kl
