"""Files whole or not at all; locks."""

from pathlib import Path

import pyarrow.parquet as pq
import pytest

from clipbias.common import files
from clipbias.common.errors import InputError
from clipbias.common.files import (
    drop_drafts,
    join_parquet,
    locked,
    read_json,
    read_parquet,
    replaced,
    write_parquet,
    written_folder,
)

pytestmark = pytest.mark.fast


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "new" / "file.txt"
    with replaced(path) as draft:
        draft.write_text("one")
        assert not path.exists()
    with pytest.raises(TypeError), replaced(path) as draft:
        draft.write_text(2)  # type: ignore[arg-type]
    assert path.read_text() == "one"
    assert [file.name for file in path.parent.iterdir()] == ["file.txt"]


def test_a_folder_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "folder"
    with written_folder(path) as draft:
        (draft / "a").write_text("one")
    with pytest.raises(RuntimeError), written_folder(path) as draft:
        raise RuntimeError
    assert (path / "a").read_text() == "one"
    assert list(tmp_path.iterdir()) == [path]


def test_what_a_killed_writer_left_is_dropped(tmp_path: Path) -> None:
    (tmp_path / ".file.txt.123.draft").write_text("")
    (tmp_path / "file.txt").write_text("")
    drop_drafts(tmp_path)
    assert [file.name for file in tmp_path.iterdir()] == ["file.txt"]


def test_one_holder_at_a_time_and_no_file_is_left(tmp_path: Path) -> None:
    refused = pytest.raises(InputError, match=r"^out must be .*not in use by another process")
    with locked(tmp_path), refused, locked(tmp_path, "out"):
        pass
    with locked(tmp_path):
        assert list(tmp_path.iterdir()) == []


def test_json_that_is_no_object_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_text("[")
    (tmp_path / "b.json").write_text("[]")
    for name, words in (("a.json", "must be valid JSON"), ("b.json", "must be a JSON object, got 'list'")):
        with pytest.raises(InputError, match=words):
            read_json(tmp_path / name)


def test_parts_of_a_table_are_joined(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """To the bytes that one writing makes; or in groups of rows, none of which is larger than it takes."""
    rows = [{"n": i, "text": None if i < 5 else f"{i % 3}"} for i in range(17)]
    parts = [tmp_path / f"{first}.parquet" for first in range(0, 17, 5)]
    for first, part in zip(range(0, 17, 5), parts, strict=True):
        write_parquet(part, rows[first : first + 5], {})
    write_parquet(tmp_path / "once", rows, {"a": "b"})
    join_parquet(parts, tmp_path / "joined", {"a": "b"})
    assert (tmp_path / "joined").read_bytes() == (tmp_path / "once").read_bytes()
    monkeypatch.setattr(files, "ROWS", 8)
    join_parquet(parts, tmp_path / "groups", {"a": "b"})
    table, metadata = read_parquet(tmp_path / "groups")
    assert (table.to_pylist(), metadata) == (rows, {"a": "b"})
    groups = pq.ParquetFile(tmp_path / "groups").metadata
    assert [groups.row_group(i).num_rows for i in range(groups.num_row_groups)] == [10, 7]
