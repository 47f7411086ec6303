"""Files that are written whole or not at all, their hashes, and complaints that name them."""

import fcntl
import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from .errors import InputError, check


def _draft(path: Path) -> Path:
    """This process's own; hidden from readers of a data set."""
    return path.with_name(f".{path.name}.{os.getpid()}.draft")


def drop_drafts(folder: Path) -> None:
    """Delete what processes that were killed left half written; only for who holds the folder."""
    for draft in folder.glob(".*.draft"):
        draft.unlink()


@contextmanager
def replaced(path: Path) -> Iterator[Path]:
    """Yield a sibling to write to; it takes `path`'s place only if the block ends well."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = _draft(path)
    try:
        yield draft
        os.replace(draft, path)
    finally:
        draft.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    with replaced(path) as draft:
        draft.write_text(text, encoding="utf-8")


def write_json(path: Path, value: Any) -> None:
    write_text(path, json_text(value))


def json_text(value: Any) -> str:
    """As every JSON file of ours is written; hashes are of its bytes."""
    return json.dumps(value, indent=1, allow_nan=False) + "\n"


def read_text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(str(path), f"UTF-8 text: {error}") from None


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file."""
    try:
        value = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise InputError(str(path), f"valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InputError(str(path), "a JSON object", type(value).__name__)
    return value


def write_parquet(path: Path, rows: list[dict[str, Any]] | pa.Table, metadata: dict[str, str]) -> None:
    """Write rows with `metadata` (the hash of the prediction, say) in the file's schema."""
    table = rows if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows)
    with replaced(path) as draft:
        pq.write_table(table.replace_schema_metadata(metadata), draft, compression="zstd")


ROWS = 1 << 20  # of a row group


def join_parquet(parts: Sequence[Path], path: Path, metadata: dict[str, str]) -> None:
    """Write the rows of several files as one, in memory for about `ROWS` of them; fewer than that are the same bytes as
    if they had been written at once. A column that is null throughout a part takes the type that it has elsewhere."""
    schema = pa.unify_schemas([pq.read_schema(part) for part in parts]).with_metadata(metadata)
    with replaced(path) as draft, pq.ParquetWriter(draft, schema, compression="zstd") as writer:
        held: list[pa.Table] = []
        for i, part in enumerate(parts):
            held.append(read_parquet(part)[0].cast(schema))
            if i + 1 == len(parts) or sum(table.num_rows for table in held) >= ROWS:
                writer.write_table(pa.concat_tables(held).combine_chunks())
                held = []


def read_parquet(path: Path) -> tuple[pa.Table, dict[str, str]]:
    """One file's table and the metadata it was written with."""
    try:
        with pq.ParquetFile(path) as file:
            table = file.read()
    except (OSError, pa.ArrowException) as error:
        raise InputError(str(path), f"a whole Parquet file: {str(error).splitlines()[0]}") from None
    return table, {k.decode(): v.decode() for k, v in (table.schema.metadata or {}).items()}


@contextmanager
def locked(folder: Path, field: str = "dir") -> Iterator[None]:
    """Hold the folder for this process; the lock dies with its holder, however that ends, and leaves no file.

    field: what the user called the folder.
    """
    handle = os.open(folder, os.O_RDONLY)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise InputError(field, "a folder that is not in use by another process", str(folder)) from None
        yield
    finally:
        os.close(handle)


def check_new_folder(path: Path) -> None:
    """Raise InputError unless nothing would be lost by writing the folder `path`."""
    free = not path.exists() or (path.is_dir() and not any(path.iterdir()))
    check(free, "out", "a new or empty folder", str(path))


@contextmanager
def written_folder(path: Path) -> Iterator[Path]:
    """Yield a new folder beside `path` that becomes `path`, replacing any old one, if the block ends well."""
    draft = _draft(path)
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


def cache_folder() -> Path:
    """Where what can be made again is kept, by the XDG base directory specification."""
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if base.startswith("/") else Path.home() / ".cache") / "clipbias"
