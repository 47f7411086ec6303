"""The folder of a sweep: sweep.toml, manifest.json, and points.parquet/, a Parquet data set with a file for each point.

A file has one row: the settings, the seed that the engine got, and every quantity of `theory.law.Law` with its
standard error beside it. Files are written whole or not at all, by the one process that holds the folder. None of
them says when, where or by what it was computed: two folders of one sweep are equal byte by byte.
"""

import hashlib
import importlib.metadata
import json
import typing
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from clipbias.common.errors import InputError
from clipbias.common.files import drop_drafts, read_json, read_parquet, replaced, write_json, write_text
from clipbias.theory.estimate import Estimate
from clipbias.theory.law import Law
from clipbias.theory.setup import PROB_THRESHOLDS, QUANTILE_LEVELS

from .point import DEFAULTS, Point

Row = dict[str, Any]
DATA, DESIGN, MANIFEST = "points.parquet", "sweep.toml", "manifest.json"
PACKAGES = ("clipbias", "numpy", "scipy", "numba")  # that numbers depend on
QUANTITIES = (
    *("logit_shift", "prob_shift", "prob_mean", "prob_std", "entropy_shift", "entropy_mean"),
    *("log_odds_shift", "log_odds_mean", "log_odds_std", "clip_low_fraction", "clip_high_fraction"),
)
_TYPES: dict[Any, Any] = {
    int: pa.int64(),
    float: pa.float64(),
    float | None: pa.float64(),
    str | None: pa.string(),
    tuple[float, ...]: pa.list_(pa.float64()),
}


def row(point: Point, law: Law) -> Row:
    """Settings, `stream`, and quantities; one at several levels (a quantile, say) has a column for each."""
    found: dict[str, Estimate] = {name: getattr(law, name) for name in QUANTITIES}
    found |= {f"prob_quantiles_{level:g}": law.quantile(level) for level in QUANTILE_LEVELS}
    found |= {f"prob_above_{prob:g}": law.prob_above(prob) for prob in PROB_THRESHOLDS}
    values: Row = asdict(point) | {"stream": point.stream}
    for name, estimate in found.items():
        values |= {name: estimate.value.tolist(), f"{name}_stderr": estimate.stderr.tolist()}
    return values


def _seal(values: Row) -> str:
    """SHA-256 of a row. (Parquet's own checksums leave headers and names unguarded.)"""
    return hashlib.sha256(json.dumps(values, default=repr).encode()).hexdigest()


def point_file(folder: Path, point: Point) -> Path:
    return folder / DATA / f"{point.digest}.parquet"


def write_point(folder: Path, point: Point, values: Row) -> None:
    """One type a column, whether a clip side is off or not; the seal is in the schema's metadata."""
    hints = typing.get_type_hints(Point)
    types = {name: _TYPES.get(hints.get(name)) for name in values}
    table = pa.table({name: pa.array([value], types[name]) for name, value in values.items()})
    with replaced(point_file(folder, point)) as draft:
        # Dictionaries and statistics are of no use in one row.
        pq.write_table(
            table.replace_schema_metadata({"sha256": _seal(values)}),
            draft,
            use_dictionary=False,
            write_statistics=False,
        )


def is_whole(folder: Path, point: Point) -> bool:
    """Whether the point's file is the point's, as it was written."""
    try:
        table, metadata = read_parquet(point_file(folder, point))
        (values,) = table.to_pylist()
    except ValueError:
        return False
    return metadata.get("sha256") == _seal(values) and values.get("stream") == point.stream


def load(folder: Path) -> pa.Table:
    """All finished points; raises InputError where there are none.

    A setting that clipbias did not have yet when a point was computed is at its default.
    """
    files = sorted((folder / DATA).glob("*.parquet"))
    if not files:
        raise InputError("dir", "the folder of a sweep with a finished point", str(folder))
    try:
        schema = pa.unify_schemas([pq.read_schema(file).remove_metadata() for file in files])
        table = ds.dataset(files, schema=schema, format="parquet").to_table()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise InputError(str(folder / DATA), f"made of whole Parquet files: {str(error).splitlines()[0]}") from None
    hints = typing.get_type_hints(Point)
    for name, default in DEFAULTS.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array([default] * table.num_rows, _TYPES.get(hints[name])))
        elif default is not None:
            table = table.set_column(table.column_names.index(name), name, pc.fill_null(table[name], default))
    return table


def prepare(folder: Path, text: str, points: Sequence[Point]) -> None:
    """Make `folder` that of the sweep file `text`, which may name more points than the folder has, but not fewer.

    Raises InputError where something would be lost or mixed up.
    """
    data, manifest = folder / DATA, folder / MANIFEST
    drop_drafts(folder)
    drop_drafts(data)
    strangers = {path.name for path in folder.iterdir()} - {DATA, DESIGN, MANIFEST}
    if strangers:
        raise InputError("out", f"a new folder or that of a sweep, without {min(strangers)}", str(folder))
    data.mkdir(exist_ok=True)
    stray = {path.name for path in data.iterdir()} - {point_file(folder, point).name for point in points}
    if stray:
        allowed = f"a new folder or one whose points are all in this sweep, not {len(stray)} others"
        raise InputError("out", allowed, str(folder))
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    if any(data.iterdir()):
        _check_versions(manifest, versions)
    write_text(folder / DESIGN, text)
    digest = hashlib.sha256(text.encode()).hexdigest()
    write_json(manifest, {"points": len(points), "sweep_sha256": digest, "versions": versions})


def _check_versions(manifest: Path, versions: dict[str, str]) -> None:
    began = read_json(manifest).get("versions")
    if not isinstance(began, dict):
        raise InputError(str(manifest), "that of a sweep, with its versions")
    for name, version in versions.items():
        if began.get(name) != version:
            allowed = f"{began.get(name)}, with which the sweep was started, to go on with it"
            raise InputError(name, allowed, version)
