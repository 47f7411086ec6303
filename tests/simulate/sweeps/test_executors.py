"""Executors give the same rows, stop when they are closed, and say at which point something went wrong."""

import multiprocessing
import time
from dataclasses import replace

import pytest

from clipbias.common.errors import InputError
from clipbias.simulate.sweeps.design import read_design
from clipbias.simulate.sweeps.executors import compute, on_processes, on_ray

pytestmark = pytest.mark.statistical


def test_processes_give_what_this_one_gives(sweep_text: str) -> None:
    points = read_design(sweep_text)
    assert dict(on_processes(points, workers=2)) == {point: compute(point) for point in points}
    assert multiprocessing.active_children() == []


def test_closing_stops_the_work(sweep_text: str) -> None:
    quick = replace(read_design(sweep_text)[0], probs=(0.4, 0.3, 0.3))
    endless = replace(quick, phases=10_000, replicates=10_000_000)
    results = on_processes([quick, endless], workers=1)
    next(results)
    began = time.monotonic()
    results.close()
    while multiprocessing.active_children():
        assert time.monotonic() - began < 5.0
        time.sleep(0.05)


def test_what_only_the_simulation_finds_is_said_with_its_point(sweep_text: str) -> None:
    wild = replace(read_design(sweep_text)[0], clip_low=None, clip_high=None, learning_rate=1e99)
    with pytest.raises(
        InputError, match=r"^the point probs = .*clip_low = None.*: learning_rate must keep logits finite, with all"
    ):
        list(on_processes([wild], workers=1))


def test_ray_gives_what_this_process_gives(sweep_text: str) -> None:
    pytest.importorskip("ray", reason="Ray is in the extra `cluster`, not in `test`")
    points = read_design(sweep_text)
    expected = {point: compute(point) for point in points}
    assert dict(on_ray(points, workers=1)) == expected
    wild = replace(points[0], clip_low=None, clip_high=None, learning_rate=1e99)
    with pytest.raises(InputError, match=r"learning_rate must keep logits"):
        list(on_ray([wild], workers=1))
