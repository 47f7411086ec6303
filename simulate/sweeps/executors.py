"""Where the points of a sweep are computed: processes of this machine, or Ray.

An executor takes points and yields each with its row as it is finished, in any order. Closing it stops the work.
"""

import multiprocessing
import os
import signal
import socket
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from multiprocessing import resource_tracker

from .dataset import Row, row
from .design import SweepError
from .point import Point


def compute(point: Point) -> Row:
    """What only the simulation can find wrong (overflow of the logits) is said with the point it was found at."""
    try:
        return row(point, point.simulate())
    except ValueError as error:
        settings = ", ".join(f"{name} = {value}" for name, value in asdict(point).items())
        raise SweepError(f"the point {settings}: {error}") from None


def _start_worker(parent: int) -> None:
    """Leave when the parent is gone, however it went."""

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(0.5)
        os._exit(1)

    threading.Thread(target=watch, daemon=True).start()


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """What starts meanwhile never heeds Ctrl-C, which reaches every process of a terminal; this one heeds it after.

    The mask is what children inherit; a signal that another thread of this process takes is put off by the handler.
    """
    resource_tracker.ensure_running()  # its start would let them through
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


def on_processes(points: Sequence[Point], workers: int | None = None) -> Generator[tuple[Point, Row], None, None]:
    """workers: as many as there are cores by default."""
    others = set(multiprocessing.active_children())
    count = min(workers or len(os.sched_getaffinity(0)), len(points))
    spawn = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(count, spawn, initializer=_start_worker, initargs=(os.getpid(),))
    try:
        with _interrupts_held():
            futures = {pool.submit(compute, point): point for point in points}
        for future in as_completed(futures):
            yield futures[future], future.result()
    except BrokenProcessPool:
        raise SweepError("a worker process was killed, perhaps for want of memory; try fewer workers") from None
    finally:
        started = set(multiprocessing.active_children()) - others
        for process in started:
            process.terminate()
        for process in started:
            process.join()  # one that is still starting would complain of a pool that is gone
        pool.shutdown(wait=False, cancel_futures=True)


def on_ray(
    points: Sequence[Point], workers: int | None = None, address: str | None = None
) -> Generator[tuple[Point, Row], None, None]:
    """One task of one core a point. address: of a running cluster, with clipbias on its nodes (None: start one here).

    workers: tasks at a time, by default as many as the cluster has cores.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    import ray

    if address is not None:
        _check_reachable(address)
    try:
        ray.init(
            address or "local",
            num_cpus=None if address else workers,
            include_dashboard=False,
            log_to_driver=False,
            logging_level="error",
        )
    except (ConnectionError, ValueError) as error:
        raise SweepError(f"address must be that of a running Ray cluster, got {address}: {error}") from None
    try:
        task, left = ray.remote(num_cpus=1)(compute), iter(points)
        count = workers or int(ray.cluster_resources()["CPU"])
        under_way = {task.remote(point): point for point in islice(left, count)}
        while under_way:
            (reference,), _ = ray.wait(list(under_way))
            point = under_way.pop(reference)
            under_way |= {task.remote(further): further for further in islice(left, 1)}
            yield point, ray.get(reference)
    except ray.exceptions.RayTaskError as error:
        if isinstance(error.cause, SweepError):
            raise error.cause from None
        raise
    finally:
        ray.shutdown()


def _check_reachable(address: str) -> None:
    """Ray itself would try for minutes."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not port.isdecimal():
        return  # a word, such as auto
    try:
        socket.create_connection((host, int(port)), timeout=10.0).close()
    except (OSError, OverflowError) as error:
        raise SweepError(f"address must be that of a running Ray cluster, got {address}: {error}") from None
