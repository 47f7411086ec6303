"""`clipbias audit`: what the logs of a training show about clipping, and what they cannot show."""

import json
import shutil
import textwrap
from pathlib import Path
from typing import TYPE_CHECKING

import click

from . import options

if TYPE_CHECKING:
    from clipbias.audit.audit import Audit

PATH = click.Path(exists=True, path_type=Path)


@click.command(no_args_is_help=False)
@click.argument("paths", metavar="PATH...", nargs=-1, required=True, type=PATH)
@click.option("--placebo", "placebos", multiple=True, type=PATH, help="A run with a coin as reward (may be repeated).")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="Write a self-contained page (.html).")
@click.option("--framework", help="Who wrote the log, where that is not seen from its names.")
@click.option("--watch", is_flag=True, help="Follow the file while it grows; say only what is new. Ctrl-C ends it.")
@options.json_flag
def audit(
    paths: tuple[Path, ...],
    placebos: tuple[Path, ...],
    out: Path | None,
    framework: str | None,
    watch: bool,
    as_json: bool,
) -> None:
    """Say what logs of a training show: whether the clip acted, why entropy fell, whether there was anything to learn.

    PATH is trainer_state.json, printed dictionaries, JSON lines, a console, CSV, TensorBoard events, an offline run of
    W&B, TRL's completions (Parquet), or a folder of these. Nothing in them is executed.

    \b
    Example: clipbias audit runs/mine/trainer_state.json
    Example: clipbias audit runs/real --placebo runs/coin --out audit.html
    """
    from clipbias.audit.audit import audit as audited
    from clipbias.common.errors import check

    check(out is None or out.suffix == ".html", "out", "a file name that ends in .html", str(out))
    if watch:
        check(len(paths) == 1 and paths[0].is_file(), "paths", "one file with --watch", len(paths))
        check(not placebos and out is None, "watch", "alone with its file, without --placebo and --out", "both")
        _watch(paths[0], framework, as_json)
        return
    found = audited(list(paths), list(placebos), framework)
    if out is not None:
        from clipbias.audit.page import write_page

        write_page(found, out)
    if as_json:
        click.echo(json.dumps(found.to_json(), allow_nan=False))
        return
    _print(found)
    if out is not None:
        click.echo(f"wrote {out}")


def _print(found: "Audit") -> None:
    """The answer, each statement behind its strength, and what cannot be concluded with what would tell."""
    from clipbias.audit.words import gap_words, say

    diagnosis = found.diagnosis
    click.echo(f"{found.framework.title}: {_answer(diagnosis.steps_per_rollout, diagnosis.clip_can_act)}")
    for finding in diagnosis.findings:
        place = f" ({finding.log})" if finding.log else ""
        _say(f"{finding.strength:<9}{say(finding)}{place}", 9)
    if diagnosis.gaps:
        click.echo("Cannot be concluded:")
    for gap in diagnosis.gaps:
        what, why = gap_words(gap)
        _say(f"- {what}: {why}. What would tell: {gap.switch_on}", 2)


def _say(text: str, indent: int) -> None:
    """In the terminal's width; without what could steer the terminal."""
    seen = "".join(c if c.isprintable() else "\N{REPLACEMENT CHARACTER}" for c in text)
    width = shutil.get_terminal_size().columns
    click.echo(textwrap.fill(seen, width, subsequent_indent=" " * indent, break_on_hyphens=False))


def _answer(steps: float | None, can_act: bool | None) -> str:
    acts = {True: "the clip can act", False: "the clip cannot act", None: "whether the clip can act is not told"}
    return acts[can_act] + (f"; {steps:g} optimizer step(s) per rollout" if steps is not None else "")


def _watch(path: Path, framework: str | None, as_json: bool) -> None:
    """A line for each new finding; with --json an object a line."""
    from clipbias.audit.audit import finding_json
    from clipbias.audit.watch import watch
    from clipbias.audit.words import say

    try:
        for finding, found in watch(path, framework, lambda: True):
            steps = int(max((log.steps[-1] for log in found.logs if log.steps.size), default=0))
            if as_json:
                click.echo(json.dumps(finding_json(finding) | {"step": steps}, allow_nan=False))
            else:
                click.echo(f"step {steps}  [{finding.strength}] {say(finding)}")
    except KeyboardInterrupt:
        click.echo(f"{path}: no longer followed", err=True)
