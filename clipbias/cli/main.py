"""The `clipbias` command. Subcommands are imported when they are asked for, and their science when they run."""

import importlib
import io
import sys

import click

COMMANDS = {"theory": "theory", "simulate": "simulate", "validate": "validate"}  # name: module and attribute


class LazyGroup(click.Group):
    """A group whose members are named in COMMANDS and live in sibling modules."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f".{COMMANDS[cmd_name]}", __package__)
        command: click.Command = getattr(module, COMMANDS[cmd_name])
        return command


@click.group(cls=LazyGroup, no_args_is_help=False, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="clipbias")
def clipbias() -> None:
    """What clipping does to a policy when the reward says nothing.

    Example: clipbias theory neutral --clip-low 0.2 --ratio-std 0.1
    """


def _name(param: click.Parameter) -> str:
    """As the help text has it."""
    return param.opts[0] if isinstance(param, click.Option) else param.human_readable_name


def _one_line(error: click.ClickException) -> str:
    if isinstance(error, click.MissingParameter) and error.param is not None:
        rule = getattr(error.param.type, "rule", None)
        return f"{_name(error.param)} is required" + (f": {rule}" if rule else "")
    if isinstance(error, click.BadParameter) and error.param is not None:
        return f"{_name(error.param)} {error.message}"
    return " ".join(error.format_message().split())


def main() -> None:
    """Run the command line: wrong input is one line on stderr and exit status 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")  # a terminal without ± still gets its numbers
    try:
        status = clipbias.main(prog_name="clipbias", standalone_mode=False)
    except click.ClickException as error:
        click.echo(f"Error: {_one_line(error)}", err=True)
        sys.exit(2)
    except click.Abort:
        sys.exit(130)
    sys.exit(status if isinstance(status, int) else 0)
