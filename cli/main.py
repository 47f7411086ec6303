"""`clipbias`: the command line. Subcommands are imported when they are called, so that help is instant."""

import importlib

import click

GROUPS = {
    "theory": "Closed-form predictions.",
    "validate": "Real training runs against predictions written beforehand.",
}


class LazyGroup(click.Group):
    """Knows its subcommands by name and imports the module of the one that is asked for."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(GROUPS)

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        if name not in GROUPS:
            return None
        return getattr(importlib.import_module(f".{name}", __package__), name)


@click.group(cls=LazyGroup)
def main() -> None:
    """What clipping does."""
