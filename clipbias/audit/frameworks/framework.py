"""What the frameworks' series mean, as data: which names, with what care to read them, and what logs the missing ones.

Read in the sources of trl 1.16, ms-swift 4.6, verl 0.9.1, openrlhf 0.11.2 and the newest public states of the others.
A name is exact, or has * for any text; a leading "train/" may stand before it.
"""

from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Literal

from ..log import Meaning, Role

SIDE = "effective, but both sides pooled"


@dataclass(frozen=True, slots=True, kw_only=True)
class Framework:
    """line: what one line of the log stands for. marks: names that only this one writes. fresh: names on lines whose
    optimizer step is the first on new answers. names, notes: of each role; of single series. constants: written
    whatever happens. switch_on: what logs a role that is missing. more_updates: what gives the clip something to do.
    no_clip: what takes its clip away. no_ratio_clip: it bounds something else than the ratio."""

    name: str
    title: str
    line: Literal["update", "rollout"]
    names: dict[Role, tuple[str, ...]]
    marks: tuple[str, ...] = ()
    fresh: tuple[str, ...] = ()
    notes: dict[str, str] = field(default_factory=dict)
    constants: tuple[str, ...] = ()
    switch_on: dict[Role, str] = field(default_factory=dict)
    more_updates: str = "more optimizer steps on each rollout"
    no_clip: str = ""
    no_ratio_clip: bool = False

    def meaning(self, name: str) -> Meaning | None:
        for role, names in self.names.items():
            for known in names:
                if "prompt_length" not in name and matches(name, known):
                    note = self.notes.get(known, "")
                    return Meaning(role=role, note=note, constant=known in self.constants)
        return None


def matches(name: str, known: str) -> bool:
    return fnmatchcase(name, known) or fnmatchcase(name.removeprefix("train/"), known)
