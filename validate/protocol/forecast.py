"""What every arm of a recipe will teach, foretold from one survey of the untrained model: forecast.json."""

from dataclasses import dataclass, replace
from pathlib import Path

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.common.files import locked, sha256, write_text
from clipbias.common.progress import steps
from clipbias.common.seeds import seed_of
from clipbias.simulate.tangent.engine import Training as TangentTraining
from clipbias.theory.surrogate import Sapo
from clipbias.theory.update_rule import Adam, UpdateRule
from clipbias.validate.measure.forecast_survey import Surveyed, gradient_survey, payments
from clipbias.validate.measure.survey import SEED, chosen_problems, labelled_for, read_survey, survey_file
from clipbias.validate.measure.untrained import survey_payments
from clipbias.validate.model.locate import is_organism
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.predict.causes import causes
from clipbias.validate.predict.folds import FOLDS, SurveyReward
from clipbias.validate.predict.forecast import Forecast, forecast, to_text
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.gate import per_answer, token_gate
from clipbias.validate.recipe.recipe import ForecastLine, Recipe, load_recipe
from clipbias.validate.recipe.training import BATCH, Training
from clipbias.validate.store.layout import FORECAST

from .models import make_model
from .sampling import measured_batch


def write_forecast(folder: Path, recipe: Recipe, subject: Subject) -> str | None:
    """Write the file, if the recipe asks for it; returns its SHA-256. One that is there already is made again."""
    if recipe.forecast is None:
        return None
    write_text(folder / FORECAST, to_text(make_forecasts(folder, recipe, subject)))
    return sha256(folder / FORECAST)


def make_forecasts(folder: Path, recipe: Recipe, subject: Subject) -> dict[str, Forecast]:
    """By arm. folder: in which the survey of labels is kept, or will be."""
    line = recipe.forecast
    if line is None:
        raise InputError("forecast", "a table of the recipe", "none")
    survey_payments(folder, recipe, subject)
    subject.model.eval()
    styles = dict.fromkeys(arm.style for arm in recipe.arm)
    trained = {
        style: [trained_problems(folder, arm, subject) for arm in recipe.arm if arm.style == style] for style in styles
    }
    surveyed = {style: gradient_survey(recipe, subject, style, trained[style]) for style in styles}
    found: dict[str, Forecast] = {}
    with steps("forecast", len(recipe.arm)) as done:
        for arm in recipe.arm:
            training = arm.training(recipe.training)
            here = surveyed[arm.style]
            given = (here.survey.tree, here.observables, survey_reward(folder, arm, here, subject, training))
            setup, seed = tangent_training(training, arm), seed_of(SEED)  # arms share their draws
            foretold = forecast(
                *given, setup, phases=training.phases, seeds=line.seeds, seed=seed, model_error=line.model_error
            )
            _check_lasts(foretold, arm, line)
            parts = causes(*given, setup, phases=training.phases, seeds=max(2 * FOLDS, line.seeds // 2), seed=seed)
            found[arm.name] = replace(foretold, causes=parts)
            done(len(found))
    return found


def _check_lasts(found: Forecast, arm: Arm, line: ForecastLine) -> None:
    """Raise InputError where too few answers are left to say where the run ends."""
    last = found.lasting
    if last < len(found.effective) - 1:
        needed = f"at least about {found.answers_needed(line.answers)}"
        worth = f"after phase {last + 1} of arm {arm.name} those to a problem are worth {found.effective[last + 1]:.1f}"
        raise InputError("forecast.answers", f"{needed}: {worth}", line.answers)


@dataclass(frozen=True, slots=True)
class Written:
    file: Path
    sha256: str
    forecasts: dict[str, Forecast]


def forecast_only(recipe_file: Path, out: Path) -> Written:
    """Foretell a recipe's arms and train nothing; a recipe without a [forecast] table is foretold by the table's
    defaults. What is written is the hash's subject, as in a run."""
    recipe = load_recipe(recipe_file)
    recipe = replace(recipe, forecast=recipe.forecast or ForecastLine())
    make_model(recipe.model)
    out.mkdir(parents=True, exist_ok=True)
    with locked(out):
        batch = BATCH if is_organism(recipe.model) else measured_batch(recipe)
        subject = load_subject(recipe.model, recipe.probe, recipe.task, batch)
        forecasts = make_forecasts(out, recipe, subject)
        write_text(out / FORECAST, to_text(forecasts))
    return Written(out / FORECAST, sha256(out / FORECAST), forecasts)


def trained_problems(folder: Path, arm: Arm, subject: Subject) -> tuple[int, ...]:
    """Places of the problems that the arm is trained on."""
    problems = subject.problems[arm.style]
    if not arm.surveyed:
        return tuple(range(len(problems)))
    return chosen_problems(arm, read_survey(survey_file(folder, arm.style), problems))


def survey_reward(folder: Path, arm: Arm, surveyed: Surveyed, subject: Subject, training: Training) -> SurveyReward:
    coin, trained = float(training.success_prob), set(trained_problems(folder, arm, subject))
    mine = tuple(i for i, place in enumerate(surveyed.places) if place in trained)
    paid: Array | float = coin
    if not arm.blind:
        known = read_survey(survey_file(folder, arm.style), subject.problems[arm.style])
        paid = payments(arm, surveyed, subject, labelled_for(arm, known))
    whole = len(mine) == len(surveyed.places)
    return SurveyReward(paid=paid, problems=None if whole else mine, population=len(trained))


def tangent_training(training: Training, arm: Arm) -> TangentTraining:
    """The run of a recipe in the tangent model's words. Weight decay is left out: at usual rates it moves a weight by
    less than a thousandth of itself in a run."""
    if per_answer(arm.gate):
        raise InputError(f"surrogate of arm {arm.name}", "one of tokens, to be foretold", arm.surrogate)
    optimizer = training.update
    if isinstance(optimizer, Adam):
        optimizer = replace(optimizer, weight_decay=0.0)
    return TangentTraining(
        groups=training.prompts_per_phase,
        group_size=training.group_size,
        minibatches=training.minibatches,
        learning_rate=training.learning_rate,
        surrogate=token_gate(arm.gate),
        update=UpdateRule(optimizer=optimizer, max_grad_norm=training.max_grad_norm, split=True),
        weigh="answer" if isinstance(arm.gate, Sapo) else "token",
    )
