"""Run folders of `clipbias validate`: every arm and seed as a log of its own, whose steps are known from the recipe."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from clipbias.common.arrays import Array
from clipbias.common.files import read_parquet
from clipbias.validate.recipe.recipe import load_recipe
from clipbias.validate.store.layout import SUMS, Cell
from clipbias.validate.store.manifest import read_manifest
from clipbias.validate.store.run_record import COLUMNS, whole_cells

from ..frameworks.others import OURS
from ..log import Log, Series


def logs_of_run(folder: Path) -> tuple[Log, ...]:
    """InputError where the folder is no whole run or its prediction cannot be trusted."""
    cells = whole_cells(folder, load_recipe(folder / "recipe.toml"), read_manifest(folder))
    return tuple(_log(folder, cell) for cell in cells)


def _log(folder: Path, cell: Cell) -> Log:
    """Phase 0 is before the training; the clipped shares are of the tokens of phases 1, 2, …"""
    metrics = read_parquet(cell.part("metrics"))[0].sort_by("phase")
    values = {name: _column(metrics, name) for name in COLUMNS} | _clipped(cell, metrics.num_rows)
    series = {}
    for name, column in values.items():
        held = np.flatnonzero(np.isfinite(column))  # what a phase did not measure is no fault
        if held.size:
            series[name] = Series(name=name, rows=held, values=column[held], meaning=OURS.meaning(name))
    return Log(
        name=f"{folder.name}: {cell.arm.name}, seed {cell.seed}",
        framework=OURS.name,
        steps=_column(metrics, "phase"),
        series=series,
        counted=True,
        settings={
            "updates": float(cell.arm.training(cell.recipe.training).minibatches),
            "clipped": float(cell.arm.clipped),
        },
    )


def _column(table: pa.Table, name: str) -> Array:
    return np.asarray(table[name].cast(pa.float64()).fill_null(np.nan).to_numpy(), dtype=np.float64)


def _clipped(cell: Cell, rows: int) -> dict[str, Array]:
    """Shares of all tokens of a phase that the clip took on each side, [rows], NaN before the first phase."""
    if cell.recipe.recording is None:
        tokens = read_parquet(cell.part("tokens"))[0]
        clipped = np.sign(tokens["clipped"].to_numpy())
        whole, low, high = np.ones(len(clipped)), clipped < 0, clipped > 0
    else:
        tokens = read_parquet(cell.part(SUMS))[0]
        whole, low, high = (tokens[name].to_numpy() for name in ("tokens", "low", "high"))
    phase = tokens["phase"].to_numpy().astype(np.int64)

    def by_phase(values: Array) -> Array:
        return np.asarray(np.bincount(phase, values, rows - 1)[: rows - 1], dtype=np.float64)

    total = by_phase(whole)
    return {
        name: np.concatenate([[np.nan], by_phase(side) / np.where(total > 0, total, np.nan)])
        for name, side in (("clip_low", low), ("clip_high", high))
    }
