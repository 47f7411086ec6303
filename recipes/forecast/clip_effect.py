"""What the clip of a recipe should do to the share, before any run: its arms, paired, in the tangent model.

    python recipes/forecast/clip_effect.py recipes/forecast/clip-likely-sgd.toml

One survey with gradients; every arm from the same draws; arms are compared with the last, which has no clip. Printed
for each: the mean change of the log-odds, its spread over seeds, the mean and the spread of the paired difference, the
seeds that show it with a power of 0.9 (Student's t, 5 %, two-sided), and how many pairs the recipe has.
"""

import sys
from dataclasses import replace

import numpy as np
import torch

from clipbias.simulate.tangent.engine import TangentRun, simulate_tangent
from clipbias.simulate.tangent.engine import Training as TangentTraining
from clipbias.simulate.tangent.reading import Observable, Reader
from clipbias.simulate.tangent.tree import PADDING, Tree
from clipbias.theory.formulas.power import paired_power, seeds_needed
from clipbias.theory.update_rule import UpdateRule
from clipbias.validate.measure.gradient_survey import GradientSurvey, survey_gradients
from clipbias.validate.measure.survey import SEED
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import Recipe, load_recipe
from clipbias.validate.tasks.problems import read_answer

MOVING, READ, ANSWERS = 160, 100, 16  # problems that give gradients, others that are read, and answers to each
COORDINATES = 512
SEEDS = 96
POWER = 0.9


def part(tree: Tree, first: int, last: int) -> tuple[Tree, np.ndarray]:
    """The tree of some of the problems, and which answers those are."""
    answers = (tree.problem >= first) & (tree.problem < last)
    edges = (tree.edge_problem >= first) & (tree.edge_problem < last)
    before = int(edges.nonzero()[0, 0])
    path = torch.where(tree.path == PADDING, PADDING, tree.path - before)
    cut = replace(
        tree,
        gradients=tree.gradients[edges],
        log_prob=tree.log_prob[edges],
        length=tree.length[edges],
        node=tree.node[edges] - int(tree.node[edges].min()),
        edge_problem=tree.edge_problem[edges] - first,
        problem=tree.problem[answers] - first,
        count=tree.count[answers],
        tokens=tree.tokens[answers],
        path=path[answers],
    )
    return cut, answers.numpy()


def surveyed(recipe: Recipe, subject: Subject) -> tuple[Tree, Reader]:
    """What moves the model, and what is read of it."""
    order = np.random.default_rng(SEED).permutation(len(subject.problems["plain"]))[: MOVING + READ]
    problems = [subject.problems["plain"][i] for i in order]
    prompts = tuple(problem.prompt for problem in problems)
    length = recipe.training.max_completion_length
    found: GradientSurvey = survey_gradients(
        subject.model.eval(), subject.tokenizer, prompts,
        samples=ANSWERS, max_new_tokens=length, coordinates=COORDINATES, parts="token", seed=SEED,
    )  # fmt: skip
    moving, _ = part(found.tree, 0, min(MOVING, 3 * len(problems) // 5))
    reading, kept = part(found.tree, moving.problems, len(problems))
    texts = [text for text, keep in zip(found.texts, kept, strict=True) if keep]
    asked = [problems[moving.problems + int(p)] for p in reading.problem]
    first = torch.tensor([float(subject.strategy_of(text)) for text in texts])
    right = torch.tensor([float(read_answer(t) == p.answer) for t, p in zip(texts, asked, strict=True)])
    every = torch.ones(len(texts))
    seen = [Observable("share", first, every), Observable("accuracy", right, every, log_odds=False)]
    return moving, Reader(reading, seen)


def trained(recipe: Recipe, arm: Arm, moving: Tree, reader: Reader) -> TangentRun:
    training = arm.training(recipe.training)
    setup = TangentTraining(
        groups=training.prompts_per_phase,
        group_size=training.group_size,
        minibatches=training.minibatches,
        learning_rate=training.learning_rate,
        surrogate=arm.gate,
        update=UpdateRule(optimizer=training.update, max_grad_norm=training.max_grad_norm, split=True),
    )
    return simulate_tangent(moving, training.success_prob, reader, setup, training.phases, SEEDS, 1)


def main(file: str) -> None:
    recipe = load_recipe(file)
    moving, reader = surveyed(recipe, load_subject(recipe.model, recipe.probe))
    runs = {arm.name: trained(recipe, arm, moving, reader) for arm in recipe.arm}
    *others, plain = runs
    read = {name: run.readings.values.numpy() for name, run in runs.items()}
    change = {name: values[:, -1, 0] - values[:, 0, 0] for name, values in read.items()}
    for name, run in runs.items():
        first, last = (read[name][:, t, 1].mean() for t in (0, -1))
        print(f"{name}: log-odds {change[name].mean():+.3f}, over seeds ± {change[name].std(ddof=1):.3f}", end="; ")
        print(
            f"clipped low {run.clip_low.mean():.4f}, high {run.clip_high.mean():.4f}, KL {run.kl.mean():.4f}", end="; "
        )
        print(f"accuracy {first:.3f} to {last:.3f}; effective answers {run.readings.effective[:, -1].mean():.1f}")
    for name in others:
        gap = change[name] - change[plain]
        mean, spread = float(gap.mean()), float(gap.std(ddof=1))
        print(f"{name} − {plain}: {mean:+.3f} ± {spread / SEEDS**0.5:.3f}, over seeds ± {spread:.3f}", end="; ")
        print(f"{seeds_needed(mean, spread, POWER)} seeds for a power of {POWER}", end="; ")
        print(f"{recipe.seeds} seeds have {paired_power(mean, spread, recipe.seeds):.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
