"""Where the points of a sweep are computed: processes of this machine, or Ray.

An executor takes points and yields each with its row as it is finished, in any order. Closing it stops the work.
"""

import os
import socket
from collections.abc import Generator, Sequence
from dataclasses import asdict
from itertools import islice

from clipbias.common.errors import InputError
from clipbias.common.processes import cores, side_by_side

from .dataset import Row, row
from .point import Point


def compute(point: Point) -> Row:
    """What only the simulation can find wrong (overflow of the logits) is said with the point it was found at."""
    try:
        return row(point, point.simulate())
    except InputError as error:
        settings = ", ".join(f"{name} = {value}" for name, value in asdict(point).items())
        raise error.within(f"the point {settings}: ") from None


def on_processes(points: Sequence[Point], workers: int | None = None) -> Generator[tuple[Point, Row], None, None]:
    """workers: as many as there are cores by default."""
    return side_by_side(compute, points, workers or cores())


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
        raise InputError("address", f"that of a running Ray cluster ({error})", address) from None
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
        if isinstance(error.cause, InputError):
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
        raise InputError("address", f"that of a running Ray cluster ({error})", address) from None
