"""What is kept of a cell when a run is frozen: counts and sums, from which every figure of the suite is made."""

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from .layout import Cell


def labelled(rows: pa.Table, arm: str, seed: int) -> pa.Table:
    """The rows with the columns arm and seed."""
    count = rows.num_rows
    return rows.append_column("arm", pa.array([arm] * count)).append_column(
        "seed", pa.array(np.full(count, seed, np.int64))
    )


def of_cell(rows: pa.Table, cell: Cell) -> pa.Table:
    return labelled(rows, cell.arm.name, cell.seed)


def answer_counts(table: pa.Table) -> pa.Table:
    """Answers by style, strategy, right and boxed."""
    keys = ["style", "uses_strategy", "correct", "boxed"]
    return table.group_by(keys).aggregate([([], "count_all")])


def switch_counts(before: pa.Table, after: pa.Table) -> pa.Table:
    """By style and by strategy before and after: pairs of answers to one problem (same problem, same sample number) and
    how many of each side were right."""
    keys = ["style", "problem", "sample"]
    columns = [*keys, "uses_strategy", "correct"]
    joined = before.select(columns).join(after.select(columns), keys, right_suffix="_after", join_type="inner")
    return joined.group_by(["style", "uses_strategy", "uses_strategy_after"]).aggregate(
        [([], "count_all"), ("correct", "sum"), ("correct_after", "sum")]
    )


def credit_sums(samples: pa.Table) -> pa.Table:
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
