"""Work side by side in processes of this machine, deaf to Ctrl-C, gone when their parent is gone.

None is a copy of its parent: each is started anew, or forked from a process that did nothing but import.
"""

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import partial
from multiprocessing import resource_tracker
from multiprocessing.context import BaseContext
from multiprocessing.process import BaseProcess
from typing import TypeVar

from .errors import InputError

T = TypeVar("T")
R = TypeVar("R")


class WorkerKilledError(InputError):
    """The system ended a worker, as Linux does with the process that has most memory where none is left."""

    def __init__(self, workers: int) -> None:
        fewer = "fewer" if workers > 1 else "possible: close other programs, or take a smaller model or mini-batch"
        super().__init__("workers", f"{fewer}: one of {workers} was killed, most likely for want of memory")

    def __reduce__(self) -> tuple[object, ...]:
        return _restored, self.args


def _restored(*args: object) -> WorkerKilledError:
    error = WorkerKilledError(1)
    error.args = args
    return error


def cores() -> int:
    """Those that this process may use; where the system does not say, all that there are."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _nothing() -> None:
    pass


def side_by_side(
    work: Callable[[T], R],
    items: Sequence[T],
    workers: int,
    prepare: Callable[[], None] = _nothing,
    loaded: str | None = None,
) -> Generator[tuple[T, R], None, None]:
    """Yield every item with `work(item)` as it is finished, in any order; closing the generator stops the rest.

    prepare: called once in each worker before any work. loaded: a module that takes long to import. It is imported
    once, in a process that does nothing else, which the workers of this call and of later ones are forked from. Raises
    what `work` raised, and WorkerKilledError where the system ended a worker.
    """
    others = set(multiprocessing.active_children())
    workers = min(workers, len(items))
    pool = ProcessPoolExecutor(workers, _context(loaded), initializer=_start, initargs=(dict(os.environ), prepare))
    started, futures = set[BaseProcess](), dict[Future[R], T]()
    try:
        with _interrupts_held():
            for item in items:  # a process may end before all are handed on
                futures[pool.submit(work, item)] = item
                started |= set(multiprocessing.active_children()) - others
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        pool.shutdown()  # its processes have ended, and their exit codes are known
        if any(process.exitcode == -signal.SIGKILL for process in started):
            raise WorkerKilledError(workers) from None
        raise
    finally:
        started = set(multiprocessing.active_children()) - others
        for process in started:
            process.terminate()
        for process in started:
            process.join()  # one that is still starting would complain of a pool that is gone
        pool.shutdown(wait=False, cancel_futures=True)


def in_order(work: Callable[[T], R], items: Sequence[T], workers: int) -> list[R]:
    """`work(item)` of all items, in their order."""
    done = {place: result for (place, _), result in side_by_side(partial(_second, work), [*enumerate(items)], workers)}
    return [done[place] for place in range(len(items))]


def _second(work: Callable[[T], R], numbered: tuple[int, T]) -> R:
    return work(numbered[1])


def _context(loaded: str | None) -> BaseContext:
    """Forked where something is to be loaded before; only on Linux, since what macOS loads does not outlive a fork."""
    if loaded is None or sys.platform != "linux":
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([loaded])
    return context


def _start(environment: dict[str, str], prepare: Callable[[], None]) -> None:
    """Leave when the parent is gone, however it went. environment: the parent's now, not when it first had workers.

    What a worker is forked from may be older than `_interrupts_held`, and would not pass its mask on."""
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    os.environ.update(environment)
    parent = multiprocessing.parent_process()

    def watch() -> None:
        if parent is not None:
            parent.join()
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()
    prepare()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """What starts meanwhile never heeds Ctrl-C, which reaches every process of a terminal; this one heeds it after.

    The mask is what children inherit; a signal that another thread of this process takes is put off by the handler.
    """
    resource_tracker.ensure_running()  # its start would let them through
    if threading.current_thread() is not threading.main_thread():  # only that one is interrupted
        yield
        return
    came: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _: came.append(number))
    held = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, held)
        signal.signal(signal.SIGINT, before)
    if came:
        raise KeyboardInterrupt
