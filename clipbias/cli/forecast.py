"""`clipbias forecast`: what a reward will teach a model, before it is trained."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from .cost import announce
from .inputs import files_and_overrides, printable
from .options import as_json, number

if TYPE_CHECKING:
    from rich.table import Table

    from clipbias.forecast.result import Foretold, Line

MOST_COLUMNS = 3  # phases of a table: the first, one in the middle, the last


@click.command()
@click.option(
    "--model",
    required=True,
    type=click.Path(path_type=Path),
    help="Folder with weights as safetensors; default: the small model that comes along.",
)
@click.option(
    "--prompts", required=True, type=click.Path(path_type=Path), help="JSON Lines with a field prompt, at least 12."
)
@click.option(
    "--reward",
    multiple=True,
    required=True,
    metavar="WORD | FILE.py:FUNCTION",
    help="A reward function as TRL calls it, or a word: ground-truth, format, python, random…; may be repeated.",
)
@click.option(
    "--config",
    multiple=True,
    required=True,
    metavar="FILE | KEY=VALUE",
    help="The training: a TRL configuration as `clipbias check` reads it; may be repeated.",
)
@click.option(
    "--observe",
    multiple=True,
    metavar="FILE.py:FUNCTION",
    help="Something to look for in answers: text -> bool; may be repeated.",
)
@click.option("--out", type=click.Path(path_type=Path), help="Folder that keeps the survey for other rewards.")
@number("--phases", int, "in [1, 100]", "Phases to forecast", 5)
@click.option(
    "--answers", type=click.IntRange(min=2), help="To each prompt (as many as ten minutes bear, unless given)."
)
@number("--coordinates", int, "in [1, 65536]", "Parameters whose gradients are kept", 4096)
@number("--seeds", int, "in [12, 10000]", "Trainings to simulate", 24)
@number("--seed", int, "a whole number from 0", "Of everything that is drawn", 0)
@as_json
def forecast(
    model: Path,
    prompts: Path,
    reward: tuple[str, ...],
    config: tuple[str, ...],
    observe: tuple[str, ...],
    out: Path | None,
    phases: int,
    answers: int | None,
    coordinates: int,
    seeds: int,
    seed: int,
    as_json: bool,
) -> None:
    """What will a reward teach this model, what will it break, and how sure is that? Nothing is trained.

    The model is asked each prompt a few times; its answers' gradients tell how training would move them. Functions of
    FILE.py run in this process.

    Example: clipbias forecast --model models/smollm2 --prompts prompts.jsonl --reward rewards.py:short \\
      --config grpo.yaml
    """
    import json

    from clipbias.forecast.foretell import Asked, foretell, prepare

    files, overrides = files_and_overrides(config)
    prepared = prepare(
        Asked(
            model=model,
            prompts=prompts,
            rewards=reward,
            observe=observe,
            config=tuple(files),
            overrides=tuple(overrides),
            out=out,
            answers=answers,
            coordinates=coordinates,
            phases=phases,
            seeds=seeds,
            seed=seed,
        )
    )
    survey = prepared.survey
    click.echo(
        f"{len(survey.prompts)} prompts × {survey.answers} answers of at most {survey.length} tokens"
        + (", from the survey that is there" if survey.there else ""),
        err=True,
    )
    fewer = {f"--answers {survey.answers // 2}": survey.seconds / 2, "a smaller max_completion_length": None}
    keep = {} if out is not None else {"--out DIR keeps what is done": None}
    announce(survey.seconds, fewer | keep, resumable=out is not None)
    found = foretell(prepared)
    if as_json:
        click.echo(json.dumps(found.to_json(), allow_nan=False))
    else:
        _print(found)


def _print(found: "Foretold") -> None:
    from rich.console import Console

    console = Console(highlight=False)
    for name, taught in found.rewards.items():
        first = "" if taught.mixed > 0 else "; no gradient"
        console.print(
            printable(f"{name}: pays {taught.paid:.3g} on average, {taught.mixed:.0%} of groups differ{first}"),
            style="bold",
            markup=False,
        )
        console.print(_table(taught.lines, taught.phases))
    cost = found.survey_seconds / found.phase_seconds
    console.print(f"cost: {found.survey_seconds:.0f} s for the survey, about {cost:.1g} phases of the training")
    for warning in found.warnings:
        console.print(printable(f"note: {warning}"), markup=False)


def _table(lines: "dict[str, Line]", phases: int) -> "Table":
    from rich.table import Table
    from rich.text import Text

    shown = sorted({1, (phases + 1) // 2, phases})[:MOST_COLUMNS]
    table = Table(box=None, pad_edge=False)
    for title in ("", "now", *(f"phase {phase}" for phase in shown), "90 % of seeds", "which way"):
        table.add_column(title, justify="left" if title in ("", "which way") else "right")
    for name, line in lines.items():
        ends = f"{_shown(line, line.low[-1])} … {_shown(line, line.high[-1])}"
        means = [_shown(line, line.mean[phase - 1]) for phase in shown]
        row = [printable(name), _shown(line, line.start), *means, ends, _way(line)]
        table.add_row(*map(Text, row))
    return table


def _shown(line: "Line", value: Any) -> str:
    return f"{value:.1f}" if line.unit == "tokens" else f"{value:.3f}"


def _way(line: "Line") -> str:
    change, sure = line.mean[-1] - line.start, line.sureness(len(line.mean) - 1)
    if sure < 0.8:
        return "cannot tell" if change else "stays"
    return f"{'rises' if change > 0 else 'falls'}, {min(sure, 0.99):.0%} sure"
