"""Which recipes run on which organisms: recipes/suite.toml, and what a user asks for instead."""

from dataclasses import dataclass, replace
from pathlib import Path

from ..fields import check, parse_toml, read_dataclass
from ..files import read_text
from ..model import spec_file
from ..recipe import Recipe, load_recipe

QUICK_SEEDS, QUICK_PHASES, QUICK_SAMPLES = 2, 5, 8


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
        arm=tuple(a if a.phases is None else replace(a, phases=max(1, round(a.phases * scale))) for a in recipe.arm),
    )


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
            spec_file(organism)  # names the organism that is not there before anything runs
            shown = Path(organism).stem
            changed = replace(recipe, name=f"{name}-{shown}", model=replace(recipe.model, organism=organism, path=None))
            found.append(Experiment(f"{name}-{shown}", shown, quick(changed) if shortened else changed))
    return found
