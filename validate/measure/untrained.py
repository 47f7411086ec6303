"""What is known of the untrained model beyond its strategy share: what rewards pay it, and how well it does.

Both are taken once and kept in the run folder; a survey that is there already, of the same model and questions, is used
as it is.
"""

from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.progress import Progress

from clipbias.common.files import read_parquet, sha256, write_parquet
from clipbias.validate.model.sampling import sample_answers
from clipbias.validate.model.subject import Subject
from clipbias.validate.recipe.recipe import Recipe
from clipbias.validate.store.layout import untrained_file
from clipbias.validate.store.manifest import model_hashes

from .evaluation import evaluate, rates
from .survey import SEED, Payment, chosen_problems, has_survey, payment, read_survey, survey_file, write_survey

MORE_SAMPLES = 8  # as many answers to a held-out problem before training as after it in one seed, times this


def survey_key(recipe: Recipe, subject: Subject, style: str) -> dict[str, str]:
    """What a survey depends on."""
    hashes = model_hashes(subject.folder)
    asked = (recipe.survey.samples, recipe.training.max_completion_length)
    return {"style": style, "asked": repr(asked), "model": " ".join(f"{k}={v}" for k, v in hashes.items())}


def _survey(folder: Path, recipe: Recipe, subject: Subject, style: str) -> None:
    path, key = survey_file(folder, style), survey_key(recipe, subject, style)
    if has_survey(path, key):
        return
    prompts = tuple(problem.prompt for problem in subject.problems[style])
    length, samples = recipe.training.max_completion_length, recipe.survey.samples
    console = Console(stderr=True)
    with Progress(console=console, disable=not console.is_terminal) as progress:
        bar = progress.add_task(f"survey, {style}", total=len(prompts))

        def done(count: int) -> None:
            progress.update(bar, completed=count)

        answers = sample_answers(subject.model, subject.tokenizer, prompts, samples, length, SEED, done)
    write_survey(path, answers, key)


def survey_payments(folder: Path, recipe: Recipe, subject: Subject) -> dict[str, Payment]:
    """What each arm's reward pays before training; empty where no arm needs a survey."""
    if not any(arm.surveyed for arm in recipe.arm):
        return {}
    for style in dict.fromkeys(arm.style for arm in recipe.arm if arm.surveyed):
        _survey(folder, recipe, subject, style)
    found = {}
    for arm in recipe.arm:
        if arm.blind:
            prob = arm.training(recipe.training).success_prob
            found[arm.name] = Payment(prob, 0.0, prob, 0.0, prob)
        else:
            survey = read_survey(survey_file(folder, arm.style), subject.problems[arm.style])
            found[arm.name] = payment(arm.reward, survey, chosen_problems(arm, survey), subject.strategy_of)
    return found


def with_accuracy(folder: Path, recipe: Recipe, subject: Subject, claims: dict[str, Any]) -> dict[str, Any]:
    """The claims; for every arm the accuracy on held-out problems by phase if only the strategy's share moved (T11),
    a_t = a_0 + (share_t − share_0)·(accuracy with the strategy − accuracy without); the untrained model's rates; and
    the hashes of what they were read from."""
    if recipe.evaluation is None:
        return claims
    line, length = recipe.evaluation, recipe.training.max_completion_length
    path = untrained_file(folder)
    if not path.is_file():
        styles = tuple(dict.fromkeys([*line.styles, *(arm.style for arm in recipe.arm)]))
        write_parquet(path, evaluate(subject, styles, MORE_SAMPLES * line.samples, length, SEED), {})
    table = read_parquet(path)[0]
    before = {style: rates(table, style) for style in dict.fromkeys(table["style"].to_pylist())}
    for arm in recipe.arm:
        claim, known = claims["arms"][arm.name], before[arm.style]
        contrast = known["accuracy_with"] - known["accuracy_without"]
        moved = np.asarray(claim["share_mean"]) - claim["share_mean"][0]
        known_contrast = contrast if np.isfinite(contrast) else 0.0  # a strategy that was never seen explains nothing
        claim["accuracy_mean"] = (known["accuracy"] + moved * known_contrast).tolist()
    surveys = sorted((folder / "survey").glob("*.parquet"))
    return claims | {
        "untrained": {s: {k: v if np.isfinite(v) else None for k, v in r.items()} for s, r in before.items()},
        "untrained_sha256": {str(file.relative_to(folder)): sha256(file) for file in [path, *surveys]},
    }
