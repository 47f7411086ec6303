"""What a person at a terminal sees of long work: a bar once it has taken two seconds; nothing elsewhere."""

import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

BAR_AFTER_SECONDS = 2.0


@contextmanager
def bar(text: str, total: int) -> Iterator[Callable[[int], None]]:
    """A `progress.Display` on stderr: steps done, time taken and time left."""
    if not sys.stderr.isatty():
        yield lambda done: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
    from rich.progress import TimeRemainingColumn as TimeLeft

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn(), TimeLeft())
    shown = Progress(*columns, console=Console(stderr=True))
    task = shown.add_task(text, total=total)
    start = threading.Timer(BAR_AFTER_SECONDS, shown.start)
    start.start()
    try:
        yield lambda done: shown.update(task, completed=done)
    finally:
        start.cancel()
        shown.stop()
