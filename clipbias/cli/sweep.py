"""`clipbias simulate sweep` and `clipbias simulate plot`: many points of the toy in a folder, and their figures."""

import functools
import importlib.util
import math
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

from clipbias.common.errors import InputError

from . import options
from .cost import announce
from .kinds import Choice, Number, ParamType, PlotFile
from .options import draw, show

MOST_CURVES = 12


class Condition(ParamType):
    """NAME=VALUE for a setting."""

    name = "name=value"
    signs = "="
    kind: Callable[[str], Any] = str
    meaning = "a value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        match = re.fullmatch(rf"([\w.:]+)\s*([{self.signs}])\s*(\S+)", value)
        try:
            if match is None:
                raise ValueError
            return match[1], match[2], self.kind(match[3])
        except ValueError:
            self.fail(f"must be a name, one of {' '.join(self.signs)}, and {self.meaning}, got {value}", param, ctx)


class Region(Condition):
    """NAME<LEVEL or NAME>LEVEL."""

    name = "name<level"
    signs = "<>"
    kind = float
    meaning = "a number"


@click.command()
@click.argument("grid", metavar="GRID.toml", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(file_okay=False, path_type=Path), help="Folder of the results.")
@click.option(
    "--executor",
    type=Choice(("local", "ray")),
    default="local",
    show_default=True,
    help="Where: local (processes) or ray (needs clipbias[cluster]).",
)
@click.option("--address", help="A running Ray cluster, with --executor ray (default: one started here).")
@click.option("--workers", type=Number(int, "at least 1"), help="Points at a time (default: one a core; at least 1).")
@options.as_json
def sweep(grid: Path, out: Path, executor: str, address: str | None, workers: int | None, as_json: bool) -> None:
    """Simulate every point of GRID.toml; the same command takes up a sweep that was stopped, or that got more points.

    The results are a Parquet data set, OUT/points.parquet. docs/sweeps.md describes both.

    Example: clipbias simulate sweep recipes/sweeps/clip-higher.toml --out runs/clip-higher
    """
    if workers is not None and workers < 1:
        raise InputError("workers", "at least 1", workers)
    if address is not None and executor != "ray":
        raise InputError("address", "without a value, or --executor ray", address)
    if executor == "ray" and importlib.util.find_spec("ray") is None:
        raise InputError("executor", "local unless Ray is installed: pip install 'clipbias[cluster]'")
    from clipbias.common.files import read_text
    from clipbias.common.processes import cores
    from clipbias.simulate.cost import sweep_work
    from clipbias.simulate.sweeps.dataset import DATA, point_file
    from clipbias.simulate.sweeps.design import read_design
    from clipbias.simulate.sweeps.executors import on_processes, on_ray
    from clipbias.simulate.sweeps.sweep import run_sweep
    from clipbias.theory.laws.cost import NANOSECOND

    chosen: Any = functools.partial(on_processes, workers=workers)
    if executor == "ray":
        chosen = functools.partial(on_ray, workers=workers, address=address)
    text = read_text(grid)
    left = [point for point in read_design(text) if not point_file(out, point).is_file()]
    side_by_side = min(workers or cores(), max(len(left), 1))
    once = {"fewer replicates or points": None, "to stop it when you like: the same command goes on": None}
    announce(sum(map(sweep_work, left)) * NANOSECOND / side_by_side, once, resumable=True)
    try:
        summary = run_sweep(text, out, chosen)
    except KeyboardInterrupt:
        click.echo(f"stopped; the same command goes on with what {out} has", err=True)
        raise click.Abort from None
    value = {
        "data": str(out / DATA),
        "points": summary.points,
        "found": summary.found,
        "computed": summary.computed,
        "damaged": summary.damaged,
    }
    show(value, as_json, "Sweep")


@click.command()
@click.argument("folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path))
@click.option("--x", required=True, help="Setting along the abscissa, as clip_low or probs:1.")
@click.option("--y", help="Setting along the ordinate of a heat map; without it, curves over --x.")
@click.option("--value", required=True, help="Quantity, as entropy_shift or prob_shift:1 (the first outcome's).")
@click.option("--by", help="Curves: one for every value of this setting.")
@click.option("--where", type=Condition(), multiple=True, help="Only points with this setting, as learning_rate=1.")
@click.option("--hatch", type=Region(), help="Map: hatch where a quantity is below or above a level.")
@click.option(
    "--ratio-std",
    type=Number(float, "in [0, 10]"),
    help="Map of clip_high over clip_low: draw the rule for rare outcomes, (1 + high)(1 - low) ="
    " exp(2 ratio-std² - rest-std²).",
)
@click.option(
    "--rest-std",
    type=Number(float, "in [0, √2 ratio-std]"),
    help="With --ratio-std: the same of all other outcomes, root mean square (default: --ratio-std).",
)
@click.option("--out", required=True, type=PlotFile(), help="The figure: .png, .pdf or .svg.")
@options.as_json
def plot(
    folder: Path,
    x: str,
    y: str | None,
    value: str,
    by: str | None,
    where: tuple[tuple[str, str, str], ...],
    hatch: tuple[str, str, float] | None,
    ratio_std: float | None,
    rest_std: float | None,
    out: Path,
    as_json: bool,
) -> None:
    """Draw a sweep: a heat map over --x and --y, or curves over --x with bands of two standard errors.

    \b
    Example: clipbias simulate plot runs/clip-higher --x clip_low --y clip_high --value entropy_shift \\
        --hatch "entropy_mean<0.1" --out clip-higher.png
    """
    if y is not None and by is not None:
        raise InputError("by", "without --y", by)
    for name, given in (("hatch", hatch), ("ratio_std", ratio_std)):
        if given is not None and y is None:
            raise InputError(name, "with --y")
    if ratio_std is not None and not ((x, y) == ("clip_low", "clip_high") and 0 <= ratio_std <= 10):
        raise InputError("ratio_std", "in [0, 10], with clip_low and clip_high", ratio_std)
    if rest_std is not None and not (ratio_std is not None and 0 <= rest_std <= math.sqrt(2) * ratio_std):
        raise InputError("rest_std", "in [0, √2 ratio-std], with --ratio-std", rest_std)
    import numpy as np

    from clipbias.simulate.sweeps import columns, dataset

    table = dataset.load(folder)
    for name, _, wanted in where:
        table = columns.where(table, name, wanted, "where")
    named = [(name, field) for name, field in ((x, "x"), (y, "y"), (by, "by")) if name is not None]
    for name, field in named:
        if name.partition(":")[0] not in columns.SETTINGS:
            raise InputError(field, f"one of {', '.join(columns.SETTINGS)}", name)
    on_axes = named[:2] if y is not None else named[:1]
    for axis, field in named:
        if field != "by" and columns.column(table, axis, field).words is not None:
            raise InputError(field, "a setting that is a number", axis)
    off = np.any([np.isnan(columns.column(table, *axis).values) for axis in on_axes], axis=0)
    if off.all():
        raise InputError("x", "a setting that is a number somewhere", x)
    if off.any():
        click.echo(f"left out: {off.sum()} points where a setting on an axis is none", err=True)
        table = table.filter(~off)
    axes = [columns.column(table, *axis) for axis in named]
    columns.check_distinct(table, axes, "where")
    quantity = columns.column(table, value, "value")
    if by is not None and len(np.unique(axes[1].values)) > MOST_CURVES:
        raise InputError("by", f"a setting with at most {MOST_CURVES} values", by)
    if quantity.words is not None:
        raise InputError("value", "a quantity", value)
    region = None if hatch is None else (columns.column(table, hatch[0], "hatch"), *hatch[1:])

    def figure() -> Any:
        from clipbias.figures import sweep as figures

        if y is None:
            return figures.curves(axes[0], quantity, axes[1] if by else None)
        rule = None if ratio_std is None else (ratio_std, ratio_std if rest_std is None else rest_std)
        return figures.heat_map(axes[0], axes[1], quantity, rule, region)

    draw(out, figure)
    near = np.abs(quantity.values) <= 2 * (0.0 if quantity.stderr is None else quantity.stderr)
    show({"figure": str(out), "points": table.num_rows, "within_two_errors_of_zero": int(near.sum())}, as_json, "Plot")
