"""Training cells side by side, one process each, one core each; a cell's numbers do not depend on how many run."""

import multiprocessing
import os
import signal
import threading
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
)

from clipbias.validate.store.layout import Cell


def _start_worker(parent: int) -> None:
    """One thread, no network, quiet libraries; and leave when the parent is gone, however it went.

    Ctrl-C reaches every process of a terminal; here it is the parent's to act on.
    """
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")
    import torch

    torch.set_num_threads(1)

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(1.0)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


def _train(cell: Cell) -> Cell:
    from .cell import train_cell

    train_cell(cell)
    return cell


def train_all(cells: Sequence[Cell], description: str) -> None:
    """Train every cell that is not done, in as many processes as there are cores (one if there is a GPU)."""
    left = [cell for cell in cells if not cell.done]
    if not left:
        return
    import torch

    workers = 1 if torch.cuda.is_available() else min(len(os.sched_getaffinity(0)), len(left))
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
    )
    console = Console(stderr=True)
    with (
        Progress(*columns, console=console, disable=not console.is_terminal) as progress,
        ProcessPoolExecutor(
            workers, multiprocessing.get_context("spawn"), initializer=_start_worker, initargs=(os.getpid(),)
        ) as pool,
    ):
        bar = progress.add_task(description, total=len(cells), completed=len(cells) - len(left))
        try:
            for future in as_completed([pool.submit(_train, cell) for cell in left]):
                future.result()
                progress.advance(bar)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            for process in multiprocessing.active_children():  # what they were at is in their checkpoints
                process.terminate()
            raise
