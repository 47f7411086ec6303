"""What a forecast of a recipe is made from: a survey with gradients for each style of prompt, and what arms pay it."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check
from clipbias.simulate.tangent.reading import Observable
from clipbias.validate.model.subject import Subject
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import ForecastLine, Recipe
from clipbias.validate.tasks.rewards import parse_reward, score

from .gradient_survey import GradientSurvey, survey_gradients
from .observables import observables
from .reading_set import ReadingSet, drawn, listed
from .survey import SEED, Survey


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Places:
    """Of the training problems: those whose answers give gradients, and others, on which trained models are read."""

    surveyed: tuple[int, ...]
    read: tuple[int, ...]


def places(line: ForecastLine, count: int, only: Iterable[tuple[int, ...]] = ()) -> Places:
    """count: of the training problems. only: those that an arm is trained on, of each arm: one of them at least is
    surveyed, in the place of another."""
    asked = line.problems + line.read_problems
    check(asked <= count, "forecast.problems", f"at most {count} together with read_problems", asked)
    order = np.random.default_rng(SEED).permutation(count).tolist()
    surveyed = order[: line.problems]
    missing = {trained[0] for trained in only if not set(trained) & set(surveyed)}
    surveyed = [*missing, *surveyed][: max(line.problems, len(missing))]
    return Places(surveyed=tuple(sorted(surveyed)), read=tuple(sorted(order[line.problems :][: line.read_problems])))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Surveyed:
    """A survey in one style of prompt. places: of its problems among the training problems."""

    survey: GradientSurvey
    places: tuple[int, ...]
    observables: tuple[Observable, ...]


def gradient_survey(recipe: Recipe, subject: Subject, style: str, only: Iterable[tuple[int, ...]] = ()) -> Surveyed:
    """only: the problems that each arm is trained on."""
    line, problems = _line(recipe), subject.problems[style]
    chosen = places(line, len(problems), only).surveyed
    found = survey_gradients(
        subject.model,
        subject.tokenizer,
        tuple(problems[i].prompt for i in chosen),
        samples=line.answers,
        max_new_tokens=recipe.training.max_completion_length,
        coordinates=line.coordinates,
        parts=line.parts,
        seed=SEED,
        batch=subject.batch,
    )
    owners = [problems[chosen[i]] for i in found.tree.problem.tolist()]
    seen = observables(found.texts, owners, found.tree.tokens, found.finished.tolist(), subject.strategy_of)
    return Surveyed(survey=found, places=chosen, observables=tuple(seen))


def payments(arm: Arm, surveyed: Surveyed, subject: Subject, known: Survey | None) -> Array:
    """What the arm pays each of the survey's answers; known: answers to all problems, whose majority labels count."""
    expression, problems = parse_reward(arm.reward), subject.problems[arm.style]
    if expression.is_random:
        raise InputError(f"reward of arm {arm.name}", "random alone, or without random, to be foretold", arm.reward)
    paid = []
    for text, problem in zip(surveyed.survey.texts, surveyed.survey.tree.problem.tolist(), strict=True):
        place = surveyed.places[problem]
        label = None if known is None else known.labels[place]
        paid.append(float(score(expression, text, problems[place].answer, label)))
    return np.array(paid)


def reading_set(recipe: Recipe, subject: Subject, style: str) -> ReadingSet:
    """On what trained models are read."""
    line = _line(recipe)
    read = places(line, len(subject.problems[style])).read
    if (subject.folder / "spec.toml").is_file():
        return listed(subject, style, read)
    return drawn(subject, style, read, line.answers, recipe.training.max_completion_length, SEED)


def _line(recipe: Recipe) -> ForecastLine:
    if recipe.forecast is None:
        raise InputError("forecast", "a table of the recipe", "none")
    return recipe.forecast
