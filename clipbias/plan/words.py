"""A plan as a text for a terminal."""

from .configuration import accelerate_command, as_yaml
from .plan import Plan, says
from .power import POWERS, Question


def plan_text(found: Plan) -> str:
    training, times = found.recipe.training, found.times
    total = sum(part.bytes for part in found.parts)
    lines = [
        "Not run: memory and time are estimates by counting, and the effect is the toy's.",
        f"{training.prompts_per_phase} prompts × {training.group_size} answers = {training.rollouts} a phase,"
        f" {training.minibatches} optimizer steps of {training.minibatch_size}, {training.phases} phases;"
        f" {len(found.recipe.arm)} arms × {found.recipe.seeds} seeds",
        "",
        f"check: {says(found)}",
        "",
        f"grpo.yaml, arm {found.recipe.arm[0].name}:",
        found.yaml.rstrip(),
    ]
    if found.configuration["loss_type"] == "bnpo" and found.configuration["gradient_accumulation_steps"] > 1:
        lines.append(
            f"TRL alone weighs each {found.layout.micro} answers that pass together alike, and tokens within them;"
            " `clipbias validate run` weighs all tokens of a mini-batch alike."
        )
    for arm, other in found.changes.items():
        lines += [f"arm {arm}:", *as_yaml(other).splitlines()] if other else [f"arm {arm}: the same lines"]
    lines += ["", accelerate_command(found.layout.gpus), "", found.slurm.rstrip(), ""]
    beside = f"{total / 1e9:.1f} GB beside the engine's cache"
    lines.append(f"memory of one {found.gpu.name} of {found.layout.gpus}: {beside}")
    lines += [f"  {part.name:17} {part.bytes / 1e9:6.1f} GB  {part.how}" for part in found.parts]
    lines += [
        f"time of a phase: {times.phase:.0f} s; of one arm and seed {found.hours:.1f} h; of all {found.runs}"
        f" {found.hours * found.runs:.0f} h",
        f"  sampling {times.sampling:.0f} s: {times.how_sampling}",
        f"  training {times.training:.0f} s: {times.how_training}",
    ]
    for spread, asked in found.questions:
        lines += ["", f"the clip's effect, where seeds spread by {spread:g} log-odds in an unclipped phase (assumed):"]
        lines += [_question(question) for question in asked]
    if not found.questions:
        lines += ["", "power: tell --share, --accuracy, --contrast, --problems and --spread of the untrained model"]
    return "\n".join(lines)


def _question(question: Question) -> str:
    needed = ", ".join(
        f"{'over a million' if seeds is None else f'{seeds:,}'} seeds for {power:.0%}"
        for power, seeds in zip(POWERS, question.seeds, strict=True)
    )
    low, high = (100 * end for end in question.band)
    expected = f"{100 * question.effect:+.2f} points expected, {100 * question.noise:.2f} of noise"
    return f"  {question.measure}: {expected}; {needed}; a coin alone: {low:+.1f} to {high:+.1f}"
