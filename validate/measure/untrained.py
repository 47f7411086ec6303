"""What is known of the untrained model beyond its strategy share: what rewards pay it, and how well it does.

Both are taken once and kept in the run folder; a survey that is there already, of the same model and questions, is used
as it is.
"""

from dataclasses import dataclass
from pathlib import Path

from clipbias.common.files import read_parquet, sha256, write_parquet
from clipbias.common.progress import steps
from clipbias.validate.model.locate import model_hashes
from clipbias.validate.model.sampling import sample_answers
from clipbias.validate.model.subject import Subject
from clipbias.validate.recipe.recipe import Recipe

from .answer_rates import UntrainedRates, rates, untrained_file
from .evaluation import evaluate
from .payment import Payment, payment
from .survey import SEED, chosen_problems, has_survey, labelled_for, read_survey, survey_file, write_survey

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
    with steps(f"survey, {style}", len(prompts)) as done:
        answers = sample_answers(subject.model, subject.tokenizer, prompts, samples, length, SEED, done, subject.batch)
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
            found[arm.name] = payment(
                arm.reward, labelled_for(arm, survey), chosen_problems(arm, survey), subject.strategy_of
            )
    return found


@dataclass(frozen=True, slots=True)
class Untrained:
    """rates: by style of prompt; sha256: of the files that what is known of the untrained model was read from."""

    rates: dict[str, UntrainedRates]
    sha256: dict[str, str]


def untrained_rates(folder: Path, recipe: Recipe, subject: Subject) -> Untrained | None:
    """How the untrained model does on held-out problems; None where the recipe asks for no evaluation."""
    if recipe.evaluation is None:
        return None
    line, length = recipe.evaluation, recipe.training.max_completion_length
    path = untrained_file(folder)
    if not path.is_file():
        styles = tuple(dict.fromkeys([*line.styles, *(arm.style for arm in recipe.arm)]))
        write_parquet(path, evaluate(subject, styles, MORE_SAMPLES * line.samples, length, SEED), {})
    table = read_parquet(path)[0]
    surveys = sorted((folder / "survey").glob("*.parquet"))
    return Untrained(
        rates={style: rates(table, style) for style in dict.fromkeys(table["style"].to_pylist())},
        sha256={str(file.relative_to(folder)): sha256(file) for file in [path, *surveys]},
    )
