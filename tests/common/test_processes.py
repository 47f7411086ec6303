"""Work in processes: order, errors, and workers that the system ends."""

import multiprocessing
import os
import pickle
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from clipbias.common.errors import InputError
from clipbias.common.processes import WorkerKilledError, in_order, side_by_side

pytestmark = pytest.mark.fast


def square(number: int) -> int:
    return number**2


def fails(number: int) -> int:
    raise InputError("number", "another", number)


def ends_itself(marker: Path) -> int:
    os.kill(os.getpid(), signal.SIGKILL)
    return 0


def waits(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def assert_none_left() -> None:
    """The pool's own thread may be the one that takes note of a worker's end, a moment after it has ended."""
    patience = time.monotonic() + 120.0
    while multiprocessing.active_children() and time.monotonic() < patience:
        time.sleep(0.01)
    assert multiprocessing.active_children() == []


def test_results_are_those_of_this_process() -> None:
    assert in_order(square, range(7), 2) == [square(i) for i in range(7)]
    assert sorted(side_by_side(square, range(3), 9)) == [(0, 0), (1, 1), (2, 4)]
    assert_none_left()


def test_a_complaint_comes_back_as_it_was_and_stops_the_rest() -> None:
    with pytest.raises(InputError, match=r"^number must be another, got 5$"):
        list(side_by_side(fails, [5], 1))
    assert_none_left()


def test_a_worker_that_the_system_kills_is_one_complaint_that_names_memory(tmp_path: Path) -> None:
    with pytest.raises(WorkerKilledError, match=r"^workers must be .*memory") as caught:
        list(side_by_side(ends_itself, [tmp_path, tmp_path], 2))
    assert isinstance(caught.value, InputError)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    assert_none_left()


class OneByOne(list[Path]):
    """The second is there once the process that was given the first has ended."""

    def __iter__(self) -> Iterator[Path]:
        for path in list.__iter__(self):
            yield path
            assert_none_left()


def test_a_worker_may_be_killed_before_all_work_is_handed_on(tmp_path: Path) -> None:
    with pytest.raises(WorkerKilledError, match="memory"):
        list(side_by_side(ends_itself, OneByOne([tmp_path, tmp_path]), 2))
    assert_none_left()


def test_closing_stops_what_is_under_way() -> None:
    results = side_by_side(waits, [0.0, 600.0], 2)
    assert next(results) == (0.0, 0.0)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 60.0
    assert_none_left()
