"""The `clipbias` command. Subcommands are imported when they are asked for, and their science when they run."""

import importlib
import io
import logging
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NoReturn

import click

from clipbias.common.errors import InputError
from clipbias.common.progress import shown_by

from .cost import watched
from .inputs import printable
from .progress import bar

LESS_MEMORY = "fewer outcomes and phases, smaller groups and fewer mini-batches need less"
COMMANDS = {
    "theory": "Expected drift and its spread, in closed form.",
    "simulate": "The same quantities by Monte Carlo, with standard errors.",
    "explore": "The toy with sliders, in a browser.",
    "check": "Can the clip of a training act, and which way?",
    "forecast": "What a reward will teach a model, before it is trained.",
    "audit": "What the logs of a training show about clipping.",
    "validate": "Train real models under TRL and test predictions made beforehand.",
}  # the name of a module and of the command in it, and its line in the list


class LazyGroup(click.Group):
    """A group whose members are named in COMMANDS and live in sibling modules; to list them imports none."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        command: click.Command = getattr(importlib.import_module(f".{cmd_name}", __package__), cmd_name)
        return command


@click.group(cls=LazyGroup, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clipbias")
def clipbias() -> None:
    """What clipping does to a policy when the reward says nothing.

    Example: clipbias theory neutral --clip-low 0.2 --ratio-std 0.1
    """
    click.get_current_context().with_resource(watched())


def _name(param: click.Parameter) -> str:
    """As the help text has it."""
    return param.opts[0] if isinstance(param, click.Option) else param.human_readable_name.removesuffix("...")


def _one_line(error: click.ClickException) -> str:
    if isinstance(error, click.MissingParameter) and error.param is not None:
        rule = getattr(error.param.type, "rule", None)
        return f"{_name(error.param)} is required" + (f": {rule}" if rule else "")
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f"{_name(error.param)} {error.message}"
    return " ".join(error.format_message().split())


def _complaint(error: InputError, arguments: Sequence[str]) -> str:
    """In the words of the command that was asked for, which knows the library's fields as its options."""
    command: click.Command | None = clipbias
    context = click.Context(clipbias)
    for word in arguments:  # no group has an option with a value, so the first words are the command's name
        if not isinstance(command, click.Group):
            break
        command = command.get_command(context, word)
    field = "probs" if error.field == "prob" else error.field  # the library's word for the first entry of --probs
    for param in command.params if command is not None else ():
        if field == param.name or field.upper() == _name(param):  # DIR is the library's dir
            return f"{_name(param)} {error.rule}"
    return str(error)


def _fail(message: str) -> NoReturn:
    click.echo(f"Error: {printable(message)}", err=True)
    sys.exit(2)


class _Messages(logging.Handler):
    """What the library says while it works goes to stderr as it is."""

    def emit(self, record: logging.LogRecord) -> None:
        click.echo(self.format(record), err=True)


@contextmanager
def _shown() -> Iterator[None]:
    """The library's messages and bars, which nobody sees otherwise."""
    logger, handler = logging.getLogger("clipbias"), _Messages(logging.INFO)
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    try:
        with shown_by(bar):
            yield
    finally:
        logger.removeHandler(handler)


def main() -> None:
    """Run the command line: wrong input is one line on stderr and exit status 2; a bug keeps its traceback."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± still gets its numbers
    arguments = sys.argv[1:]
    try:
        with _shown():
            status = clipbias.main(arguments, prog_name="clipbias", standalone_mode=False)
    except click.ClickException as error:
        _fail(_one_line(error))
    except InputError as error:
        _fail(_complaint(error, arguments))
    except OSError as error:
        if error.filename is None:
            raise
        _fail(f"{error.filename}: {error.strerror}")
    except MemoryError:
        _fail(f"memory must suffice for what was asked; {LESS_MEMORY}")
    except click.Abort:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
