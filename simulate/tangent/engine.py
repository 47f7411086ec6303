"""GRPO on the tangent model: whole trainings in the space of Δ = θ − θ₀, from the answers of one survey.

Rollouts are drawn from the survey's answers, reweighted to the moved model, problem by problem. Advantages, shuffling,
mini-batches, ratios of tokens under any surrogate, the clip of the gradient's norm and the optimizer are those of the
run that is forecast. The toy of a categorical policy is the case of one problem,
one token an answer and φ_a = e_a − π₀.

Accuracy: coordinates are sampled, so φ·Δ has a sampling error (see `measure.gradient_survey`); features are those of
θ₀, so that what the network does beyond first order is left out; a problem's answers are those that the survey saw.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor

from clipbias.common.errors import check
from clipbias.common.seeds import seed_of
from clipbias.theory.setup import Scale
from clipbias.theory.surrogate import Surrogate
from clipbias.theory.update_rule import Adam, UpdateRule

from .reading import Reader, Reading
from .tree import Tables, Tree, along, moved, score_weights, tables

CHUNK_NUMBERS = 1 << 25  # of the gradients that a chunk of seeds takes into a phase: 128 MB
EPSILON = 1e-4  # TRL adds it to the standard deviation of a group's rewards


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
    relatively (None: all alike)."""
    laid = tables(moving)
    rows = training.groups * laid.edges.shape[1] * moving.gradients.shape[1]
    chunk = max(1, CHUNK_NUMBERS // rows)
    parts = []
    for index, first in enumerate(range(0, seeds, chunk)):
        generator = torch.Generator().manual_seed(seed_of(seed, index))
        size = min(chunk, seeds - first)
        parts.append(_Chunk(moving, laid, rewards, training, size, generator, weights).run(phases, reader))
    return TangentRun(
        Reading.joined([part.readings for part in parts]),
        *(torch.cat([getattr(part, name) for part in parts]) for name in ("clip_low", "clip_high", "kl", "paid")),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Rollout:
    """A phase's problems and samples, of R seeds. features [R, E, D]: of all edges of the phase's problems; edges
    [R, E]: their numbers in the tree; present, nodes [R, E]; sampled [R, S, depth]: places among E of each sample's
    edges, E in padding; advantages, tokens [R, S]."""

    features: Tensor
    edges: Tensor
    present: Tensor
    nodes: Tensor
    node_count: int
    sampled: Tensor
    advantages: Tensor
    tokens: Tensor
    paid: Tensor


class _Chunk:
    """Some seeds, side by side."""

    def __init__(
        self,
        tree: Tree,
        laid: Tables,
        rewards: Tensor | float,
        training: Training,
        seeds: int,
        generator: torch.Generator,
        weights: Tensor | None,
    ) -> None:
        self.weights = torch.ones(tree.problems) if weights is None else weights
        self.tree, self.laid, self.rewards, self.training = tree, laid, rewards, training
        self.seeds, self.generator = seeds, generator
        self.shift = torch.zeros(seeds, tree.gradients.shape[1], requires_grad=True)
        optimizer, rate = training.update.optimizer, training.learning_rate
        self.optimizer: torch.optim.Optimizer
        if isinstance(optimizer, Adam):
            betas = (optimizer.beta1, optimizer.beta2)
            self.optimizer = torch.optim.Adam([self.shift], rate, betas, optimizer.epsilon, maximize=True)
        else:
            self.optimizer = torch.optim.SGD([self.shift], rate, optimizer.momentum, maximize=True)

    @torch.no_grad()
    def run(self, phases: int, reader: Reader) -> TangentRun:
        readings, low, high, kl, paid = [reader.read(self.shift)], [], [], [], []
        for _ in range(phases):
            rollout = self._rollout()
            steps = list(self._steps(rollout))
            low.append(torch.stack([step[0] for step in steps], 1)[:, : self.training.minibatches])
            high.append(torch.stack([step[1] for step in steps], 1)[:, : self.training.minibatches])
            kl.append(steps[-1][2])
            paid.append(rollout.paid)
            readings.append(reader.read(self.shift))
        return TangentRun(Reading.stacked(readings), *(torch.stack(found, 1) for found in (low, high, kl, paid)))

    def _shifts(self, features: Tensor) -> Tensor:
        """φ_e·Δ [R, E]."""
        return torch.bmm(features, (self.shift * self.tree.scale).unsqueeze(-1)).squeeze(-1)

    def _rollout(self) -> _Rollout:
        training, laid, tree, seeds = self.training, self.laid, self.tree, self.seeds
        again = training.groups > tree.problems
        weights = self.weights.expand(seeds, -1)
        chosen = torch.multinomial(weights, training.groups, again, generator=self.generator)
        width = laid.edges.shape[1]
        edges = laid.edges[chosen].flatten(1)
        features = tree.gradients[edges]
        first_node = laid.most_nodes * torch.arange(training.groups)[:, None]
        nodes = (laid.nodes[chosen] + first_node).flatten(1)
        present = laid.present[chosen].flatten(1)
        node_count = laid.most_nodes * training.groups
        laws = moved(tree.log_prob[edges], self._shifts(features), nodes, present, node_count)
        gain = (laws.log_prob - tree.log_prob[edges]).masked_fill(~present, 0.0)
        paths = laid.paths[chosen]  # [R, Q, a, depth]
        answers, real = laid.answers[chosen], laid.real[chosen]
        likely = (along(gain.unflatten(1, (training.groups, width)), paths)).masked_fill(~real, -torch.inf)
        likely = (tree.count[answers].log() + likely).softmax(-1)
        drawn = torch.multinomial(likely.flatten(0, 1), training.group_size, True, generator=self.generator)
        drawn = drawn.unflatten(0, (seeds, training.groups))  # [R, Q, G]
        samples = answers.gather(-1, drawn)
        rewards = self._paid(samples)
        advantages = self._advantages(rewards)
        depth = paths.shape[-1]
        taken = paths.gather(2, drawn[..., None].expand(*drawn.shape, depth))
        offset = width * torch.arange(training.groups)[:, None, None]
        taken = torch.where(taken == width, width * training.groups, taken + offset).flatten(1, 2)
        advantage, tokens = advantages.flatten(1), tree.tokens[samples].flatten(1)
        if training.update.split:
            order = torch.rand(advantage.shape, generator=self.generator).argsort(1)
            taken = taken.gather(1, order[..., None].expand_as(taken))
            advantage, tokens = advantage.gather(1, order), tokens.gather(1, order)
        return _Rollout(
            features, edges, present, nodes, node_count, taken, advantage, tokens, rewards.flatten(1).mean(1)
        )

    def _paid(self, samples: Tensor) -> Tensor:
        if isinstance(self.rewards, float):
            return torch.bernoulli(torch.full(samples.shape, self.rewards), generator=self.generator)
        return self.rewards[samples]

    def _advantages(self, rewards: Tensor) -> Tensor:
        """A group's rewards less their mean, over their standard deviation as TRL takes it."""
        centred = rewards - rewards.mean(-1, keepdim=True)
        if self.training.scale == "none":
            return centred
        correction = 1 if self.training.scale == "std-unbiased" else 0
        return centred / (rewards.std(-1, correction=correction, keepdim=True) + EPSILON)

    def _steps(self, rollout: _Rollout) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
        """The optimizer steps of a phase; of each the shares of tokens clipped low and high, and the KL before it."""
        training, tree = self.training, self.tree
        log_start = tree.log_prob[rollout.edges]
        start = log_start.exp().masked_fill(~rollout.present, 0.0)
        length = tree.length[rollout.edges]
        size = rollout.advantages.shape[1] // training.minibatches
        old: Tensor | None = None
        for step in range(training.update.epochs * training.minibatches):
            part = slice(step % training.minibatches * size, (step % training.minibatches + 1) * size)
            laws = moved(log_start, self._shifts(rollout.features), rollout.nodes, rollout.present, rollout.node_count)
            old = laws.log_prob if old is None else old
            log_ratio = (laws.log_prob - old) / length
            advantage, tokens = rollout.advantages[:, part], rollout.tokens[:, part].to(log_ratio.dtype)
            weight = advantage / (tokens * size if training.weigh == "answer" else tokens.sum(1, keepdim=True))
            taken = rollout.sampled[:, part]
            praise, blame = (self._on_edges(weight * (side), taken, start) for side in (advantage > 0, advantage < 0))
            slopes = training.surrogate.slopes(log_ratio.exp().numpy(), old.exp().numpy())
            plus, minus = (torch.as_tensor(slope, dtype=log_ratio.dtype) for slope in slopes)
            pull = log_ratio.exp() * (plus * praise + minus * blame)
            counts = self._on_edges(torch.ones_like(advantage), taken, start) * length
            praised, blamed = (
                self._on_edges(side.to(log_ratio.dtype), taken, start) * length
                for side in (advantage > 0, advantage < 0)
            )
            total = tokens.sum(1)
            kl = (counts * (log_ratio.exp() - 1 - log_ratio)).sum(1) / total
            yield ((blamed * (minus == 0)).sum(1) / total, (praised * (plus == 0)).sum(1) / total, kl)
            weights = score_weights(pull, laws, start, rollout.nodes)
            gradient = torch.bmm(weights.unsqueeze(1), rollout.features).squeeze(1)
            if training.update.max_grad_norm is not None:
                norm = (gradient.square() @ tree.scale).sqrt().unsqueeze(1)
                gradient *= (training.update.max_grad_norm / (norm + 1e-6)).clamp(max=1.0)
            self.shift.grad = gradient
            self.optimizer.step()

    @staticmethod
    def _on_edges(values: Tensor, taken: Tensor, like: Tensor) -> Tensor:
        """Each sample's value [R, n] added to every edge on its path: [R, E]."""
        found = like.new_zeros(like.shape[0], like.shape[1] + 1)
        return found.scatter_add_(1, taken.flatten(1), values[..., None].expand(taken.shape).flatten(1).to(like.dtype))[
            :, :-1
        ]
