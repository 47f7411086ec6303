"""Files that are written whole or not at all, and their hashes."""

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


def read_json(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write_parquet(path: Path, rows: list[dict[str, Any]] | pa.Table, metadata: dict[str, str]) -> None:
    """Write rows with `metadata` (the hash of the prediction, say) in the file's schema."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    with _replaced(path) as draft:
        pq.write_table(table.replace_schema_metadata(metadata), draft, compression="zstd")


def read_metadata(path: Path) -> dict[str, str]:
    return {k.decode(): v.decode() for k, v in (pq.read_schema(path).metadata or {}).items()}


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
    return hashlib.sha256(path.read_bytes()).hexdigest()
