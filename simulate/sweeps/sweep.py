"""A sweep: every point of a design, computed once, kept in a folder that can be taken up again."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from .dataset import Row, held, is_whole, point_file, prepare, write_point
from .design import read_design
from .point import Point

Executor: TypeAlias = Callable[[Sequence[Point]], Generator[tuple[Point, Row], None, None]]


@dataclass(frozen=True, slots=True)
class Summary:
    """points = found (finished before) + computed; damaged: those of the computed whose file could not be read."""

    points: int
    found: int
    computed: int
    damaged: int


def run_sweep(
    text: str, folder: Path, executor: Executor, progress: Callable[[int, int], None] | None = None
) -> Summary:
    """Do what is left of the sweep file `text` in `folder`.

    progress is called with the numbers of points done and in all. Raises `design.SweepError` on what the user gave,
    before anything is computed but for a learning rate that overflows.
    """
    points = read_design(text)
    with held(folder):
        prepare(folder, text, points)
        begun = [point for point in points if point_file(folder, point).is_file()]
        found = {point for point in begun if is_whole(folder, point)}
        left = [point for point in points if point not in found]
        computed = 0
        if left:
            with closing(executor(left)) as results:
                for point, row in results:
                    write_point(folder, point, row)
                    computed += 1
                    if progress is not None:
                        progress(len(found) + computed, len(points))
    return Summary(len(points), len(found), computed, len(begun) - len(found))
