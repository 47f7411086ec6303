"""What a cell records, phase by phase: sums beside the rows that they are of, in memory that does not grow."""

import gc
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

from clipbias.audit.read.run_folder import logs_of_run
from clipbias.common.errors import InputError
from clipbias.validate.protocol import run
from clipbias.validate.recipe.recipe import Recipe, RecordingLine, read_recipe
from clipbias.validate.recipe.recipe import recipe_text as recipe_text_of
from clipbias.validate.report.run_page import write_report
from clipbias.validate.store.frozen import freeze
from clipbias.validate.store.layout import Cell
from clipbias.validate.store.run_record import _tokens_of, read_run
from clipbias.validate.train.cell import train_cell
from clipbias.validate.train.record import Record, some_answers

pytestmark = pytest.mark.training


def cell_of(root: Path, recipe: Recipe, answers: float | None = None) -> Cell:
    line = None if answers is None else RecordingLine(answers)
    return Cell(root, replace(recipe, recording=line), recipe.arm[0], seed=1, phases=3, prediction="p")


def test_sums_are_of_all_tokens_and_rows_of_some(tmp_path: Path, recipe_text: str) -> None:
    recipe = read_recipe(recipe_text.replace("3e-4", "3e-3"))
    rows, both, some = (
        cell_of(tmp_path / name, recipe, answers) for name, answers in (("a", None), ("b", 1.0), ("c", 0.3))
    )
    for cell in (rows, both, some):
        train_cell(cell)
    tables = [pq.read_table(cell.part("tokens")) for cell in (rows, both, some)]
    assert tables[1].equals(tables[0])
    metrics = [pq.read_table(cell.part("metrics")).drop_columns("started") for cell in (rows, some)]
    assert metrics[1].equals(metrics[0])
    exact, summed = (_tokens_of([cell], (1,), 2) for cell in (rows, some))
    for name in ("all_tokens", "strategy_token"):
        for side in ("tokens", "low", "high"):
            np.testing.assert_array_equal(getattr(getattr(summed, name), side), getattr(getattr(exact, name), side))
    assert exact.all_tokens.low.sum() + exact.all_tokens.high.sum() > 0
    np.testing.assert_allclose(summed.largest_log_ratio, exact.largest_log_ratio, rtol=0.007, atol=1e-4)
    assert summed.undecided_tokens == pytest.approx(exact.undecided_tokens)
    assert summed.undecided_clipped == pytest.approx(exact.undecided_clipped)

    keys = ["phase", "minibatch", "row"]
    found, whole = (table.group_by(keys).aggregate([([], "count_all")]) for table in (tables[2], tables[0]))
    joined = found.join(whole, keys, right_suffix="_whole", join_type="inner")
    assert joined.num_rows == found.num_rows == 3 * 2 * 1  # of four answers in a mini-batch, 30 %
    assert joined["count_all"].equals(joined["count_all_whole"])  # with all of their tokens
    assert pc.count_distinct(found["row"]).as_py() > 1


def test_no_mini_batch_is_without_an_answer() -> None:
    block = {"row": np.repeat(np.arange(50), 3), "phase": np.full(150, 4), "minibatch": np.full(150, 1)}
    assert len(np.unique(some_answers(block, 1e-6, 1)["row"])) == 1
    assert len(some_answers(block, 0.2, 1)["row"]) == 30
    np.testing.assert_array_equal(some_answers(block, 0.2, 1)["row"], some_answers(block, 0.2, 1)["row"])
    assert (some_answers(block, 0.2, 1)["row"] != some_answers(block, 0.2, 2)["row"]).any()


def test_a_run_whose_tokens_are_summed_goes_to_its_reports(
    tmp_path: Path, recipe_text: str, in_this_process: Callable[[], AbstractContextManager[None]]
) -> None:
    file, folder = tmp_path / "recipe.toml", tmp_path / "run"
    text = recipe_text.replace("= 0.2", "= 0.01") + "\n[recording]\nanswers = 0.5\n"
    file.write_text(text)
    with in_this_process():
        run.start(file, folder)
        run.resume(folder)
    record = read_run(folder)
    write_report([folder], tmp_path / "report.html")
    counts = record.tokens("clip").all_tokens
    clipped = float((counts.low + counts.high).sum() / counts.tokens.sum())
    assert clipped > 0
    logs = [log for log in logs_of_run(folder) if ": clip," in log.name]
    shares = [log.series[name].values for log in logs for name in ("clip_low", "clip_high")]
    assert np.mean([one + other for one, other in zip(shares[::2], shares[1::2], strict=True)]) == pytest.approx(
        clipped, rel=0.2
    )  # a mean over phases, whose answers are of different lengths
    tenths = freeze(folder, tmp_path / "frozen").rows("tenths", arm="clip")
    assert sum(tenths["tokens"].to_pylist()) == counts.tokens.sum()
    assert sum(tenths["low"].to_pylist()) == counts.low.sum()
    kept = pq.read_table(folder / "tokens.parquet" / "arm=clip").num_rows
    assert 0.3 * counts.tokens.sum() < kept < 0.7 * counts.tokens.sum()
    assert read_recipe(recipe_text_of(record.recipe)) == record.recipe


def test_a_share_is_one(recipe_text: str) -> None:
    with pytest.raises(InputError, match=r"recording\.answers must be in \(0, 1\]"):
        read_recipe(recipe_text + "\n[recording]\nanswers = 0\n")


PHASES, EVERY = 50, 10


def test_memory_is_flat_over_fifty_phases(tmp_path: Path, recipe_text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """What Python, NumPy and Arrow hold, looked at every tenth phase. What is forgotten then, a phase's rows among it,
    is seen to be let go; what stays grows by less than a tenth of that a phase: the phase's row of metrics."""
    before: list[int] = []
    after: list[int] = []
    rows: list[int] = []
    forget = Record.forget

    def held() -> int:
        gc.collect()
        return tracemalloc.get_traced_memory()[0] + pa.total_allocated_bytes()

    def watched(self: Record) -> None:
        rows.append(sum(values.nbytes for block in self.tokens for values in block.values()))
        looked = len(rows) % EVERY == 0
        if looked:
            before.append(held())
        forget(self)
        if looked:
            after.append(held())

    monkeypatch.setattr(Record, "forget", watched)
    # the first checkpoint, before the first look, loads what writes it
    text = recipe_text.replace("checkpoint_every = 1", "checkpoint_every = 5") + "\n[recording]\nanswers = 0.1\n"
    recipe = read_recipe(text.replace("group_size = 4", "group_size = 8"))
    tracemalloc.start()
    train_cell(Cell(tmp_path, recipe, recipe.arm[0], seed=1, phases=PHASES, prediction=""))
    tracemalloc.stop()
    assert (len(rows), len(after)) == (PHASES, PHASES // EVERY)
    assert all(one - other > size for one, other, size in zip(before, after, rows[EVERY - 1 :: EVERY], strict=True))
    let_go = np.mean(before) - np.mean(after)
    assert after[-1] - after[0] < 0.1 * (PHASES - EVERY) * let_go
