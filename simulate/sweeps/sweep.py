"""A sweep: every point of a design, computed once, kept in a folder that can be taken up again."""

from collections.abc import Callable, Generator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from clipbias.common.files import locked
from clipbias.common.progress import steps

from .dataset import Row, is_whole, point_file, prepare, write_point
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


def run_sweep(text: str, folder: Path, executor: Executor) -> Summary:
    """Do what is left of the sweep file `text` in `folder`.

    Raises InputError on what the user gave, before anything is computed but for a learning rate that overflows.
    """
    points = read_design(text)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "out"):
        prepare(folder, text, points)
        begun = [point for point in points if point_file(folder, point).is_file()]
        found = {point for point in begun if is_whole(folder, point)}
        left = [point for point in points if point not in found]
        computed = 0
        if left:
            with steps("points", len(left)) as done, closing(executor(left)) as results:
                for point, row in results:
                    write_point(folder, point, row)
                    computed += 1
                    done(computed)
    return Summary(len(points), len(found), computed, len(begun) - len(found))
