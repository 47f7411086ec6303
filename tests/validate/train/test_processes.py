"""A cell that two processes train together, by gloo and DDP, is the one that a single process trains."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from each_cell import BATCH, cell_in

from clipbias.validate.train.cell import train_cell

pytestmark = pytest.mark.training
TESTS = Path(__file__).parents[2]


def test_two_processes_train_the_phase_of_one(tmp_path: Path, recipe_text: str) -> None:
    """The same answers in the same places of the same mini-batches; numbers to rounding, which depends on how wide a
    part is padded. TRL's own mini-batches are others, which would be seen."""
    text = recipe_text.replace("3e-4", "0.1").replace("[pilot]", 'optimizer = "sgd:momentum=0.5"\n\n[pilot]')
    (tmp_path / "recipe.toml").write_text(text + "\n[recording]\nanswers = 1\n")
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [*launch, str(TESTS / "each_cell.py"), str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    train_cell(cell_in(tmp_path, "one"), BATCH)

    def read(name: str, kind: str) -> pa.Table:
        return pq.read_table(cell_in(tmp_path, name).part(kind))

    one, two, other = (read(name, "tokens") for name in ("one", "dealt", "trl"))
    exact = ["phase", "minibatch", "row", "position", "token", "clipped"]
    assert two.select(exact).equals(one.select(exact))
    assert not other.select(exact).equals(one.select(exact))
    assert np.abs(one["log_ratio"].to_numpy()).max() > 0.01
    for name in ("old_log_prob", "log_ratio", "advantage"):
        np.testing.assert_allclose(two[name].to_numpy(), one[name].to_numpy(), atol=1e-5, err_msg=name)
    drop = ["advantage"]
    assert read("dealt", "samples").drop_columns(drop).equals(read("one", "samples").drop_columns(drop))
    for kind, left_out in (("metrics", ["started"]), ("sums", [])):
        mine, theirs = (read(name, kind).drop_columns(left_out) for name in ("dealt", "one"))
        assert mine.column_names == theirs.column_names
        for name in mine.column_names:
            if name.endswith(("_bins", "_counts")):  # a ratio may lie on either side of an edge
                continue
            values = [np.array(table[name].to_pylist(), dtype=float) for table in (mine, theirs)]
            np.testing.assert_allclose(*values, rtol=1e-3, atol=1e-5, err_msg=name)
