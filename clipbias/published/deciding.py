"""The single new run that would tell the clip from its rivals: its power by the toy, and what it would take on GPUs."""

from dataclasses import dataclass
from importlib.resources import files

from clipbias.plan.device import GPUS
from clipbias.plan.plan import plan, says
from clipbias.theory.formulas.power import LEVEL, paired_power
from clipbias.validate.recipe.recipe import read_recipe

from .headline import Design

RECIPE = "deciding.toml"
GPU, GPUS_EACH = "a100-80", 8  # the published runs'
_SEEDS = (2, 3, 5, 12, 20)  # of a paired test, beside those that are needed


@dataclass(frozen=True, slots=True, kw_only=True)
class Power:
    """Of a paired test with so many seeds in each arm, and what they take."""

    seeds: int
    power: float
    gpu_hours: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Deciding:
    """design: the cheapest that sets the clip apart. gpu, gpus: it is planned for; memory: bytes on one of them beside
    the engine's cache; phase: seconds; hours: of one arm and seed on all of them; tokens: of an answer, assumed.
    powers: by seeds, if the clip acts as design.activation says; reported_seeds: if it acts as reported."""

    design: Design
    arms: tuple[str, ...]
    gpu: str
    gpus: int
    memory: float
    phase: float
    hours: float
    tokens: float
    says: str
    powers: tuple[Power, ...]
    reported_seeds: int


def deciding(designs: tuple[Design, ...]) -> Deciding:
    """Of the designs those of two one-sided arms, at the activation that is needed and at the one that was reported."""
    needed, reported = sorted((d for d in designs if d.one_sided), key=lambda d: -d.activation)
    recipe = read_recipe((files(__package__) / "record" / RECIPE).read_text(encoding="utf-8"))
    tokens = recipe.training.max_completion_length / 3
    planned = plan(recipe, GPUS[GPU], GPUS_EACH, tokens, None, ())
    each = len(recipe.arm) * planned.hours * GPUS_EACH
    counts = sorted({*_SEEDS, needed.seeds})
    powers = [
        Power(seeds=s, power=paired_power(needed.effect, needed.std, s, LEVEL), gpu_hours=s * each) for s in counts
    ]
    return Deciding(
        design=needed,
        arms=tuple(arm.name for arm in recipe.arm),
        gpu=planned.gpu.name,
        gpus=GPUS_EACH,
        memory=sum(part.bytes for part in planned.parts),
        phase=planned.times.phase,
        hours=planned.hours,
        tokens=tokens,
        says=says(planned),
        powers=tuple(powers),
        reported_seeds=reported.seeds,
    )
