"""`clipbias check --control`: the placebo of one's own training."""

from typing import TYPE_CHECKING, Any

import click

from clipbias.check.kinds import KINDS

from .inputs import printable
from .kinds import Choice, Number
from .options import stacked

if TYPE_CHECKING:
    from clipbias.check.check import Checked
    from clipbias.check.control import Control
    from clipbias.check.kinds import Kind
    from clipbias.check.placebo import Known


def _known(name: str, kind: type[int] | type[float], rule: str, text: str) -> Any:
    return click.option(name, type=Number(kind, rule), help=f"With --control: {text} ({rule}).")


options = stacked(
    click.option(
        "--control",
        "kind",
        type=Choice(KINDS),
        help=f"What to change for a control, paid by a coin: {', '.join(KINDS)}; with the options below, how far noise"
        " alone may move it.",
    ),
    _known("--problems", int, "at least 1", "problems of the evaluation, the same before and after"),
    _known("--samples", int, "at least 1", "answers to each; by default 1"),
    _known("--seeds", int, "at least 1", "trainings in each arm; by default 1"),
    _known("--accuracy", float, "in (0, 1)", "of the untrained model"),
    _known("--share", float, "in (0, 1)", "of a strategy in the untrained model's answers"),
    _known("--contrast", float, "in [-1, 1]", "accuracy with that strategy less accuracy without"),
    _known("--agreement", float, "in [0.5, 1]", "chance that two answers to a problem are both right or both wrong"),
    _known("--spread", float, "positive", "of the share's log-odds over seeds, in one phase without a clip"),
    _known("--spread-degrees", float, "at least 3", "degrees of freedom of the measured spread"),
    _known("--phases", int, "at least 1", "rollouts of the whole training"),
    _known("--effect", float, "other than 0", "a difference of accuracy or share that is to be shown"),
)


def known(success_prob: float, given: dict[str, Any]) -> "Known":
    from clipbias.check.placebo import Known

    return Known(success_prob=success_prob, **{name: value for name, value in given.items() if value is not None})


def asked(found: "Checked", kind: "Kind | None", success_prob: float, given: dict[str, Any]) -> "Control | None":
    """None where no control is asked for."""
    if kind is None:
        for name, value in given.items():
            if value is not None:
                raise click.UsageError(f"--{name.replace('_', '-')} must be given with --control")
        return None
    from clipbias.check.control import control

    return control(found, kind, known(success_prob, given))


def show(found: "Control") -> None:
    """The changed lines as they are, to be copied; the rest as a table."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    from clipbias.check import control_words as words

    console = Console(highlight=False)
    for arm in found.arms:
        console.print(Text(words.title(arm), style="bold"))
        if arm.text:
            click.echo(arm.text, nl=False)
        table = Table(show_header=False, box=None, pad_edge=False)
        table.add_column(style="bold", no_wrap=True)
        table.add_column(overflow="fold")
        for name, text in words.rows(arm, found.seeds):
            table.add_row(Text(name), Text(printable(text)))
        if table.row_count:
            console.print(table)
    power = words.power(found)
    if power is not None:
        console.print(Text(power))
    console.print(Text("The coin as reward:", style="bold"))
    click.echo(found.reward_source, nl=False)
