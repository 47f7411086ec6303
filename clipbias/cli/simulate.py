"""`clipbias simulate`: Monte Carlo of the toy."""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Any

import click

from . import options
from .cost import announce
from .kinds import ClipSide, OptimizerSpec, ParquetFile, SuccessProbs
from .options import phase_config, show
from .results import simulated_value
from .sweep import plot, sweep

BAR_AFTER_SECONDS = 2.0

training_options = options.stacked(
    click.option("--optimizer", type=OptimizerSpec(), default="sgd", show_default=True, help=f"{OptimizerSpec.rule}."),
    click.option(
        "--max-grad-norm",
        type=ClipSide(float, "positive and finite, or none"),
        default="none",
        show_default=True,
        help="The gradient of a step is scaled down to this norm (positive and finite, or none).",
    ),
    options.number("--epochs", int, "at least 1", "Times a phase's mini-batches are gone through", default=1),
    click.option("--split", is_flag=True, help="Shuffle a phase's samples over its mini-batches, as TRL does."),
    click.option("--whiten", is_flag=True, help="Whiten the phase's advantages over all its samples."),
    options.number(
        "--kl-coefficient", float, "at least 0 and finite", "Weight of the penalty k3 to the first policy", default=0.0
    ),
)


@click.group(no_args_is_help=False)
def simulate() -> None:
    """The same quantities by Monte Carlo, with standard errors.

    Example: clipbias simulate run --help
    """


simulate.add_command(sweep)
simulate.add_command(plot)


@simulate.command()
@options.shape_options
@click.option(
    "--success-prob",
    type=SuccessProbs(),
    required=True,
    help="Probability that a sample is rewarded (in [0, 1]), or one for each outcome with commas between.",
)
@options.scale
@training_options
@options.number("--phases", int, "in [1, 1000000]", "Phases", default=1)
@options.number("--replicates", int, "in [2, 1000000000]", "Independent policies", default=100_000)
@options.number("--seed", int, "in [0, 9223372036854775807]", "Same seed, same numbers", default=0)
@click.option(
    "--trajectories",
    type=ParquetFile(),
    help="Write every policy after every phase too: columns replicate, phase, p1, p2, … (.parquet).",
)
@options.as_json
def run(
    probs: tuple[float, ...],
    success_prob: tuple[float, ...],
    phases: int,
    replicates: int,
    seed: int,
    trajectories: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """Simulate many policies; the keys of `theory phase`, or for several phases of `theory evolve`.

    Beyond the theory: --optimizer, --max-grad-norm, --epochs, --split, --whiten, --kl-coefficient.

    \b
    Example: clipbias simulate run --probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 \\
        --minibatches 8 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5 --replicates 100000 --seed 0
    """
    from clipbias.common.processes import cores
    from clipbias.simulate.compiled.tabular import CHUNK, check_run
    from clipbias.simulate.compiled.tabular import trajectories as followed
    from clipbias.simulate.cost import monte_carlo_work
    from clipbias.simulate.methods import MonteCarlo
    from clipbias.theory.formulas.drift import check_probs
    from clipbias.theory.law import law
    from clipbias.theory.laws.cost import NANOSECOND
    from clipbias.theory.update_rule import UpdateRule

    update = UpdateRule(**{field.name: flags.pop(field.name) for field in fields(UpdateRule)})
    config = phase_config(success_prob=success_prob if len(success_prob) > 1 else success_prob[0], **flags)
    check_run(check_probs("probs", probs), config, phases, replicates, seed)
    problem = len(probs), config, phases

    def seconds(count: int) -> float:
        side_by_side = min(cores(), -(-count // CHUNK))
        return monte_carlo_work(*problem, count, update) * NANOSECOND / side_by_side

    fewer = max(2, replicates // 100)
    announce(seconds(replicates), {f"--replicates {fewer}": seconds(fewer)})
    with _progress(replicates) as report:
        if trajectories is None:
            method = MonteCarlo(replicates=replicates, seed=seed, progress=report)
            found = law(probs, config, phases, method=method, update=update)
        else:
            found, paths = followed(probs, config, phases, replicates, seed, update, progress=report)
    if trajectories is not None:
        _write(paths, trajectories)
    show(simulated_value(found), as_json, f"{replicates} replicates, mean ± standard error")


def _write(paths: Any, file: Path) -> None:
    """[R, T + 1, K] as a table of R·(T + 1) rows."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.parquet as pq

    from clipbias.common.files import replaced

    replicates, times, outcomes = paths.shape
    columns = {
        "replicate": np.repeat(np.arange(replicates), times),
        "phase": np.tile(np.arange(times), replicates),
    } | {f"p{a + 1}": paths[:, :, a].ravel() for a in range(outcomes)}
    with replaced(file) as draft:
        pq.write_table(pa.table(columns), draft)
    click.echo(f"wrote {file}", err=True)


@contextmanager
def _progress(total: int) -> Iterator[Callable[[int], None] | None]:
    """A bar on stderr once the work has taken two seconds; nothing where stderr is not a terminal."""
    if not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console
    from rich.progress import Progress

    bar = Progress(console=Console(stderr=True), transient=True)
    task = bar.add_task("replicates", total=total)
    began = time.monotonic()

    def report(done: int) -> None:
        if time.monotonic() - began > BAR_AFTER_SECONDS:
            bar.start()
        bar.update(task, completed=done)

    try:
        yield report
    finally:
        bar.stop()
