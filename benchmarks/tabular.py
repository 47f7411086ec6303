"""Speed and memory of the tabular Monte Carlo beside what others would write, in million groups per second.

Every contender does whole phases (K = 2, G = 16, N = 4, M = 8, γ = ½, clip 0.2/0.2) on one core. All take turns, and
the slice with the least processor time counts, so that ratios hold on a machine that others load too. All parallelise
over replicates; what threads give the engine, in elapsed time, stands beside. Peak memory is that of a child process.
JAX is a peer, not a dependency: pip install jax.

    python benchmarks/tabular.py [--json] [--seconds 5]
"""

import importlib.util
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import click
import numpy as np
from peers import CLIP, GROUP, GROUPS, MINIBATCHES, PROB, RATE, jax_program, numpy_program, torch_program

from clipbias.common.arrays import Array
from clipbias.simulate.compiled import two_outcomes
from clipbias.simulate.compiled.groups import Groups, groups_of
from clipbias.simulate.compiled.stream import compiled, mix, open_stream
from clipbias.simulate.compiled.tables import Patterns
from clipbias.simulate.compiled.tabular import PLAIN, simulate
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip

PER_PHASE = GROUPS * MINIBATCHES
SEVERAL = 20  # phases
KEY = np.uint64(1)
SLICE = 200_000  # replicates in a slice of the engine, divided by the phases
Work = Callable[[], object]


def config(group_size: int = GROUP) -> PhaseConfig:
    rate = RATE * (group_size / GROUP) ** 0.5
    return PhaseConfig(
        learning_rate=rate,
        group_size=group_size,
        groups_per_minibatch=GROUPS,
        minibatches=MINIBATCHES,
        success_prob=0.5,
        surrogate=PpoClip(CLIP, CLIP),
    )


def engine(replicates: int, phases: int, group_size: int = GROUP, outcomes: int = 2, threads: int = 1) -> None:
    rest = np.full(outcomes - 1, (1 - PROB) / (outcomes - 1))
    simulate(np.append(PROB, rest), config(group_size), phases, replicates, 0, threads=threads)


@compiled
def words_alone(words: int, replicates: int, phases: int) -> np.uint64:
    """The engine's streams, `words` a group, and nothing else."""
    total = np.uint64(0)
    for replicate in range(replicates):
        position, increment = open_stream(KEY, replicate)
        for _ in range(words * PER_PHASE * phases):
            position += increment
            total ^= mix(position)
    return total


@compiled
def counts_alone(groups: Groups, patterns: Patterns, replicates: int, phases: int) -> Array:
    """The engine's counts, and nothing done with them: no policy, no step."""
    lanes = two_outcomes.LANES
    state, words = np.full(12 * lanes, PROB), np.zeros(6 * lanes, np.uint64)
    for start in range(0, replicates, lanes):
        for i in range(lanes):
            words[two_outcomes.POSITION + i], words[two_outcomes.INCREMENT + i] = open_stream(KEY, start + i)
        for phase in range(phases):
            for _ in range(groups.minibatches):
                two_outcomes.draw_minibatch(groups, patterns, phase == 0, state, words)
    return state


def contenders() -> dict[str, tuple[Work, int]]:
    """By name, a slice of work and the groups in it."""
    probs = np.array([PROB, 1 - PROB])
    groups = groups_of(config(), probs, PLAIN)
    patterns = two_outcomes.patterns_of(groups, probs)
    found: dict[str, tuple[Work, int]] = {}

    def add(name: str, replicates: int, phases: int, work: Callable[[int, int], object]) -> None:
        title = f"{phases} phase{'s' if phases > 1 else ''}: {name}"
        found[title] = partial(work, replicates, phases), replicates * phases * PER_PHASE

    for phases in (1, SEVERAL):
        many, few = SLICE // phases, 2000 if phases == 1 else 500
        words = 1 if phases == 1 else 3  # of a group: one at first, about three later
        add("engine", many, phases, engine)
        add("engine, G = 1024", many // 2, phases, partial(engine, group_size=1024))
        add("the same counts alone", many, phases, partial(counts_alone, groups, patterns))
        add("the same random words alone", many, phases, partial(words_alone, words))
        add("NumPy", few, phases, numpy_program())
        add("torch, autograd", few, phases, torch_program())
        if importlib.util.find_spec("jax") is None:
            continue
        for draws, size in (("inversion", 1000), ("inversion", 4000), ("bits", 1000), ("binomial", 1000)):
            add(f"JAX, {draws}, {size} replicates", size, phases, jax_program(draws))
    return found


def best_rates(
    works: dict[str, tuple[Work, int]], seconds: float, clock: Callable[[], float] = time.process_time
) -> dict[str, float]:
    """Million groups per second in the best slice of each; `seconds` of turns for each."""
    best = dict.fromkeys(works, np.inf)
    for work, _ in works.values():
        work()  # compile
    began = time.perf_counter()
    while time.perf_counter() - began < seconds * len(works):
        for name, (work, _) in works.items():
            start = clock()
            work()
            best[name] = min(best[name], clock() - start)
    return {name: groups / best[name] / 1e6 for name, (_, groups) in works.items()}


def scaling(seconds: float) -> dict[str, float]:
    """The engine alone; of K, groups with K outcomes."""
    works: dict[str, tuple[Work, int]] = {}

    def add(name: str, replicates: int, phases: int = 1, **kind: int) -> None:
        works[name] = partial(engine, replicates, phases, **kind), replicates * phases * PER_PHASE

    for size in (16, 64, 256, 1024):
        add(f"G = {size}", SLICE, group_size=size)
    for outcomes in (2, 3, 10, 100):
        add(f"K = {outcomes}", SLICE // outcomes, outcomes=outcomes)
    for phases in (1, 10, 100):
        add(f"{phases} phases", SLICE // phases, phases)
    for replicates in (1000, 10_000, 100_000):
        add(f"{replicates} replicates", replicates)
    return best_rates(works, seconds)


def over_threads(seconds: float) -> dict[str, float]:
    """By elapsed time."""
    works: dict[str, tuple[Work, int]] = {}
    for threads in range(1, (os.cpu_count() or 1) + 1):
        works[f"{threads} threads"] = partial(engine, SLICE, 1, threads=threads), SLICE * PER_PHASE
    return best_rates(works, seconds, time.perf_counter)


def peak_memory() -> dict[str, float]:
    """MB of resident set at the end of a process that runs the engine once."""
    found = {}
    for replicates, phases in ((1000, 1), (1000, 1000), (1_000_000, 1)):
        command = [sys.executable, __file__, "--only-memory", str(replicates), str(phases)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        found[f"{replicates} replicates, {phases} phases"] = float(done.stdout)
    return found


def compared(rates: dict[str, float]) -> dict[str, float]:
    found = {}
    for name in ("1 phase: ", f"{SEVERAL} phases: "):
        own = rates[name + "engine"]
        found[name + "engine / NumPy"] = own / rates[name + "NumPy"]
        found[name + "engine / torch"] = own / rates[name + "torch, autograd"]
        peers = [rate for other, rate in rates.items() if other.startswith(name + "JAX")]
        if peers:
            found[name + "engine / best JAX"] = own / max(peers)
        found[name + "counts alone / engine"] = rates[name + "the same counts alone"] / own
        found[name + "words alone / engine"] = rates[name + "the same random words alone"] / own
        found[name + "G = 16 / G = 1024"] = own / rates[name + "engine, G = 1024"]
    return found


@click.command()
@click.option("--json", "as_json", is_flag=True)
@click.option("--seconds", type=float, default=5.0, show_default=True, help="For each contender.")
@click.option("--only-memory", type=int, nargs=2, hidden=True)
def main(as_json: bool, seconds: float, only_memory: tuple[int, int] | None) -> None:
    if only_memory is not None:
        engine(*only_memory)
        peak = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
        print(int(peak[1]) / 1024 if peak else float("nan"))
        return
    threads = over_threads(seconds)
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    import torch

    torch.set_num_threads(1)
    rates = best_rates(contenders(), seconds)
    tables = {
        "million groups per second of one core": rates,
        "ratios": compared(rates),
        "the engine, million groups per second of one core": scaling(seconds / 2),
        "the engine by elapsed time": threads,
        "peak memory, MB": peak_memory(),
    }
    if as_json:
        print(json.dumps({"load": os.getloadavg()[0], **tables}))
        return
    for title, rows in tables.items():
        print(title)
        for name, value in rows.items():
            print(f"  {name:44s}{value:10.3g}")
    if importlib.util.find_spec("jax") is None:
        print("without JAX: pip install jax")


if __name__ == "__main__":
    main()
