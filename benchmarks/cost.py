"""Whether commands say what they cost: drawn over all that is allowed, run one after another, watched by the clock.

Prints the longest silence, the longest run that did not say it would pass a minute, tracebacks, and how long commands
took for what was expected of them (median, 5 % and 95 %, of those of a second or more).

Example: python benchmarks/cost.py --commands 2000 --seed 0
"""

import argparse
import contextlib
import io
import logging
import math
import multiprocessing
import random
import sys
import time
import traceback
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection

SILENT, MINUTE, LIMIT = 2.0, 60.0, 150.0
START_UP = 0.5  # of a process, which commands run in one do not pay


def log_uniform(rng: random.Random, low: float, high: float) -> float:
    return math.exp(rng.uniform(math.log(low), math.log(high)))


def whole(rng: random.Random, low: int, high: int) -> int:
    return min(high, int(log_uniform(rng, low, high + 1)))


def chance(rng: random.Random) -> float:
    return rng.choice([0.0, 1.0, 0.5, rng.random(), log_uniform(rng, 1e-12, 0.5), log_uniform(rng, 1e-320, 0.5)])


def policy(rng: random.Random, outcomes: int) -> str:
    if outcomes == 2:
        p = rng.choice([rng.random(), log_uniform(rng, 1e-9, 0.5), 1 - log_uniform(rng, 1e-9, 0.5)])
        return f"{p!r},{1 - p!r}"
    weights = [log_uniform(rng, 1e-6, 1.0) for _ in range(outcomes)]
    rest = [w / sum(weights) for w in weights[1:]]
    return ",".join(map(repr, [1 - math.fsum(rest), *rest]))


def gate(rng: random.Random) -> str:
    if rng.random() < 0.15:
        return "--surrogate " + rng.choice(["cispo:cap=5", "sapo", "gspo", "dppo", "ppo:low=0.2,high=none,dual=3"])
    low = rng.choice(["none", f"{log_uniform(rng, 1e-6, 1.0)!r}"])
    return f"--clip-low {low} --clip-high {rng.choice(['none', repr(log_uniform(rng, 1e-6, 100.0))])}"


def sizes(rng: random.Random) -> str:
    rate = rng.choice([0.0, log_uniform(rng, 1e-3, 5.0), log_uniform(rng, 1e-3, 5.0), log_uniform(rng, 1e-300, 1e100)])
    group = whole(rng, 2, rng.choice([37, 128, 1_000_000]))
    groups, steps = whole(rng, 1, rng.choice([64, 500, 10_000])), whole(rng, 1, rng.choice([32, 1000, 10_000]))
    return f"--learning-rate {rate!r} --group-size {group} --groups-per-minibatch {groups} --minibatches {steps}"


def command(rng: random.Random) -> str:
    """One command line; most are valid, and what is not must be one line too."""
    kind = rng.choice(
        ["phase"] * 4 + ["evolve"] * 4 + ["run"] * 3 + ["neutral", "reward", "advantage", "drift", "rule"]
    )
    outcomes = rng.choice([2, 2, 2, 3, 4, whole(rng, 2, 300)])
    scale = f"--scale {rng.choice(['std', 'std-unbiased', 'none'])}"
    if kind == "advantage":
        return f"theory advantage --group-size {whole(rng, 2, 1_000_000)} --success-prob {chance(rng)!r} {scale}"
    if kind == "rule":
        return f"theory neutral --clip-low {rng.random()!r} --ratio-std {log_uniform(rng, 1e-6, 25)!r}"
    if kind == "drift":
        both = f"--old-probs {policy(rng, outcomes)} --probs {policy(rng, outcomes)}"
        size = whole(rng, 2, 1_000_000)
        return f"theory drift {both} {gate(rng)} --group-size {size} --success-prob {chance(rng)!r} {scale}"
    if kind == "neutral":
        clip = f"--clip-low {log_uniform(rng, 1e-4, 0.99)!r} --of {rng.choice(['drift', 'entropy'])}"
        method = f"--method {rng.choice(['exact', 'gaussian'])}"
        return f"theory neutral {clip} --probs {policy(rng, 2)} {sizes(rng)} --success-prob {chance(rng)!r} {method}"
    if kind == "reward":
        method = f"--method {rng.choice(['exact', 'gaussian'])} --phases {whole(rng, 1, 1000)}"
        success = f"--success-probs {chance(rng)!r},{chance(rng)!r}"
        return f"theory reward --probs {policy(rng, 2)} {success} {sizes(rng)} {gate(rng)} {method} {scale}"
    shape = f"--probs {policy(rng, outcomes)} {sizes(rng)} {gate(rng)} --success-prob {chance(rng)!r} {scale}"
    if kind == "run":
        extra = rng.choice(["", "--split", "--whiten", "--optimizer adam", f"--epochs {whole(rng, 1, 10)}"])
        size = f"--replicates {whole(rng, 2, 1_000_000)} --phases {whole(rng, 1, 1000)}"
        return f"simulate run {shape} {size} {extra}"
    method = rng.choice(["", "", "--method paths", *([] if outcomes > 2 else ["--method gaussian", "--method exact"])])
    many = f"--phases {whole(rng, 1, rng.choice([20, 1000]))}" if kind == "evolve" else ""
    return f"theory {kind} {shape} {method} {many}"


class Wire(io.StringIO):
    """A stream whose writing is told to another process as it happens."""

    def __init__(self, wire: Connection) -> None:
        super().__init__()
        self.wire = wire

    def write(self, text: str) -> int:
        self.wire.send(("wrote", str(text)))
        return len(text)


class Expected(logging.Handler):
    """What `cost.announce` was told."""

    def __init__(self, wire: Connection) -> None:
        super().__init__(logging.DEBUG)
        self.wire = wire

    def emit(self, record: logging.LogRecord) -> None:
        self.wire.send(("expected", record.args[0] if isinstance(record.args, tuple) else math.nan))


def serve(wire: Connection, asked: float) -> None:
    """Run every command line that comes, in this process."""
    from clipbias.cli import cost
    from clipbias.cli.main import main

    cost.ASKED_SECONDS = asked
    logger = logging.getLogger("clipbias.cost")
    logger.setLevel(logging.DEBUG)
    logger.addHandler(Expected(wire))
    stream = Wire(wire)
    while line := wire.recv():
        sys.argv = ["clipbias", *line.split(), "--json"]
        status, began = 0, time.process_time()
        with contextlib.redirect_stdout(stream), contextlib.redirect_stderr(stream):
            try:
                main()
            except SystemExit as ended:
                status = int(ended.code or 0)
            except BaseException:
                status = 1
                traceback.print_exc()
        wire.send(("ended", (status, time.process_time() - began)))


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """status: 0, 2 where the command refused, 1 after a traceback, None where it was stopped. seconds: by the clock;
    processor: of all cores. expected: seconds, None where the command said nothing. silence: until the first word."""

    command: str
    status: int | None
    seconds: float
    processor: float
    expected: float | None
    silence: float
    text: str

    @property
    def said(self) -> bool:
        """Whether the minute was foretold, or said when it came."""
        return self.seconds <= MINUTE or (self.expected or 0.0) > MINUTE or "Ctrl-C" in self.text


def watched(line: str, wire: Connection) -> Run:
    began = time.monotonic()
    wire.send(line)
    words: list[tuple[float, str]] = []
    status, expected, processor = None, None, math.nan
    while (left := began + LIMIT - time.monotonic()) > 0 and wire.poll(left):
        kind, value = wire.recv()
        if kind == "wrote":
            words.append((time.monotonic() - began, value))
        elif kind == "expected":
            expected = value
        else:
            status, processor = value
            break
    taken = time.monotonic() - began
    silence = min(words[0][0] if words else taken, taken) + START_UP
    text = "".join(word for _, word in words)
    return Run(
        command=line,
        status=status,
        seconds=taken,
        processor=processor,
        expected=expected,
        silence=silence,
        text=text,
    )


def started(asked: float) -> tuple[multiprocessing.Process, Connection]:
    here, there = multiprocessing.Pipe()
    worker = multiprocessing.Process(target=serve, args=(there, asked), daemon=True)
    worker.start()
    return worker, here


def all_runs(lines: list[str], asked: float) -> Iterator[Run]:
    worker, wire = started(asked)
    for line in lines:
        run = watched(line, wire)
        if run.status is None:
            worker.kill()
            worker.join()
            worker, wire = started(asked)
        yield run
    wire.send("")
    worker.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commands", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--asked", type=float, default=MINUTE, help="Seconds from which commands are refused.")
    given = parser.parse_args()
    rng = random.Random(given.seed)
    runs: list[Run] = []
    for run in all_runs([command(rng) for _ in range(given.commands)], given.asked):
        runs.append(run)
        late = run.expected is not None and run.processor > max(4 * run.expected, 4.0)
        if run.status in (1, None) or run.silence > SILENT + 0.5 or not run.said or late:
            print(
                f"{run.seconds:.1f} s ({run.processor:.1f} of processor), word after {run.silence:.1f} s, expected"
                f" {run.expected}: {run.command}"
            )
            print(run.text[-600:] if run.status in (1, None) else "", flush=True)
        if len(runs) % 100 == 0:
            report(runs)


def report(runs: list[Run]) -> None:
    ratios = sorted(r.processor / r.expected for r in runs if r.status == 0 and r.expected and r.processor >= 1.0)
    unsaid = [r.seconds for r in runs if not r.said]
    status = Counter(r.status for r in runs)
    print(
        f"{len(runs)} commands: {status[0]} done, {status[2]} refused, {status[1]} tracebacks, {status[None]} stopped"
    )
    refused = sum((r.expected or 0.0) > MINUTE for r in runs)
    print(f"longest silence {max(r.silence for r in runs):.1f} s; expected to pass a minute {refused}; passed it unsaid"
          f" {len(unsaid)}; longest run {max(r.seconds for r in runs):.1f} s")  # fmt: skip
    if ratios:
        cuts = (ratios[int(q * (len(ratios) - 1))] for q in (0.05, 0.5, 0.95))
        print("taken / expected, 5 %, median, 95 %: " + ", ".join(f"{c:.2f}" for c in cuts) + f" of {len(ratios)}")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
