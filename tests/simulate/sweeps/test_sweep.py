"""A sweep's folder: what is in it, and what happens when it is taken up again."""

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from clipbias.common.errors import InputError
from clipbias.common.files import locked
from clipbias.common.progress import shown_by
from clipbias.simulate.compiled.tabular import simulate
from clipbias.simulate.sweeps.columns import where
from clipbias.simulate.sweeps.dataset import DATA, _seal, is_whole, load, point_file
from clipbias.simulate.sweeps.design import read_design
from clipbias.simulate.sweeps.sweep import Summary, run_sweep


def contents(folder: Path) -> dict[str, bytes]:
    """Every file, hidden ones too."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_row_is_a_call_of_the_simulator(sweep_text: str, here, tmp_path: Path) -> None:
    assert run_sweep(sweep_text, tmp_path / "a", here) == Summary(6, 0, 6, 0)
    rows = {(row["clip_low"], row["clip_high"]): row for row in load(tmp_path / "a").to_pylist()}
    assert len(rows) == 6
    for point in read_design(sweep_text):
        row = rows[point.clip_low, point.clip_high]
        result = simulate((0.65, 0.35), point.config(), 1, 200, row["stream"])
        assert row["probs"] == [0.65, 0.35]
        assert row["entropy_shift"] == result.entropy_shift.value
        assert row["entropy_shift_stderr"] == result.entropy_shift.stderr
        assert row["clip_high_fraction"] == result.clip_high_fraction.value.tolist()
        assert row["prob_quantiles_0.05"] == result.quantile(0.05).value.tolist()
        assert row["prob_above_0.9_stderr"] == result.prob_above(0.9).stderr.tolist()
    assert np.unique([row["entropy_shift"] for row in rows.values()]).size == 6


def test_the_data_set_is_one_table_for_others_too(sweep_text: str, here, tmp_path: Path) -> None:
    run_sweep(sweep_text, tmp_path, here)
    table = ds.dataset(tmp_path / "points.parquet").to_table()
    assert table.num_rows == 6
    assert table["clip_low"].null_count == 2
    manifest = json.loads((tmp_path / "manifest.json").read_text())
    assert manifest["points"] == 6
    assert {"clipbias", "numpy", "numba"} < set(manifest["versions"])
    assert (tmp_path / "sweep.toml").read_text() == sweep_text


def test_finished_points_are_not_computed_again(sweep_text: str, here, tmp_path: Path) -> None:
    def stops(points):
        yield from list(here(points))[:2]
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run_sweep(sweep_text, tmp_path / "a", stops)
    here.asked.clear()
    seen: list[tuple[int, int]] = []

    @contextmanager
    def bar(text: str, total: int) -> Iterator[Callable[[int], None]]:
        yield lambda done: seen.append((done, total))

    with shown_by(bar):
        assert run_sweep(sweep_text, tmp_path / "a", here) == Summary(6, 2, 4, 0)
    assert len(here.asked) == 4
    assert seen == [(1, 4), (2, 4), (3, 4), (4, 4)]
    run_sweep(sweep_text, tmp_path / "b", here)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")


def test_damaged_files_are_found_and_computed_again(sweep_text: str, here, tmp_path: Path) -> None:
    """Cut short, empty, another point's, and what a killed writer leaves behind."""
    run_sweep(sweep_text, tmp_path, here)
    whole = contents(tmp_path)
    cut, empty, foreign, kept, *_ = sorted((tmp_path / "points.parquet").iterdir())
    cut.write_bytes(cut.read_bytes()[:-100])
    empty.write_bytes(b"")
    foreign.write_bytes(kept.read_bytes())
    kept.with_name(f".{kept.name}.draft").write_bytes(b"PAR1")
    (tmp_path / ".manifest.json.draft").write_bytes(b"{")
    assert run_sweep(sweep_text, tmp_path, here) == Summary(6, 3, 3, 3)
    assert contents(tmp_path) == whole


def test_a_changed_byte_is_found_or_changes_nothing(sweep_text: str, here, tmp_path: Path) -> None:
    """Every 53rd byte of a file."""
    point = read_design(sweep_text)[0]
    run_sweep(sweep_text, tmp_path, here)
    path = point_file(tmp_path, point)
    good, table = path.read_bytes(), ds.dataset(path).to_table().to_pylist()
    found = 0
    for at in range(0, len(good), 53):
        path.write_bytes(good[:at] + bytes([good[at] ^ 0x10]) + good[at + 1 :])
        if is_whole(tmp_path, point):
            assert ds.dataset(path).to_table().to_pylist() == table, at
        else:
            found += 1
    assert found > len(good) / 53 / 2


def test_a_sweep_may_get_more_points_but_not_lose_any(sweep_text: str, here, tmp_path: Path) -> None:
    more = sweep_text.replace("[0.2, 0.28]", "[0.2, 0.28, 0.3]")
    run_sweep(sweep_text, tmp_path / "a", here)
    assert run_sweep(more, tmp_path / "a", here) == Summary(9, 6, 3, 0)
    run_sweep(more, tmp_path / "b", here)
    assert contents(tmp_path / "a") == contents(tmp_path / "b")
    before = contents(tmp_path / "a")
    for text in (sweep_text, more.replace("learning_rate = 1.0", "learning_rate = 2.0")):
        with pytest.raises(InputError, match=r"^out must be a new folder or one whose points are all in this sweep"):
            run_sweep(text, tmp_path / "a", here)
    assert contents(tmp_path / "a") == before


def test_folders_that_are_refused(sweep_text: str, here, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"^out must be a new folder or that of a sweep, without thesis.tex"):
        run_sweep(sweep_text, other, here)
    assert contents(other) == {"thesis.tex": b""}
    run_sweep(sweep_text, tmp_path / "a", here)
    with (
        locked(tmp_path / "a"),
        pytest.raises(InputError, match=r"^out must be a folder that is not in use by another process"),
    ):
        run_sweep(sweep_text, tmp_path / "a", here)
    manifest = tmp_path / "a" / "manifest.json"
    found = json.loads(manifest.read_text())
    manifest.write_text(json.dumps(found | {"versions": found["versions"] | {"numba": "0.1"}}))
    with pytest.raises(InputError, match=r"^numba must be 0.1, with which the sweep was started"):
        run_sweep(sweep_text, tmp_path / "a", here)
    manifest.write_text("[")
    with pytest.raises(InputError, match=r"manifest.json must be valid JSON"):
        run_sweep(sweep_text, tmp_path / "a", here)


def test_nothing_is_computed_or_written_where_one_point_is_wrong(sweep_text: str, here, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"^grid.clip_high must be positive and finite, or none, got -1.0"):
        run_sweep(sweep_text.replace("0.28", "-1"), tmp_path / "a", here)
    assert here.asked == []
    assert not (tmp_path / "a").exists()


def test_points_of_before_a_setting_are_at_its_default_and_are_kept(sweep_text: str, here, tmp_path: Path) -> None:
    run_sweep(sweep_text, tmp_path, here)
    whole = load(tmp_path)
    for file in sorted((tmp_path / DATA).glob("*.parquet"))[::2]:  # as an earlier clipbias would have written them
        table = pq.read_table(file).drop_columns(["optimizer", "epochs", "max_grad_norm", "surrogate"])
        (values,) = table.to_pylist()
        pq.write_table(table.replace_schema_metadata({"sha256": _seal(values)}), file)
    old = load(tmp_path)
    assert old.select(whole.column_names).equals(whole.replace_schema_metadata(None))
    assert where(old, "optimizer", "sgd", "--where").num_rows == whole.num_rows
    asked = len(here.asked)
    assert run_sweep(sweep_text, tmp_path, here) == Summary(6, 6, 0, 0)
    assert len(here.asked) == asked
