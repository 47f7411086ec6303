"""Which recipes run on which organisms: recipes/suite.toml, and what a user asks for instead."""

import logging
from dataclasses import dataclass, replace
from pathlib import Path

from clipbias.common.errors import check
from clipbias.common.files import read_text
from clipbias.common.tables import parse_toml, read_dataclass
from clipbias.validate.model.locate import spec_file
from clipbias.validate.organism.spec import OrganismSpec, load_spec
from clipbias.validate.recipe.recipe import Recipe, load_recipe

logger = logging.getLogger(__name__)

QUICK_SEEDS, QUICK_PHASES, QUICK_SAMPLES = 2, 4, 8


@dataclass(frozen=True, slots=True)
class Line:
    """One recipe and the organisms that it runs on."""

    recipe: str
    organisms: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    experiment: tuple[Line, ...]


@dataclass(frozen=True, slots=True)
class Experiment:
    """name: of the recipe and the organism."""

    name: str
    organism: str
    recipe: Recipe


def quick(recipe: Recipe) -> Recipe:
    """The same arms with fewer seeds, phases and survey answers: enough to see that all of it runs, not to conclude."""
    phases = min(recipe.training.phases, QUICK_PHASES)
    scale = phases / recipe.training.phases
    return replace(
        recipe,
        seeds=min(recipe.seeds, QUICK_SEEDS),
        training=replace(recipe.training, phases=phases),
        pilot=replace(recipe.pilot, seeds=min(recipe.pilot.seeds, 3)),
        survey=replace(recipe.survey, samples=min(recipe.survey.samples, QUICK_SAMPLES)),
        evaluation=None if recipe.evaluation is None else replace(recipe.evaluation, samples=1),
        arm=tuple(a if a.phases is None else replace(a, phases=max(1, round(a.phases * scale))) for a in recipe.arm),
    )


def fitted(recipe: Recipe, spec: OrganismSpec) -> Recipe | None:
    """The recipe without what the organism cannot be asked: styles of prompt that it lacks, and, where no problem is
    hard, problems whose majority is wrong. None if no arm is left."""
    styles = {style.name for style in spec.style}
    arms = tuple(
        arm
        for arm in recipe.arm
        if arm.style in styles and (arm.problems != "mislabelled" or spec.hard_addend is not None)
    )
    dropped = [arm.name for arm in recipe.arm if arm not in arms]
    if dropped:
        logger.info("%s: %s has no style or hard problems for %s", recipe.name, spec.name, ", ".join(dropped))
    if not arms:
        return None
    asked = recipe.evaluation
    if asked is not None:
        asked = replace(asked, styles=tuple(style for style in asked.styles if style in styles))
    return replace(recipe, arm=arms, evaluation=asked)


def read_plan(
    file: Path, specs: tuple[str, ...] = (), only: tuple[str, ...] = (), shortened: bool = False
) -> list[Experiment]:
    """The experiments in the order of the plan. specs: organisms to use instead of the plan's; only: recipes to run."""
    lines = read_dataclass(Plan, parse_toml(read_text(file), str(file))).experiment
    names = [Path(line.recipe).stem for line in lines]
    check(len(lines) >= 1 and len(set(names)) == len(names), "experiment", "tables with distinct recipes", names)
    for name in only:
        check(name in names, "only", f"some of {', '.join(names)}", name)
    found = []
    for name, line in zip(names, lines, strict=True):
        if only and name not in only:
            continue
        recipe = load_recipe(file.parent / line.recipe)
        for organism in specs or line.organisms:
            spec = load_spec(
                spec_file(organism, "specs" if specs else "organisms")
            )  # names what is not there, or wrong, before anything runs
            shown = Path(organism).stem
            changed = replace(recipe, name=f"{name}-{shown}", model=replace(recipe.model, organism=organism, path=None))
            if (fit := fitted(changed, spec)) is not None:
                found.append(Experiment(f"{name}-{shown}", shown, quick(fit) if shortened else fit))
    check(len(found) > 0, "specs", "one with the styles that the recipes ask for", ", ".join(specs))
    return found
