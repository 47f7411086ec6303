"""The points of a sweep, read from TOML: what they share in [base], and what they vary in [grid] or [random]."""

import itertools
import math
import sys
import typing
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from clipbias.common.errors import InputError, check
from clipbias.common.tables import parse_toml
from clipbias.theory.notation import from_text, to_text

from .point import DEFAULTS, NAMED, Point

LARGEST = 100_000  # points of a sweep
DIGITS = 12  # of a value between the ends of a range: the 0.2 of a range is then the 0.2 of a list


_HINTS = typing.get_type_hints(Point)


def read_design(text: str) -> list[Point]:
    """The points of a sweep file, in its order; raises InputError naming the field that is wrong."""
    tables = parse_toml(text, "the sweep file")
    kinds = [kind for kind in ("grid", "random") if kind in tables]
    for name, table in tables.items():
        check(name in ("base", "grid", "random"), name, "in a table, one of base, grid and random", name)
        check(isinstance(table, dict), name, "a table", table)
    check(len(kinds) == 1, "the sweep file", "one with either [grid] or [random]", " and ".join(kinds) or "neither")
    kind = kinds[0]
    base, varied = tables.get("base", {}), dict(tables[kind])
    drawn = {name: varied.pop(name, None) for name in ("points", "seed")} if kind == "random" else {}
    for table, names in (("base", base), (kind, varied)):
        for name in names:
            if name not in _HINTS:
                raise InputError(f"{table}.{name}", f"one of the known settings {', '.join(_HINTS)}")
    check(len(varied) > 0, kind, "a table with at least one setting to vary", "none")
    fixed = {name: _value(name, entry, f"base.{name}") for name, entry in base.items()}
    if "surrogate" in base or "surrogate" in varied:
        for name in ("clip_low", "clip_high"):
            check(name not in base and name not in varied, name, "left out beside surrogate", "both")
            fixed[name] = None
    for name in _HINTS:
        check(name not in base or name not in varied, name, f"in only one of [base] and [{kind}]", "both")
        if name not in fixed and name not in varied and name not in DEFAULTS:
            raise InputError(f"base.{name}", "given")
    settings = _grid(varied) if kind == "grid" else _random(varied, **drawn)
    points = [_point(fixed | own, kind, own) for own in settings]
    kinds_of_chance = {isinstance(point.success_prob, tuple) for point in points}
    check(len(kinds_of_chance) == 1, "success_prob", "a number at every point, or a list at every point", "both")
    repeated = len(points) - len(set(points))
    check(repeated == 0, kind, "a design without repeated points", f"{repeated} repeated")
    return points


def _point(settings: dict[str, Any], kind: str, varied: dict[str, Any]) -> Point:
    try:
        return Point(**settings)
    except InputError as error:
        raise error.within(f"{kind if error.field in varied else 'base'}.") from None


def _value(name: str, raw: Any, path: str) -> Any:
    """`raw` as the setting `name`."""
    hint = _HINTS[name]
    if typing.get_origin(hint) is Literal:
        check(raw in typing.get_args(hint), path, f"one of {', '.join(typing.get_args(hint))}", raw)
        return raw
    if hint == float | None and raw == "none":
        return None
    if name == "probs":
        listed = isinstance(raw, list) and all(_is_number(p) for p in raw)
        check(listed or _is_number(raw), path, "a list of numbers, or of two outcomes the first one's", raw)
        return tuple(float(p) for p in raw) if listed else (float(raw), round(1.0 - raw, DIGITS))
    if name == "success_prob" and isinstance(raw, list):
        check(all(_is_number(p) for p in raw), path, "a number, or a list of numbers", raw)
        return tuple(float(p) for p in raw)
    for plain, allowed in ((bool, "true or false"), (int, "a whole number"), (str, "text")):
        if hint in (plain, plain | None):
            check(type(raw) is plain, path, allowed, raw)
            return _written(raw, NAMED[name], path) if name in NAMED else raw
    check(_is_number(raw), path, "a finite number or none" if hint == float | None else "a finite number", raw)
    return float(raw)


def _written(text: str, kinds: Mapping[str, Any], path: str) -> str:
    """In the one way of writing it, so that one setting is one point with one stream of random numbers."""
    try:
        return to_text(from_text(text, kinds), kinds)
    except ValueError as error:
        raise InputError(path, f"one of {', '.join(kinds)} ({error})", text) from None


def _is_number(raw: Any) -> bool:
    return isinstance(raw, int | float) and not isinstance(raw, bool) and abs(raw) <= sys.float_info.max


@dataclass(frozen=True, slots=True)
class _Range:
    """low and high are of the setting itself."""

    name: str
    low: float
    high: float
    log: bool

    def at(self, share: float) -> Any:
        """The value at `share` in [0, 1] of the way; whole numbers have equal shares of [low, high + 1) if drawn."""
        between = self.low ** (1 - share) * self.high**share if self.log else self.low + (self.high - self.low) * share
        if self.is_whole:
            return round(between)
        return _value(self.name, float(f"{between:.{DIGITS}g}"), self.name)

    def draw(self, share: float) -> Any:
        if not self.is_whole:
            return self.at(share)
        wider = _Range(self.name, self.low - 0.5, self.high + 0.5, self.log)
        return min(max(wider.at(share), int(self.low)), int(self.high))

    @property
    def is_whole(self) -> bool:
        return _HINTS[self.name] is int


def _range(name: str, table: dict[str, Any], path: str, keys: tuple[str, ...]) -> _Range:
    check(not isinstance(DEFAULTS.get(name), bool | str) and name != "surrogate", path, "a list", table)
    for key in table:
        check(key in (*keys, "scale"), path, f"a list, or a range of {', '.join(keys)} and scale", key)
    for key in ("from", "to"):
        check(key in table, path, f"a list, or a range of {', '.join(keys)} and scale", f"none of the name {key}")
        check(_is_number(table[key]), f"{path}.{key}", "a finite number", table[key])
        whole = _HINTS[name] is not int or isinstance(table[key], int)
        check(whole, f"{path}.{key}", "a whole number", table[key])
    low, high, scale = table["from"], table["to"], table.get("scale", "linear")
    check(low < high, f"{path}.to", f"above from ({low})", high)
    check(scale in ("linear", "log"), f"{path}.scale", "one of linear, log", scale)
    check(scale == "linear" or low > 0, f"{path}.from", "positive on a log scale", low)
    return _Range(name, low, high, scale == "log")


def _listed(name: str, entry: Any, path: str) -> list[Any]:
    check(isinstance(entry, list) and len(entry) > 0, path, "a list, or a range with from and to", entry)
    return [_value(name, item, f"{path}[{i}]") for i, item in enumerate(entry)]


def _grid(varied: dict[str, Any]) -> Iterator[dict[str, Any]]:
    axes = []
    for name, entry in varied.items():
        path = f"grid.{name}"
        if isinstance(entry, dict):
            span, count = _range(name, entry, path, ("from", "to", "num")), entry.get("num")
            allowed = isinstance(count, int) and 2 <= count <= LARGEST
            check(allowed, f"{path}.num", f"a whole number in [2, {LARGEST}]", count)
            axes.append([span.at(i / (entry["num"] - 1)) for i in range(entry["num"])])
        else:
            axes.append(_listed(name, entry, path))
    count = math.prod(map(len, axes))
    check(count <= LARGEST, "grid", f"of at most {LARGEST} points", count)
    return (dict(zip(varied, values, strict=True)) for values in itertools.product(*axes))


def _random(varied: dict[str, Any], points: Any, seed: Any) -> Iterator[dict[str, Any]]:
    """Point i is drawn from (seed, i): a longer sweep begins with the points of a shorter one."""
    whole = isinstance(points, int) and not isinstance(points, bool)
    check(whole and 1 <= points <= LARGEST, "random.points", f"a whole number in [1, {LARGEST}]", points)
    whole = isinstance(seed, int) and not isinstance(seed, bool)
    check(whole and seed >= 0, "random.seed", "a whole number, at least 0", seed)
    axes = {
        name: _range(name, varied[name], f"random.{name}", ("from", "to"))
        if isinstance(varied[name], dict)
        else _listed(name, varied[name], f"random.{name}")
        for name in _HINTS
        if name in varied
    }
    for i in range(points):
        rng = np.random.default_rng([seed, i])
        yield {
            name: axis.draw(rng.random()) if isinstance(axis, _Range) else axis[rng.integers(len(axis))]
            for name, axis in axes.items()
        }
