"""`clipbias validate plan`: what a recipe would take on GPUs, and what it could show."""

from pathlib import Path

import click

from . import options

GPU_NAMES = ("a100-80", "h100-80", "h200-141")


@click.command()
@click.argument("recipe", type=options.FILE)
@click.option("--gpu", type=click.Choice(GPU_NAMES), default="a100-80", show_default=True, help="Kind of each GPU.")
@click.option("--gpus", default=8, show_default=True, help="Their number; it divides a mini-batch's answers.")
@click.option("--mean-tokens", type=float, help="Mean length of an answer; a third of the longest unless given.")
@click.option("--share", type=float, help="Of the untrained model's answers: with code.")
@click.option("--accuracy", type=float, help="Of the untrained model.")
@click.option("--contrast", type=float, help="Accuracy with code less accuracy without.")
@click.option("--problems", type=int, help="Of the evaluation.")
@click.option("--samples", default=1, show_default=True, help="Answers to each problem of the evaluation.")
@click.option(
    "--spread",
    "spreads",
    type=float,
    multiple=True,
    help="Of the share's log-odds over seeds, in one unclipped phase; a pilot measures it (several may be assumed).",
)
@options.json_flag
def plan(
    recipe: Path,
    gpu: str,
    gpus: int,
    mean_tokens: float | None,
    share: float | None,
    accuracy: float | None,
    contrast: float | None,
    problems: int | None,
    samples: int,
    spreads: tuple[float, ...],
    as_json: bool,
) -> None:
    """Plan RECIPE at size: TRL's configuration, commands, memory, time, what check says, and the seeds it needs.

    Nothing is fetched or run. Refused where the training does not fit on the GPUs.

    \b
    Example: clipbias validate plan recipes/qwen/qwen2.5-math-7b.toml --gpus 8
    Example: clipbias validate plan recipes/qwen/qwen2.5-math-7b.toml --share 0.65 --accuracy 0.494 --contrast 0.329 \\
               --problems 500 --spread 0.02 --spread 0.1
    """
    from clipbias.plan.device import GPUS
    from clipbias.plan.plan import plan as planned
    from clipbias.plan.power import Start
    from clipbias.plan.words import plan_text
    from clipbias.validate.recipe.recipe import load_recipe

    found = load_recipe(recipe)
    told = (share, accuracy, contrast, problems)
    given = [*(value is not None for value in told), bool(spreads)]
    if any(given) and not all(given):
        raise click.UsageError("--share, --accuracy, --contrast, --problems and --spread must be given together")
    start = None
    if share is not None and accuracy is not None and contrast is not None and problems is not None:
        start = Start(
            share=share, accuracy=accuracy, contrast=contrast, problems=problems, samples=samples, spread=spreads[0]
        )
    mean = found.training.max_completion_length / 3 if mean_tokens is None else mean_tokens
    result = planned(found, GPUS[gpu], gpus, mean, start, spreads)
    options.say(as_json, result.to_json(), plan_text(result))
