"""What is kept of a finished run: a folder of small files from which every table and figure of the suite is made.

    recipe.toml  prediction.json  manifest.json    as in the run (the manifest without the cells' hashes)
    spec.toml           an organism's, as it was pretrained from
    curves.parquet      every column of metrics.parquet, one row for each arm, seed and phase
    answers.parquet     held-out problems: counts of answers by arm, seed, style, strategy, right and boxed; seed −1 is
                        the untrained model
    switches.parquet    how strategies changed between the untrained model's answers and the trained one's
    tenths.parquet      `tokens.tenth_counts`
    credit.parquet      advantages of right and wrong answers
    weights.parquet     SHA-256 of the weights before and after, by arm and seed

Frozen once: a folder that is there is never written again.
"""

import shutil
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, read_parquet, sha256, write_json, write_parquet, written_folder
from clipbias.validate.model.locate import model_folder
from clipbias.validate.organism.spec import OrganismSpec, load_spec
from clipbias.validate.predict.token_law import tenth_counts
from clipbias.validate.recipe.recipe import Recipe, load_recipe

from .layout import EVALUATION, Cell, arm_cells, arm_seeds, read_cells, untrained_file
from .manifest import check_cells, checked_prediction, read_manifest
from .run_record import COLUMNS, check_order

UNTRAINED = -1
SPEC = "spec.toml"
TABLES = ("curves", "answers", "switches", "tenths", "credit", "weights")
ASKED = ("answers", "switches")  # only where there is an evaluation
WRITTEN = ("seeds", "recipe_sha256", "model_sha256", "prediction_sha256", "prediction_written")  # in a manifest


def _labelled(rows: pa.Table, cell: Cell) -> pa.Table:
    count = rows.num_rows
    return rows.append_column("arm", pa.array([cell.arm.name] * count)).append_column(
        "seed", pa.array(np.full(count, cell.seed, np.int64))
    )


def _counts(table: pa.Table) -> pa.Table:
    """Answers by style, strategy, right and boxed."""
    keys = ["style", "uses_strategy", "correct", "boxed"]
    return table.group_by(keys).aggregate([([], "count_all")])


def _switches(before: pa.Table, after: pa.Table) -> pa.Table:
    """By style and by strategy before and after: pairs of answers to one problem (same problem, same sample number) and
    how many of each side were right."""
    keys = ["style", "problem", "sample"]
    columns = [*keys, "uses_strategy", "correct"]
    joined = before.select(columns).join(after.select(columns), keys, right_suffix="_after", join_type="inner")
    return joined.group_by(["style", "uses_strategy", "uses_strategy_after"]).aggregate(
        [([], "count_all"), ("correct", "sum"), ("correct_after", "sum")]
    )


def _credit(samples: pa.Table) -> pa.Table:
    """By right or wrong: answers, sum and sum of squares of their advantages, and how many were praised and blamed."""
    advantage = samples["advantage"]
    table = pa.table(
        {
            "correct": samples["correct"],
            "advantage": advantage,
            "square": pc.multiply(advantage, advantage),
            "praised": pc.cast(pc.greater(advantage, 0), pa.int64()),
            "blamed": pc.cast(pc.less(advantage, 0), pa.int64()),
        }
    )
    sums = [("advantage", "sum"), ("square", "sum"), ("praised", "sum"), ("blamed", "sum")]
    return table.group_by(["correct"]).aggregate([([], "count_all"), *sums])


def freeze(run: Path, out: Path) -> None:
    """Write `out` from a run that is complete and as it was trained."""
    recipe, manifest, digest = load_recipe(run / "recipe.toml"), read_manifest(run), checked_prediction(run)
    cells = arm_cells(run, recipe, digest)
    if manifest["status"] != "complete" or not all(cell.part(kind).is_file() for cell in cells for kind in cell.kinds):
        raise InputError(f"{run} must be finished to be frozen, it is {manifest['status']}")
    check_cells(run, manifest)
    check_order(run, cells, str(manifest["prediction_written"]))
    parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    if recipe.evaluation is not None:
        before = read_parquet(untrained_file(run))[0]
        counts = _counts(before)
        names = pa.array(["untrained"] * counts.num_rows)
        seeds = pa.array(np.full(counts.num_rows, UNTRAINED, np.int64))
        parts["answers"].append(counts.append_column("arm", names).append_column("seed", seeds))
    for cell in cells:
        for kind, summarised in (("metrics", "curves"), ("samples", "credit")):
            table = read_cells([cell], kind).drop_columns(["seed"])
            parts[summarised].append(_labelled(_credit(table) if kind == "samples" else table, cell))
        parts["tenths"].append(_labelled(tenth_counts(read_cells([cell], "tokens"), cell), cell))
        if recipe.evaluation is not None:
            after = read_cells([cell], EVALUATION).drop_columns(["seed"])
            parts["answers"].append(_labelled(_counts(after), cell))
            parts["switches"].append(_labelled(_switches(before, after), cell))
        hashes = read_parquet(cell.part("metrics"))[1]
        weights = {key: [hashes[key]] for key in ("weights_before", "weights_after")}
        parts["weights"].append(_labelled(pa.table(weights), cell))
    with written_folder(out) as folder:
        for name, tables in parts.items():
            if tables:
                write_parquet(folder / f"{name}.parquet", pa.concat_tables(tables, promote_options="default"), {})
        for name in ("recipe.toml", "prediction.json"):
            shutil.copyfile(run / name, folder / name)
        if SPEC in manifest["model_sha256"]:
            shutil.copyfile(model_folder(recipe.model) / SPEC, folder / SPEC)
            if sha256(folder / SPEC) != manifest["model_sha256"][SPEC]:
                raise InputError(f"{model_folder(recipe.model) / SPEC} must be as it was trained from")
        kept = {key: value for key, value in manifest.items() if key != "cells_sha256"}
        hashes = {f"{name}.parquet": sha256(folder / f"{name}.parquet") for name, tables in parts.items() if tables}
        write_json(folder / "manifest.json", kept | {"frozen_sha256": hashes})


@dataclass(frozen=True, slots=True)
class FrozenArm:
    """curves [seeds, phases + 1] by column, NaN where nothing was measured."""

    curves: dict[str, NDArray[np.float64]]


@dataclass(frozen=True, slots=True)
class Frozen:
    """name: of the experiment, its folder's. spec: of an organism. tables: those of `freeze` but the curves, which
    `arms` has."""

    name: str
    recipe: Recipe
    spec: OrganismSpec | None
    prediction: dict[str, Any]
    manifest: dict[str, Any]
    seeds: tuple[int, ...]
    arms: dict[str, FrozenArm]
    tables: dict[str, pa.Table]

    @property
    def organism(self) -> str:
        return Path(self.recipe.model.organism or self.recipe.model.path or "").stem

    def rows(self, table: str, **values: Any) -> pa.Table:
        """The rows of a table in which the named columns have these values."""
        found = self.tables[table]
        for name, value in values.items():
            found = found.filter(pc.equal(found[name], value))
        return found


def read_frozen(folder: Path) -> Frozen:
    recipe, manifest = load_recipe(folder / "recipe.toml"), read_json(folder / "manifest.json")
    known = {*WRITTEN, *(f"{name}.parquet" for name in TABLES if recipe.evaluation or name not in ASKED)}
    if manifest.get("status") != "complete" or not known <= manifest.keys() | manifest.get("frozen_sha256", {}).keys():
        raise InputError(f"{folder / 'manifest.json'} must be as it was frozen, something is missing")
    for name, digest in manifest["frozen_sha256"].items():
        if sha256(folder / name) != digest:
            raise InputError(f"{folder / name} must be as it was frozen, it was changed afterwards")
    expected = {"recipe.toml": manifest["recipe_sha256"], "prediction.json": manifest["prediction_sha256"]}
    expected |= {name: digest for name, digest in manifest["model_sha256"].items() if name == SPEC}
    for name, digest in expected.items():
        if sha256(folder / name) != digest:
            raise InputError(f"{folder / name} must be as it was frozen, it was changed afterwards")
    if manifest["seeds"] != arm_seeds(manifest["prediction_sha256"], recipe.seeds):
        raise InputError(f"{folder / 'manifest.json'} must be as it was frozen, its seeds are not the prediction's")
    tables = {name.removesuffix(".parquet"): pq.read_table(folder / name) for name in manifest["frozen_sha256"]}
    first = min(filter(None, tables["curves"]["started"].to_pylist()))
    if datetime.fromisoformat(first) < datetime.fromisoformat(manifest["prediction_written"]):
        raise InputError(f"{folder} must hold a prediction older than its cells; the first was started {first}")
    seeds = tuple(sorted(manifest["seeds"]))
    curves = tables.pop("curves").sort_by([("seed", "ascending"), ("phase", "ascending")])
    arms = {}
    for arm in recipe.arm:
        rows = curves.filter(pc.equal(curves["arm"], arm.name))
        shape = (len(seeds), arm.training(recipe.training).phases + 1)
        columns = {n: rows[n].cast(pa.float64()).fill_null(np.nan).to_numpy().reshape(shape) for n in COLUMNS}
        arms[arm.name] = FrozenArm(columns)
    prediction = read_json(folder / "prediction.json")
    spec = load_spec(folder / SPEC) if SPEC in expected else None
    return Frozen(folder.name, recipe, spec, prediction, manifest, seeds, arms, tables)
