"""`clipbias check`: whether a training's clip can act, from its configuration."""

from typing import TYPE_CHECKING, Any

import click

from . import control
from .inputs import files_and_overrides, printable
from .options import as_json, number

if TYPE_CHECKING:
    from rich.table import Table
    from rich.text import Text

    from clipbias.check.check import Checked
    from clipbias.check.kinds import Kind
    from clipbias.check.setup import Remark

LEVELS = {"error": "error", "warning": "mend", "note": "note"}


def _print_rules(context: click.Context, _: click.Parameter, value: bool) -> None:
    if not value:
        return
    from clipbias.check.catalogue import FRAMEWORKS
    from clipbias.check.words import rules_table

    click.echo(rules_table(FRAMEWORKS))
    context.exit()


@click.command()
@click.argument("words", nargs=-1, required=True, metavar="FILE… [KEY=VALUE…]")
@click.option("--framework", help="Whose configuration it is (told from the file where that is possible).")
@click.option("--devices", type=click.IntRange(min=1), help="Processes that train (at least 1).")
@click.option("--version", help="Of the framework, as 0.9.1, or a date as 2026-04-20 (by default the newest read).")
@click.option(
    "--rules",
    is_flag=True,
    is_eager=True,
    expose_value=False,
    callback=_print_rules,
    help="Print the rules of every framework as a table in Markdown, and stop.",
)
@number("--success-prob", float, "in [0, 1]", "Probability that a sample is rewarded", 0.5)
@number("--ratio-std", float, "in (0, 10]", "Spread of log R that the clip's push is given for", 0.1)
@control.options
@as_json
def check(
    words: tuple[str, ...],
    framework: str | None,
    devices: int | None,
    version: str | None,
    success_prob: float,
    ratio_std: float,
    kind: "Kind | None",
    as_json: bool,
    **known: Any,
) -> int:
    """Can the clip of a training act, and which way? Read from its configuration or launch script; nothing is run.

    Exit status 0: nothing to mend; 1: findings; 2: unreadable.

    \b
    Example: clipbias check grpo.yaml gradient_accumulation_steps=8 --devices 4
    Example: clipbias check grpo.yaml --control no-clip --accuracy 0.5 --problems 500 --samples 4 --seeds 5
    """
    import json

    from clipbias.check.answer import Assumed
    from clipbias.check.check import check_files
    from clipbias.check.words import verdict
    from clipbias.common.errors import check as require

    require(0.0 <= success_prob <= 1.0, "success_prob", "in [0, 1]", success_prob)
    require(0.0 < ratio_std <= 10.0, "ratio_std", "in (0, 10]", ratio_std)
    files, overrides = files_and_overrides(words)
    assumed = Assumed(success_prob=success_prob, ratio_std=ratio_std)
    found = check_files(files, overrides, framework=framework, devices=devices, version=version, assumed=assumed)
    placebo = control.asked(found, kind, success_prob, known)
    if as_json:
        beside = {} if placebo is None else {"control": placebo.to_json()}
        click.echo(json.dumps(found.to_json() | beside, allow_nan=False))
    elif placebo is not None:
        click.echo(verdict(found))
        control.show(placebo)
    else:
        _print(found, assumed.ratio_std, assumed.success_prob)
    return int(found.finds)


def _print(found: "Checked", ratio_std: float, success_prob: float) -> None:
    from rich.console import Console
    from rich.table import Table

    from clipbias.check import words

    console = Console(highlight=False)
    console.print(_text(words.verdict(found), style="bold"))
    table = Table(show_header=False, box=None, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    said = [(remark, LEVELS[remark.level]) for remark in found.answer.remarks]
    for remark, level in said:
        if remark.level != "note":
            _add(table, remark, level)
    for name, text in [*words.rows(found, ratio_std, success_prob), *words.possibilities(found)]:
        table.add_row(_text(name), _text(text))
    for remark, level in said:
        if remark.level == "note":
            _add(table, remark, level)
    console.print(table)


def _text(text: str, style: str = "") -> "Text":
    """What stands in a file is neither markup nor a terminal's command."""
    from rich.text import Text

    return Text(printable(text), style=style)


def _add(table: "Table", remark: "Remark", level: str) -> None:
    table.add_row(_text(level), _text(remark.message))
    if remark.fix is not None:
        table.add_row(_text("  fix"), _text(remark.fix))
