"""What comes from a user: words that are files or KEY=VALUE, and text that a terminal must not obey."""

from pathlib import Path

import click


def files_and_overrides(words: tuple[str, ...]) -> tuple[list[Path], list[str]]:
    """A word with = that is no file stands for a key; at least one must be a file."""
    files = [word for word in words if "=" not in word or Path(word).exists()]
    if not files:
        raise click.BadParameter("must name a file: a configuration or a launch script", param_hint="FILE")
    return [Path(word) for word in files], [word for word in words if word not in files]


def printable(text: str) -> str:
    """With what a terminal would act on, an escape for one, replaced."""
    return "".join(char if char.isprintable() or char == "\n" else "\N{REPLACEMENT CHARACTER}" for char in text)
