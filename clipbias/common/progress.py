"""How far long work is, told to whoever wants to show it; nobody unless a program says so."""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from contextvars import ContextVar
from typing import TypeAlias

Display: TypeAlias = Callable[[str, int], AbstractContextManager[Callable[[int], None]]]


@contextmanager
def _unseen(text: str, total: int) -> Iterator[Callable[[int], None]]:
    yield lambda done: None


_display: ContextVar[Display] = ContextVar("display", default=_unseen)


def steps(text: str, total: int) -> AbstractContextManager[Callable[[int], None]]:
    """Work of `total` steps: what the block is given is called with how many are done."""
    return _display.get()(text, total)


@contextmanager
def shown_by(display: Display) -> Iterator[None]:
    """Within the block, `display` shows all work of this process."""
    token = _display.set(display)
    try:
        yield
    finally:
        _display.reset(token)
