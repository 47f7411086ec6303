"""Files that are written whole or not at all, their hashes, and complaints that name them."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import InputError, check


@contextmanager
def _replaced(path: Path) -> Iterator[Path]:
    """Yield a sibling to write to; it takes `path`'s place only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with _replaced(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json.dumps(value, indent=1, allow_nan=False) + "\n")


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{path} must be UTF-8 text: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(f"{path} must be valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(f"{path} must hold a JSON object, got {type(value).__name__}")
    return value


def write_parquet(path: Path, rows: list[dict[str, Any]] | pa.Table, metadata: dict[str, str]) -> None:
    """Write rows with `metadata` (the hash of the prediction, say) in the file's schema."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    with _replaced(path) as draft:
        pq.write_table(table.replace_schema_metadata(metadata), draft, compression="zstd")


def read_parquet(path: Path) -> tuple[pa.Table, dict[str, str]]:
    """One file's table and the metadata it was written with."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise InputError(f"{path} must be a whole Parquet file: {str(error).splitlines()[0]}") from None
    return table, {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder for this process; the lock dies with its holder, however that ends."""
    with (folder / ".lock").open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(f"dir must not be in use by another process, got {str(folder)!r}") from None
        yield


def check_new_folder(path: Path) -> None:
    """Raise InputError unless nothing would be lost by writing the folder `path`."""
    free = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    check(free, "out", "a new or empty folder", str(path))


@contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path` that becomes `path`, replacing any old one, if the block ends well."""
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    shutil.rmtree(draft, ignore_errors=True)
    draft.mkdir(parents=True)
    try:
        yield draft
        shutil.rmtree(path, ignore_errors=True)
        os.replace(draft, path)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
