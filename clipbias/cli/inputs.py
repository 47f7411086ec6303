"""Words of a command line that are files, and those that are KEY=VALUE."""

from pathlib import Path

import click


def files_and_overrides(words: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """A word with = that is no file stands for a key; at least one must be a file."""
    files = [word for word in words if "=" not in word or Path(word).exists()]
    if not files:
        raise click.BadParameter("must name a file: a configuration or a launch script", param_hint="FILE")
    return [Path(word) for word in files], [word for word in words if word not in files]
