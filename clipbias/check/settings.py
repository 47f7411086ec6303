"""A configuration's keys as one framework asks for them: typed, with what was asked written down.

Numbers may stand as text: YAML 1.1 reads 3e-4 as one, and so does every command line.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from clipbias.common.errors import InputError, check

from .document import Entry
from .python_source import UNKNOWN
from .shell import Variable

_DATE = re.compile(r"\d{4}-\d\d-\d\d")
NOTHING = ("none", "null", "~", "")


@dataclass(slots=True, kw_only=True)
class Settings:
    """entries: by dotted key, later files and overrides over earlier ones. variables: of a launch script. environment:
    of its command. program: the command, or the name of the call, with the keys. devices, version: as the user said.
    cut_off: lines of a script that begin with an option, which no command has.

    asked: every key that a reader asked for, present or not. defaults: those that were not there, with what was taken.
    devices_asked: whether the number of devices was asked for and nothing told it.
    spelled: of a reader's keys, as this file's framework writes them.
    """

    path: Path
    entries: dict[str, Entry]
    program: str = ""
    variables: Mapping[str, Variable] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    cut_off: tuple[int, ...] = ()
    devices: int | None = None
    version: str | None = None
    asked: set[str] = field(default_factory=set)
    defaults: dict[str, Any] = field(default_factory=dict)
    devices_asked: bool = False
    spelled: Mapping[str, str] = field(default_factory=dict)

    def read_as(self, spelled: Mapping[str, str], defaults: Mapping[str, Any]) -> "Settings":
        """The same for the reader of a framework that this one is built on: `spelled` and `defaults`, both by that
        reader's keys, say how this framework writes them and what it takes where they are not written or null."""
        written = {spelled.get(key, key): value for key, value in defaults.items()}
        taken = {key: value for key, value in written.items() if key not in self.entries or self.raw(key) is None}
        self.defaults.update(taken)
        filled = {key: Entry(value) for key, value in taken.items()}
        return replace(self, entries=self.entries | filled, spelled=spelled)

    def _as_written(self, names: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(self.spelled.get(name, name) for name in names)

    def __post_init__(self) -> None:
        if self.version is not None and not _DATE.fullmatch(self.version):
            _parts(self.version)

    def given(self, *names: str) -> bool:
        """Whether any of the keys is written (with whatever value)."""
        names = self._as_written(names)
        self.asked.update(names)
        return any(name in self.entries for name in names)

    def raw(self, *names: str, default: Any = None) -> Any:
        """The value of the first of several names for one key that is written. Nothing else is taken for it: a name
        that stands for a table is not."""
        names = self._as_written(names)
        self.asked.update(names)
        for name in names:
            if name in self.entries:
                return self.entries[name].value
        if default is not None:
            self.defaults[names[0]] = default
        return default

    def _place(self, name: str) -> str:
        line = self.entries[name].line if name in self.entries else None
        return f"{name} (line {line})" if line is not None else name

    def _told(self, value: Any, names: tuple[str, ...]) -> str:
        """Where the key stands; raises InputError where its value is not the file's to say."""
        written = self._written(names)
        parts = value if isinstance(value, list) else [value]
        if any(part is UNKNOWN or (isinstance(part, str) and "$" in part) for part in parts):
            raise InputError(self._place(written), f"a value that the file itself gives: say {written}=VALUE")
        return self._place(written)

    def _written(self, names: tuple[str, ...]) -> str:
        names = self._as_written(names)
        return next((name for name in names if name in self.entries), names[0])

    def optional(self, *names: str, least: float = -math.inf, most: float = math.inf) -> float | None:
        """A number, or None where it is not written or written as null."""
        value = self.raw(*names)
        if value is None or (isinstance(value, str) and value.strip().lower() in NOTHING):
            return None
        place = self._told(value, names)
        try:
            if isinstance(value, bool):
                raise TypeError
            number = float(value)
        except (TypeError, ValueError) as error:
            raise InputError(place, "a number", shown(value)) from error
        check(not math.isnan(number), place, "a number", shown(value))
        check(least <= number <= most, place, f"in [{least:g}, {most:g}]", shown(value))
        return number

    def told(self, *names: str) -> float | None:
        """The same of a key on which no answer rests: None too where only running the file would tell it."""
        value = self.raw(*names)
        return self.optional(*names) if isinstance(value, int | float) else None

    def number(self, *names: str, default: float, least: float = -math.inf, most: float = math.inf) -> float:
        found = self.optional(*names, least=least, most=most)
        if found is None:
            self.defaults[self._written(names)] = default
        return default if found is None else found

    def maybe_whole(self, *names: str, least: int = 0) -> int | None:
        found = self.optional(*names)
        if found is None:
            return None
        place = self._place(self._written(names))
        check(found == int(found) and found >= least, place, f"a whole number of at least {least}", f"{found:g}")
        return int(found)

    def whole(self, *names: str, default: int, least: int = 0) -> int:
        found = self.maybe_whole(*names, least=least)
        if found is None:
            self.defaults[self._written(names)] = default
        return default if found is None else found

    def numbers(self, *names: str, least: int, most: int) -> tuple[float, ...] | None:
        """From least to most numbers, as a list or as words; None where they are not written."""
        value = self.raw(*names)
        if value is None:
            return None
        parts = value if isinstance(value, list) else str(value).split()
        place = self._place(self._written(names))
        check(least <= len(parts) <= most, place, f"{least} to {most} numbers", shown(value))
        try:
            return tuple(float(part) for part in parts)
        except (TypeError, ValueError) as error:
            raise InputError(place, "numbers", shown(value)) from error

    def flag(self, *names: str, default: bool) -> bool:
        value = self.raw(*names, default=default)
        if isinstance(value, bool):
            return value
        place, text = self._told(value, names), str(value).strip().lower()
        known = dict.fromkeys(("true", "1", "yes", "on"), True) | dict.fromkeys(("false", "0", "no", "off"), False)
        check(text in known or text in NOTHING, place, "true or false", shown(value))
        return known.get(text, default)

    def word(self, *names: str, default: str, allowed: Iterable[str] = ()) -> str:
        value = self.raw(*names, default=default)
        text = default if value is None else str(value)
        choices, place = tuple(allowed), self._told(value, names)
        check(not choices or text in choices, place, f"one of {', '.join(choices)}", shown(value))
        return text

    def device_count(self) -> int:
        """Processes that train: as the user, the launcher or its environment says; else 1, and the answer says so."""
        launched = self.maybe_whole("num_processes", "nproc_per_node", least=1)
        inherited = self.environment.get("NPROC_PER_NODE", "")
        nodes = self.environment.get("NNODES", "1")
        told = self.devices or launched
        if told is None and inherited.isdigit() and nodes.isdigit():
            told = int(inherited) * int(nodes)
        self.devices_asked = self.devices_asked or told is None
        return told or 1

    def older_than(self, version: str, date: str) -> bool:
        """Whether the user's --version, a number or a date, is before this one. Not said: not older."""
        if self.version is None:
            return False
        return self.version < date if _DATE.fullmatch(self.version) else _parts(self.version) < _parts(version)

    def unread(self, knows: Callable[[str], bool]) -> list[tuple[str, str | None]]:
        """Keys that nobody asked for and that are not known to be harmless, each with the asked one most like it."""
        left = [key for key in self.entries if key not in self.asked and not knows(key)]
        return [(key, next(iter(get_close_matches(key, self.asked, 1, 0.85)), None)) for key in left]

    def unused_variables(self) -> list[tuple[str, Variable]]:
        """Variables that the script sets and never names again."""
        return [(name, variable) for name, variable in self.variables.items() if not variable.used]


def shown(value: Any) -> str:
    """A value from a file in a few characters, whatever it is."""
    import reprlib

    if value is UNKNOWN:
        return "?"
    return value if isinstance(value, str) and len(value) < 60 else reprlib.repr(value)


def _parts(version: str) -> tuple[int, ...]:
    digits = version.lstrip("v").split(".")
    check(all(part.isdigit() for part in digits), "version", "a number as 0.9.1 or a date as 2026-04-20", version)
    return tuple(map(int, digits))
