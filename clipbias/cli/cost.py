"""What a command is about to cost: said beyond two seconds, refused beyond a minute unless one insists.

Estimates come from `theory.laws.cost` and `simulate.cost`. They can be wrong; so a clock runs beside every command, and
what has written nothing is said to be at work all the same. Lines go to stderr: a bar or a spinner is for terminals
(`progress`), these are for logs too.
"""

import logging
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import click

SAID_SECONDS = 2.0
ASKED_SECONDS = 60.0
_START_UP = 1.0  # of the two seconds: the process itself
_NEXT_WORD = 30.0  # and twice as long each time
_LOG = logging.getLogger("clipbias.cost")  # for `benchmarks/cost.py`
_INSISTS, _SAID = "clipbias.insists", "clipbias.said"


def _remember(context: click.Context, param: click.Parameter, value: bool) -> None:
    context.meta[_INSISTS] = value


insist = click.option(
    "--insist",
    is_flag=True,
    expose_value=False,
    callback=_remember,
    help="Run it although it is expected to take longer than a minute.",
)


def in_words(seconds: float) -> str:
    """One digit that counts, as a person would say it."""
    for least, unit in ((86400.0, "days"), (3600.0, "hours"), (60.0, "minutes")):
        if seconds >= 2 * least:
            return f"{_digit(seconds / least)} {unit}"
    return f"{_digit(seconds)} seconds"


def _digit(value: float) -> str:
    return f"{float(f'{value:.1g}'):,.0f}" if value < 1e6 else f"{value:.0e}"


def announce(seconds: float, cheaper: Mapping[str, float | None], resumable: bool = False) -> None:
    """Say how long the command will take, or refuse it: exit status 2.

    cheaper: what could be asked for instead, in words, with its seconds where they are known; what saves less than half
    is left out. resumable: nothing is lost when it is stopped, so that it is not refused.
    """
    context = click.get_current_context()
    _LOG.debug("expected to take %r seconds", seconds)
    if seconds <= SAID_SECONDS:
        return
    saving = [
        words if after is None else f"{words} ({_about(after)})"
        for words, after in cheaper.items()
        if after is None or after < seconds / 2
    ]
    instead = f"; cheaper: {', or '.join(saving)}" if saving else ""
    if seconds > ASKED_SECONDS and not resumable and not context.meta.get(_INSISTS, False):
        raise click.UsageError(
            f"it would take {_about(seconds)}, and what is expected to take more than a minute needs --insist{instead}",
            context,
        )
    context.meta[_SAID] = True
    click.echo(f"{_about(seconds)}{instead if seconds > ASKED_SECONDS else ''}", err=True)


def _about(seconds: float) -> str:
    return f"about {in_words(seconds)}" if seconds > SAID_SECONDS else "seconds"


@contextmanager
def watched() -> Iterator[None]:
    """A line on stderr before two seconds pass in silence, and now and then after; one more after a minute."""
    began, done, meta = time.monotonic(), threading.Event(), click.get_current_context().meta

    def watch() -> None:
        due = SAID_SECONDS - _START_UP
        while not done.wait(max(due - (time.monotonic() - began), 0.0)):
            taken = time.monotonic() - began
            first = due < SAID_SECONDS
            if due >= ASKED_SECONDS or not (sys.stderr.isatty() or (first and _SAID in meta)):
                since = f" for {in_words(taken)}" if taken > SAID_SECONDS else ""
                click.echo(f"at work{since}{', Ctrl-C stops it' if due >= ASKED_SECONDS else ''}", err=True)
            due = max(2 * due, _NEXT_WORD)

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield
    finally:
        done.set()
