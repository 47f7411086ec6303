"""The folder of a sweep: sweep.toml, manifest.json, and points.parquet/, a Parquet data set with a file for each point.

A file has one row: the settings, the seed that the engine got, and every quantity of `tabular.SimulationResult` with
its standard error beside it. Files are written whole or not at all, by the one process that holds the folder. None of
them says when, where or by what it was computed: two folders of one sweep are equal byte by byte.
"""

import fcntl
import hashlib
import importlib.metadata
import json
import os
import typing
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

from clipbias.simulate.compiled.tabular import SimulationResult
from clipbias.simulate.estimate import Estimate

from .design import SweepError
from .point import DEFAULTS, Point

Row = dict[str, Any]
DATA, DESIGN, MANIFEST = "points.parquet", "sweep.toml", "manifest.json"
PACKAGES = ("clipbias", "numpy", "scipy", "numba")  # that numbers depend on
_TYPES: dict[Any, Any] = {
    int: pa.int64(),
    float: pa.float64(),
    float | None: pa.float64(),
    str | None: pa.string(),
    tuple[float, ...]: pa.list_(pa.float64()),
}


def row(point: Point, result: SimulationResult) -> Row:
    """Settings, `stream`, and quantities; one at several levels (a quantile, say) has a column for each."""
    values: Row = asdict(point) | {"stream": point.stream}
    for field in fields(result):
        found = getattr(result, field.name)
        for level, estimate in found.items() if isinstance(found, dict) else [(None, found)]:
            name = field.name if level is None else f"{field.name}_{level:g}"
            assert isinstance(estimate, Estimate)
            values |= {name: estimate.mean.tolist(), f"{name}_stderr": estimate.stderr.tolist()}
    return values


def _seal(values: Row) -> bytes:
    """SHA-256 of a row. (Parquet's own checksums leave headers and names unguarded.)"""
    return hashlib.sha256(json.dumps(values, default=repr).encode()).hexdigest().encode()


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
        with pq.ParquetFile(point_file(folder, point)) as file:
            table = file.read()
        (values,) = table.to_pylist()
    except (OSError, ValueError, pa.ArrowException):
        return False
    sealed = (table.schema.metadata or {}).get(b"sha256") == _seal(values)
    return sealed and values.get("stream") == point.stream


def load(folder: Path) -> pa.Table:
    """All finished points; raises SweepError where there are none.

    A setting that clipbias did not have yet when a point was computed is at its default.
    """
    files = sorted((folder / DATA).glob("*.parquet"))
    if not files:
        raise SweepError(f"dir must be the folder of a sweep with a finished point, got {str(folder)!r}")
    try:
        schema = pa.unify_schemas([pq.read_schema(file).remove_metadata() for file in files])
        table = ds.dataset(files, schema=schema, format="parquet").to_table()
    except (OSError, ValueError, pa.ArrowException) as error:
        raise SweepError(f"{folder / DATA} must hold whole Parquet files: {str(error).splitlines()[0]}") from None
    hints = typing.get_type_hints(Point)
    for name, default in DEFAULTS.items():
        if name not in table.column_names:
            table = table.append_column(name, pa.array([default] * table.num_rows, _TYPES.get(hints[name])))
        elif default is not None:
            table = table.set_column(table.column_names.index(name), name, pc.fill_null(table[name], default))
    return table


@contextmanager
def held(folder: Path) -> Iterator[None]:
    """Create the folder and hold it for this process; the lock dies with its holder, however that ends."""
    folder.mkdir(parents=True, exist_ok=True)
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    except BlockingIOError:
        raise SweepError(f"out must not be in use by another process, got {str(folder)!r}") from None
    finally:
        os.close(handle)


def prepare(folder: Path, text: str, points: Sequence[Point]) -> None:
    """Make `folder` that of the sweep file `text`, which may name more points than the folder has, but not fewer.

    Raises SweepError where something would be lost or mixed up.
    """
    data, manifest = folder / DATA, folder / MANIFEST
    for draft in [*folder.glob(".*.draft"), *data.glob(".*.draft")]:
        draft.unlink()  # of a process that was killed
    strangers = {path.name for path in folder.iterdir()} - {DATA, DESIGN, MANIFEST}
    if strangers:
        raise SweepError(f"out must be a new folder or that of a sweep, got {str(folder)!r} with {min(strangers)}")
    data.mkdir(exist_ok=True)
    stray = {path.name for path in data.iterdir()} - {point_file(folder, point).name for point in points}
    if stray:
        raise SweepError(
            f"out must be a new folder or one whose points are all in this sweep, got {str(folder)!r}, which has"
            f" {len(stray)} others"
        )
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    if any(data.iterdir()):
        _check_versions(manifest, versions)
    with replaced(folder / DESIGN) as draft:
        draft.write_text(text, encoding="utf-8")
    digest = hashlib.sha256(text.encode()).hexdigest()
    value = {"points": len(points), "sweep_sha256": digest, "versions": versions}
    with replaced(manifest) as draft:
        draft.write_text(json.dumps(value, indent=1) + "\n", encoding="utf-8")


def _check_versions(manifest: Path, versions: dict[str, str]) -> None:
    try:
        began = json.loads(manifest.read_text(encoding="utf-8"))["versions"]
    except (OSError, ValueError, LookupError, TypeError):
        raise SweepError(f"out must be a new folder or that of a sweep; {manifest} cannot be read") from None
    for name, version in versions.items():
        if began.get(name) != version:
            raise SweepError(
                f"{name} must be {began.get(name)}, with which the sweep was started, to go on with it; got {version}"
            )


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a sibling to write to; it takes `path`'s place only if the block ends well."""
    draft = path.with_name(f".{path.name}.draft")  # hidden from readers of the data set
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)
