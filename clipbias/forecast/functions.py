"""A user's own Python functions, named file.py:function: run in this process, on purpose, and their errors told in a
line."""

import asyncio
import importlib.util
import inspect
import math
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from clipbias.common.errors import InputError, check


def is_function(text: str) -> bool:
    """Whether an option's value names a function of a file."""
    return ".py:" in text


def load_function(text: str, field: str) -> Callable[..., Any]:
    """The function of file.py:function; the file's folder can be imported from while it loads."""
    place, _, name = text.rpartition(":")
    path = Path(place)
    check(path.is_file(), field, "file.py:function of a file that is there", text)
    spec = importlib.util.spec_from_file_location(f"clipbias_user_{path.stem}", path.resolve())
    if spec is None or spec.loader is None:
        raise InputError(field, "file.py:function of a Python file", text)
    module = importlib.util.module_from_spec(spec)
    with _importing_from(path.resolve().parent), _told(field, text):
        spec.loader.exec_module(module)
    found = getattr(module, name, None)
    if not callable(found):
        raise InputError(field, f"a function that {place} has", text)
    function: Callable[..., Any] = found
    return function


@contextmanager
def _importing_from(folder: Path) -> Iterator[None]:
    sys.path.insert(0, str(folder))
    try:
        yield
    finally:
        sys.path.remove(str(folder))


@contextmanager
def _told(field: str, text: str) -> Iterator[None]:
    """What goes wrong in the user's code, with the line of theirs that it came from."""
    try:
        yield
    except (Exception, SystemExit) as error:
        line = next(
            (t.tb_lineno for t in reversed(_frames(error)) if t.tb_frame.f_code.co_filename == _file(text)), None
        )
        where = "" if line is None else f", line {line}"
        said = " ".join(str(error).split())[:300]
        raise InputError(field, f"a function that runs: {type(error).__name__}: {said} ({text}{where})") from error


def _file(text: str) -> str:
    return str(Path(text.rpartition(":")[0]).resolve())


def _frames(error: BaseException) -> list[Any]:
    found, at = [], error.__traceback__
    while at is not None:
        found.append(at)
        at = at.tb_next
    return found


def call_reward(function: Callable[..., Any], text: str, count: int, **arguments: Any) -> list[float]:
    """`count` finite rewards. arguments: as TRL gives them, lists by name."""
    with _told("reward", text):
        result = function(**arguments)
        if inspect.iscoroutine(result):
            result = asyncio.run(result)
    return numbers(result, "reward", text, count)


def numbers(result: Any, field: str, text: str, count: int) -> list[float]:
    """A function's result as `count` finite numbers."""
    allowed = f"a function that returns {count} finite numbers for {count} answers ({text})"
    try:
        listed = list(result)
    except TypeError:
        raise InputError(field, allowed, type(result).__name__) from None
    check(len(listed) == count, field, allowed, len(listed))
    missing = sum(value is None for value in listed)
    check(missing == 0, field, f"{allowed}; answers without a reward cannot be carried", f"None for {missing} of them")
    found = []
    for value in listed:
        try:
            number = float(value)
        except (TypeError, ValueError):
            raise InputError(field, allowed, f"a {type(value).__name__}") from None
        check(math.isfinite(number), field, allowed, number)
        found.append(number)
    return found


def detected(function: Callable[..., Any], text: str, answers: Sequence[str]) -> list[float]:
    """What a detector, text → bool, says of each answer."""
    with _told("observe", text):
        result = [function(answer) for answer in answers]
    for value in result:
        check(value in (0, 1), "observe", f"a function that returns true or false ({text})", repr(value))
    return [float(value) for value in result]
