"""The kinds of controls by name, apart from what makes them, for a command line that loads nothing heavy."""

from typing import Literal, get_args

Kind = Literal["random", "no-clip", "matched-kl", "one-sided"]
KINDS: tuple[Kind, ...] = get_args(Kind)
