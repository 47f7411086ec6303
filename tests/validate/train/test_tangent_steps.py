"""TRL's own optimizer steps on a tiny model, retraced by the tangent engine from the samples that TRL used.

The first step is linear in nothing but the gradient at θ₀ and must come out exactly; the ratios of the second
mini-batch are φ·Δ less the log of a node's total, with an error that falls as the square of the step.
"""

from copy import deepcopy
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

import tiny_trl
from clipbias.simulate.tangent.engine import Samples, Training, train_on
from clipbias.simulate.tangent.packing import Layout
from clipbias.simulate.tangent.tree import PADDING, Tree
from clipbias.theory.surrogate import UNCLIPPED
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule
from clipbias.validate.measure.gradient_survey import read_tree
from clipbias.validate.model.gradients import Row, weighted_gradient
from clipbias.validate.model.sampling import Answer
from clipbias.validate.model.subject import Subject
from clipbias.validate.recipe import training as recipe
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.tasks.problems import Problem
from clipbias.validate.train.record import Record
from clipbias.validate.train.trainer import RecordingTrainer, TrainingSet

pytestmark = pytest.mark.training

GROUPS, GROUP_SIZE, MINIBATCHES = 2, 4, 2
EPS = 1e-8


class Watched(RecordingTrainer):
    """Notes what each optimizer step was given and where it led."""

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.given = [*getattr(self, "given", []), inputs]
        self.found = [*getattr(self, "found", []), flat(model)]
        return super()._compute_loss(model, inputs)


def flat(model: PreTrainedModel) -> torch.Tensor:
    return torch.cat([p.detach().flatten() for p in model.parameters()]).clone()


@dataclass
class Steps:
    """θ before each step and at the end [1 + M, d]; of each step its answers' tokens and advantages; its log-ratios."""

    found: torch.Tensor
    tokens: list[list[tuple[int, ...]]]
    advantages: list[torch.Tensor]
    log_ratios: list[np.ndarray]
    prompt: tuple[int, ...]
    start: PreTrainedModel


def steps(optimizer: Sgd | Adam, rate: float, folder: Path, weight_decay: float = 0.0) -> Steps:
    model = tiny_trl.model().eval()
    problems = (Problem("ask", "a"), Problem("ask", "b"))
    subject = Subject(
        folder=folder,
        model=model,
        tokenizer=tiny_trl.tokenizer(),
        problems={"plain": problems},
        held_out={"plain": problems},
        probes={},
        strategy="a",
        strategy_of=lambda text: "a" in text,
        batch=recipe.BATCH,
    )
    start = deepcopy(model)
    made: torch.optim.Optimizer
    if isinstance(optimizer, Sgd):
        made = torch.optim.SGD(model.parameters(), rate, optimizer.momentum)
    else:
        made = torch.optim.AdamW(
            model.parameters(), rate, (optimizer.beta1, optimizer.beta2), EPS, weight_decay=weight_decay
        )
    plan = recipe.Training(GROUPS, GROUP_SIZE, MINIBATCHES, rate, phases=1, max_completion_length=4)
    chosen, record = TrainingSet(problems, (None, None)), Record()
    trainer = Watched(subject, chosen, plan, Arm("a", None, None), 3, range(1), made, record, str(folder))
    trainer.train()
    kept = [inputs["completion_mask"].bool() for inputs in trainer.given]
    return Steps(
        torch.stack([*trainer.found, flat(trainer.model)]),
        [
            [tuple(row[mask].tolist()) for row, mask in zip(inputs["completion_ids"], masks, strict=True)]
            for inputs, masks in zip(trainer.given, kept, strict=True)
        ],
        [inputs["advantages"] for inputs in trainer.given],
        [block["log_ratio"] for block in record.tokens],
        tuple(tiny_trl.tokenizer()("ask")["input_ids"]),
        start,
    )


def retraced(run: Steps, optimizer: Sgd | Adam, rate: float) -> tuple[Tree, Samples, torch.Tensor, torch.Tensor]:
    """(The tree of the run's answers, the samples, Δ after every step, which parameters its coordinates are)."""
    drawn = [tokens for step in run.tokens for tokens in step]
    distinct = sorted(set(drawn))
    answers = [Answer(0, tokens, drawn.count(tokens)) for tokens in distinct]
    tree = read_tree(run.start, [run.prompt], answers, coordinates=10**6, parts="token", seed=1)
    assert (tree.scale == 1).all()
    samples = Samples(torch.tensor([[distinct.index(tokens) for tokens in drawn]]), torch.cat(run.advantages)[None])
    training = Training(
        groups=GROUPS,
        group_size=GROUP_SIZE,
        minibatches=MINIBATCHES,
        learning_rate=rate,
        surrogate=UNCLIPPED,
        update=UpdateRule(optimizer=optimizer, max_grad_norm=1.0, split=True),
    )
    rows = [Row(run.prompt + tokens, 1) for tokens in distinct]
    rng = np.random.default_rng(1)
    loud: Any = sum(weighted_gradient(run.start, rows, rng.normal(size=len(rows)).tolist()).square() for _ in range(8))
    return tree, samples, train_on(tree, [samples], training)[:, 0], loud > 0


@pytest.mark.parametrize("optimizer", [Sgd(), Sgd(0.9), Adam(0.9, 0.95, EPS)])
def test_the_first_step_is_trls(optimizer: Sgd | Adam, tmp_path: Path) -> None:
    rate = 1e-3 if isinstance(optimizer, Adam) else 0.05
    run = steps(optimizer, rate, tmp_path)
    tree, samples, found, places = retraced(run, optimizer, rate)
    moved = run.found[1:] - run.found[0]
    assert (moved[0][~places] == 0).all()
    expected = moved[0][places].double()
    sure = slice(None)
    if isinstance(optimizer, Adam):  # it makes a whole step of a gradient that is rounding error
        sure = (found[0].abs() > 0.99 * rate) & (expected.abs() > 0.99 * rate)
        assert sure.double().mean() > 0.9
    difference = found[0][sure].double() - expected[sure]
    assert difference.norm() < 1e-5 * expected.norm()
    wrong = train_on(
        tree,
        [Samples(samples.answers, samples.advantages.flip(1))],
        Training(
            groups=GROUPS,
            group_size=GROUP_SIZE,
            minibatches=MINIBATCHES,
            learning_rate=rate,
            surrogate=UNCLIPPED,
            update=UpdateRule(optimizer=optimizer),
        ),
    )[0, 0]
    assert (wrong[sure].double() - expected[sure]).norm() > 0.1 * expected.norm()


def ratio_errors(run: Steps, tree: Tree, samples: Samples, shift: torch.Tensor) -> tuple[float, float]:
    """(Root mean square of log-ratios of the second mini-batch, of their error), given Δ after the first step."""
    packed = Layout(tree).pack(torch.zeros(1, 1, dtype=torch.long))
    gain = packed.nodes.moved((tree.gradients @ shift)[None]).log_prob - packed.nodes.log_prob
    second = samples.answers[0, len(run.tokens[0]) :]
    expected = [float(gain[0, edge]) for answer in second for edge in tree.path[answer] if edge != PADDING]
    error = np.array(expected) - run.log_ratios[1]
    return float(np.sqrt((run.log_ratios[1] ** 2).mean())), float(np.sqrt((error**2).mean()))


def test_ratios_of_the_second_minibatch_to_first_order(tmp_path: Path) -> None:
    relative = []
    for rate in (0.02, 0.002):
        run = steps(Sgd(), rate, tmp_path)
        tree, samples, found, _ = retraced(run, Sgd(), rate)
        size, error = ratio_errors(run, tree, samples, found[0])
        relative.append(error / size)
        _, reverse = ratio_errors(run, tree, samples, -found[0])
        assert reverse > size
    assert relative[0] < 0.1
    assert relative[1] < 0.2 * relative[0]
