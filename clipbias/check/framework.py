"""What a framework is to `check`: how its files look, and its rules, as data and as one function."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from importlib.resources import files
from typing import Literal

from .settings import Settings
from .setup import Training


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One row of the table of frameworks in docs/frameworks.md, which is written from here."""

    steps: str
    denominator: str
    bounds: str
    dual: str
    normalisation: str


@dataclass(frozen=True, kw_only=True)
class Framework:
    """name: as --framework has it. version, date: whose source was read, and when that appeared. commands: patterns
    (searched) of a launch command that is its own. style: of that command's arguments. calls: names of configuration
    classes; modules: what a Python file that uses it imports. own_loop: that it is none, but what is read in a training
    loop written by hand. marks: beginnings of keys by which a file of keys is known; tells: keys of which one is
    enough. read: the rules. reward: a coin as reward in the framework's own form, Python source with {success_prob} and
    {seed} to be filled in.
    """

    name: str
    title: str
    version: str
    date: str
    rules: Rules
    read: Callable[[Settings], Training]
    reward: str
    commands: tuple[str, ...] = ()
    style: Literal["flags", "hydra"] = "flags"
    calls: tuple[str, ...] = ()
    modules: tuple[str, ...] = ()
    own_loop: bool = False
    marks: tuple[str, ...] = ()
    tells: tuple[str, ...] = ()

    @cached_property
    def known(self) -> frozenset[str]:
        """Keys that decide nothing about the clip, from known/NAME.txt; those that end in * are beginnings of keys, and
        @NAME stands for all of another framework's."""
        return frozenset(_known(self.name))

    def knows(self, key: str) -> bool:
        return key in self.known or any(key.startswith(name[:-1]) for name in self.known if name.endswith("*"))


def _known(name: str) -> Iterator[str]:
    text = (files(__package__) / "frameworks" / "known" / f"{name}.txt").read_text(encoding="utf-8")
    for word in (word for line in text.splitlines() if not line.startswith("#") for word in line.split()):
        yield from _known(word[1:]) if word.startswith("@") else (word,)
