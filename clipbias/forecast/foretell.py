"""Several rewards, one survey: what each would teach, in a user's own units."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError, check
from clipbias.common.progress import steps
from clipbias.simulate.tangent.reading import Observable
from clipbias.validate.measure.gradient_survey import GradientSurvey
from clipbias.validate.organism.spec import SHIPPED, load_spec
from clipbias.validate.predict.folds import FOLDS, SurveyReward
from clipbias.validate.predict.forecast import Forecast, Outlook, forecast
from clipbias.validate.tasks.code import looks_like_code

from .config import Configured, read_config
from .functions import detected, is_function, load_function
from .prompts import Prompts, read_prompts
from .result import Foretold, Line, Taught
from .rewards import Paid, check_rewards, names, pay
from .survey import Survey, make_survey, plan_survey

MOST_COORDINATES = 65_536
TAKEN = ("paid", "mixed", "first_success", "phases")  # keys of a reward that no observable may have


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a user asks. rewards, observe: words or file.py:function."""

    model: Path
    prompts: Path
    rewards: tuple[str, ...]
    observe: tuple[str, ...]
    config: tuple[Path, ...]
    overrides: tuple[str, ...]
    out: Path | None
    answers: int | None
    coordinates: int
    phases: int
    seeds: int
    seed: int


@dataclass(frozen=True, slots=True, eq=False)
class Prepared:
    """All that is known before the survey."""

    asked: Asked
    prompts: Prompts
    configured: Configured
    survey: Survey


def prepare(asked: Asked) -> Prepared:
    """Everything that can be wrong is found here, before minutes pass."""
    check(bool(asked.rewards), "reward", "given at least once", "nothing")
    check(1 <= asked.phases <= 100, "phases", "in [1, 100]", asked.phases)
    check(2 * FOLDS <= asked.seeds <= 10_000, "seeds", f"in [{2 * FOLDS}, 10000]", asked.seeds)
    check(1 <= asked.coordinates <= MOST_COORDINATES, "coordinates", f"in [1, {MOST_COORDINATES}]", asked.coordinates)
    check(0 <= asked.seed < 2**63, "seed", "a whole number from 0", asked.seed)
    check(len(set(asked.rewards)) == len(asked.rewards), "reward", "distinct", ", ".join(asked.rewards))
    configured = read_config(asked.config, asked.overrides)
    prompts = read_prompts(asked.prompts, asked.seed)
    allowed = f"at least {2 * FOLDS}: some move the model, and it is read on others"
    check(len(prompts.prompts) >= 2 * FOLDS, "prompts", allowed, len(prompts.prompts))
    check_rewards(asked.rewards, prompts)
    for text in asked.observe:
        check(is_function(text), "observe", "file.py:function", text)
        load_function(text, "observe")
    called = [*names(asked.rewards), *names(asked.observe)]
    again = sorted({name for name in called if called.count(name) > 1 or name in TAKEN})
    check(not again, "observe", "of other names than each other and rewards", ", ".join(again))
    survey = plan_survey(
        _folder(asked.model),
        prompts,
        configured,
        answers=asked.answers,
        coordinates=asked.coordinates,
        seed=asked.seed,
        out=asked.out,
    )
    return Prepared(asked, prompts, configured, survey)


def foretell(prepared: Prepared) -> Foretold:
    began = time.monotonic()
    asked, configured = prepared.asked, prepared.configured
    found, survey_seconds = make_survey(prepared.survey)
    paid = [
        pay(text, name, prepared.prompts, found) for text, name in zip(asked.rewards, names(asked.rewards), strict=True)
    ]
    seen = _observed(prepared, found, paid)
    taught, warnings = {}, [*_of_prompts(prepared), *configured.warnings]
    with steps("rewards", len(paid)) as progress:
        for done, reward in enumerate(paid, 1):
            taught[reward.name], said = _taught(reward, found, seen, prepared)
            warnings += said
            progress(done)
    return Foretold(
        rewards=taught,
        prompts=len(prepared.prompts.prompts),
        answers=prepared.survey.answers,
        parts=prepared.survey.parts,
        survey_seconds=survey_seconds,
        seconds=time.monotonic() - began,
        phase_seconds=prepared.survey.phase_seconds,
        reused=prepared.survey.there,
        warnings=tuple(warnings),
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Seen:
    """An observable of the survey's answers, values [N]."""

    name: str
    unit: str
    values: Array


def _observed(prepared: Prepared, survey: GradientSurvey, paid: Sequence[Paid]) -> list[_Seen]:
    """Rewards first, then what the user looks for, then what every survey shows."""
    found = [
        _Seen(reward.name, "share" if set(np.unique(reward.values)) <= {0.0, 1.0} else "reward", reward.values)
        for reward in paid
        if not isinstance(reward.values, float)
    ]
    for text, name in zip(prepared.asked.observe, names(prepared.asked.observe), strict=True):
        says = detected(load_function(text, "observe"), text, survey.texts)
        found.append(_Seen(name, "share", np.array(says)))
    code = _strategy(_folder(prepared.asked.model))
    found.append(_Seen("code", "share", np.array([float(code(text)) for text in survey.texts])))
    found.append(_Seen("finished", "share", survey.finished.astype(np.float64)))
    found.append(_Seen("length", "tokens", survey.tree.tokens.double().numpy()))
    mine = set(names([*prepared.asked.rewards, *prepared.asked.observe]))
    return [seen for i, seen in enumerate(found) if i < len(found) - 3 or seen.name not in mine]


def _folder(model: Path) -> Path:
    """Of the weights; "default" is the organism that comes with the package."""
    return SHIPPED if model == Path("default") and not model.exists() else model


def _strategy(model: Path) -> Callable[[str], bool]:
    """Whether an answer uses code: an organism's first strategy, or what looks like it."""
    if not (model / "spec.toml").is_file():
        return looks_like_code
    opening = load_spec(model / "spec.toml").strategy[0].template[0]
    return lambda text: text.startswith(opening)


def _of_prompts(prepared: Prepared) -> list[str]:
    asked, of = len(prepared.prompts.prompts), prepared.prompts.of
    said = [] if asked == of else [f"{asked} of the {of:,} prompts, drawn by --seed"]
    groups = prepared.configured.training.groups
    if groups > asked * (FOLDS - 1) // FOLDS:
        said.append(f"a phase has {groups} prompts and the survey {asked}: some come twice, so that seeds differ more")
    if prepared.survey.parts == "answer" and not prepared.configured.whole_answers:
        said.append("ratios are taken of whole answers, per token: single tokens' go further, so the clip acts more")
    return said


def _taught(
    reward: Paid, survey: GradientSurvey, seen: Sequence[_Seen], prepared: Prepared
) -> tuple[Taught, list[str]]:
    asked, prompts = prepared.asked, prepared.prompts
    given = torch.ones(len(survey.texts))
    observables = [
        Observable(s.name, torch.as_tensor(s.values, dtype=torch.float32), given, log_odds=False) for s in seen
    ]
    found = forecast(
        survey.tree,
        observables,
        SurveyReward(paid=reward.values, population=prompts.of if prompts.of > len(prompts.prompts) else None),
        prepared.configured.training,
        phases=asked.phases,
        seeds=asked.seeds,
        seed=asked.seed,
    )
    warnings = [] if reward.steady else [f"{reward.name} says something else each time: what it said once is kept"]
    if found.mixed == 0.0:
        warnings.append(_no_gradient(reward.name, found, int(survey.tree.count.sum())))
    kept, said = _kept_phases(reward.name, found, prepared.survey.answers)
    lines = {s.name: _line(s, found.observables[s.name], kept) for s in seen}
    return Taught(
        paid=found.paid,
        mixed=found.mixed,
        first_success=found.first_success,
        lines=lines,
        effective=found.effective[1 : kept + 1],
    ), [*warnings, *said]


def _no_gradient(name: str, found: Forecast, answers: int) -> str:
    if found.paid == 0.0:
        return (
            f"{name} paid none of {answers} answers: no gradient, nothing is learned until a first success, whose"
            f" chance is at most {found.first_success:.2g} a phase (one survey of twenty errs)"
        )
    return f"{name} pays all answers to a prompt alike: no gradient, nothing is learned"


def _kept_phases(name: str, found: Forecast, answers: int) -> tuple[int, list[str]]:
    """Phases after which the survey's answers still say something of the moved model."""
    kept = found.lasting
    if kept == len(found.effective) - 1:
        return kept, []
    needed = found.answers_needed(answers)
    what = f"after phase {kept + 1} of {name}, {answers} answers to a prompt are worth {found.effective[kept + 1]:.1f}"
    if kept == 0:
        raise InputError("answers", f"at least about {needed}: {what}", answers)
    return kept, [f"{what}: nothing is said from there on; --answers {needed} would do"]


def _line(seen: _Seen, outlook: Outlook, kept: int) -> Line:
    """Within what answers were seen to give: no reweighting leaves that."""
    least, most = float(seen.values.min()), float(seen.values.max())
    mean, low, high = (
        np.clip(values[1 : kept + 1], least, most) for values in (outlook.mean, outlook.low, outlook.high)
    )
    return Line(unit=seen.unit, start=outlook.start, mean=mean, low=low, high=high, stderr=outlook.stderr[1 : kept + 1])
