"""Figures of docs/experiments.md that the suite's report does not hold, from what is frozen: the clip against none over
the pairs of all runs together, and what is learned within a strategy. Written after the runs.

    python docs/results/after_the_fact/pairs_and_skill.py [--results docs/results]
"""

from pathlib import Path

import click
import numpy as np
import pyarrow.compute as pc
from scipy.stats import wilcoxon

from clipbias.validate.judge.statistics import interval
from clipbias.validate.store.frozen import read_frozen

PAIRED = (
    "clip",
    "bounds",
    "again",
)  # runs on code-strong with the arms clip and no-clip, their recipes otherwise alike
LEARNED = (("bad-code", ("format", "ground-truth")),)


def pairs(results: Path) -> None:
    every: dict[str, list[np.ndarray]] = {"log_odds": [], "share": []}
    for name in PAIRED:
        run = read_frozen(results / f"{name}-code-strong")
        for column, found in every.items():
            ends = [run.arms[arm].curves[column][:, -1] for arm in ("clip", "no-clip")]
            found.append(ends[0] - ends[1])
    for column, found in every.items():
        for name, values in zip((*PAIRED, "all"), (*found, np.concatenate(found)), strict=True):
            mean, p = interval(values), wilcoxon(values).pvalue
            click.echo(
                f"clip - no-clip, {column:8} {name:6} {mean.n:3} pairs {mean.mean:+.3f}"
                f" [{mean.low:+.3f}, {mean.high:+.3f}]  median {np.median(values):+.3f}  Wilcoxon p = {p:.3f}"
            )


def learned(results: Path) -> None:
    for organism, arms in LEARNED:
        run = read_frozen(results / f"rewards-{organism}")
        for arm in ("untrained", *arms):
            for uses in (True, False):
                rows = run.rows("answers", arm=arm, style="plain", uses_strategy=uses)
                count = pc.sum(rows["count_all"]).as_py()
                rates = [pc.sum(rows.filter(rows[name])["count_all"]).as_py() / count for name in ("correct", "boxed")]
                click.echo(
                    f"{organism} {arm:13} {'with' if uses else 'without':8} code: {count:5} answers,"
                    f" right {100 * rates[0]:.0f} %, boxed {100 * rates[1]:.0f} %"
                )


@click.command()
@click.option("--results", default="docs/results", show_default=True, type=click.Path(exists=True, path_type=Path))
def main(results: Path) -> None:
    pairs(results)
    learned(results)


if __name__ == "__main__":
    main()
