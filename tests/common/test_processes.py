"""Work in processes: order, errors, and workers that the system ends."""

import multiprocessing
import os
import pickle
import signal
import subprocess
import sys
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


def who_loaded(module: str) -> tuple[int, bool]:
    """The process that this one was started by, and whether it is one of those that loaded the module before."""
    return os.getppid(), module in sys.modules


def interrupts_itself(_: int) -> bool:
    """Whether the signal waits."""
    os.kill(os.getpid(), signal.SIGINT)
    return signal.SIGINT in signal.sigpending()


def is_running(pid: int) -> bool:
    """Nor a process that has ended, of which nobody has taken note."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


LOADED = "clipbias.theory.setup"
WAYS = pytest.mark.parametrize("loaded", [None, LOADED], ids=["spawned", "forked"])


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


def test_a_module_is_loaded_once_for_the_workers_of_all_calls() -> None:
    """In a process that is not this one; what was not asked for is not there."""
    asked, other = LOADED, "clipbias.theory.law"
    found = [side_by_side(who_loaded, [asked, other], 2, loaded=LOADED) for _ in range(2)]
    first, second = (dict(results) for results in found)
    assert first == second
    assert {name: there for name, (_, there) in first.items()} == {asked: True, other: False}
    assert {parent for parent, _ in first.values()} != {os.getpid()}
    assert dict(side_by_side(who_loaded, [asked], 1)) == {asked: (os.getpid(), False)}  # negative control: spawned


@WAYS
def test_workers_see_the_environment_as_it_is_now(loaded: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    for value in ("one", "two"):
        monkeypatch.setenv("CLIPBIAS_TRIED", value)
        assert list(side_by_side(os.getenv, ["CLIPBIAS_TRIED"], 1, loaded=loaded)) == [("CLIPBIAS_TRIED", value)]


@WAYS
def test_workers_do_not_heed_ctrl_c_which_this_process_does(loaded: str | None) -> None:
    assert list(side_by_side(interrupts_itself, [0], 1, loaded=loaded)) == [(0, True)]
    assert signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, [])


def test_nor_do_those_of_a_server_that_somebody_else_had_started() -> None:
    script = f"""
import functools, multiprocessing, signal
from clipbias.common.processes import side_by_side
first = multiprocessing.get_context("forkserver").Process(target=int)
first.start()
first.join()
masks = functools.partial(signal.pthread_sigmask, signal.SIG_BLOCK)
print([signal.SIGINT in mask for _, mask in side_by_side(masks, [()], 1, loaded={LOADED!r})])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[True]\n"


@WAYS
def test_workers_are_gone_when_their_parent_is_killed(loaded: str | None) -> None:
    script = f"""
import multiprocessing, time
from clipbias.common.processes import side_by_side
for _ in side_by_side(time.sleep, [0.0, 600.0], 2, loaded={loaded!r}):
    print(*(child.pid for child in multiprocessing.active_children()), flush=True)
"""
    with subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        workers = [int(pid) for pid in parent.stdout.readline().split()]
        assert all(map(is_running, workers))
        parent.kill()
    patience = time.monotonic() + 120.0
    while any(map(is_running, workers)) and time.monotonic() < patience:
        time.sleep(0.01)
    assert len(workers) == 2
    assert not any(map(is_running, workers))


@WAYS
def test_a_complaint_comes_back_as_it_was_and_stops_the_rest(loaded: str | None) -> None:
    with pytest.raises(InputError, match=r"^number must be another, got 5$"):
        list(side_by_side(fails, [5], 1, loaded=loaded))
    assert_none_left()


@WAYS
def test_a_worker_that_the_system_kills_is_one_complaint_that_names_memory(tmp_path: Path, loaded: str | None) -> None:
    with pytest.raises(WorkerKilledError, match=r"^workers must be .*memory") as caught:
        list(side_by_side(ends_itself, [tmp_path, tmp_path], 2, loaded=loaded))
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


@WAYS
def test_closing_stops_what_is_under_way(loaded: str | None) -> None:
    results = side_by_side(waits, [0.0, 600.0], 2, loaded=loaded)
    assert next(results) == (0.0, 0.0)
    began = time.monotonic()
    results.close()
    assert time.monotonic() - began < 60.0
    assert_none_left()
