"""TRL's completions (Parquet): each answer's problem and rewards, for intervals over problems."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from clipbias.common.errors import InputError, check

from ..log import Answers, Log
from .rows import MOST_NAMES

MOST_ANSWERS = 500_000
LARGEST = 500_000_000  # bytes of the columns that are read, unpacked
NOT_REWARDS = ("step", "advantage")


def log_of_completions(paths: list[Path], name: str) -> Log:
    """All files of a run as one log without series; a problem is its prompt's text."""
    problems: list[str] = []
    scores: dict[str, list[np.ndarray]] = {}
    for path in paths:
        table = _table(path)
        prompts = table["prompt"].to_pylist()
        problems += [str(prompt)[:4000] for prompt in prompts]
        for column in table.column_names:
            if column != "prompt":
                scores.setdefault(column, []).append(table[column].cast(pa.float64()).fill_null(np.nan).to_numpy())
        if len(problems) > MOST_ANSWERS:
            break
    whole = {column: np.concatenate(parts) for column, parts in scores.items() if len(parts) == len(paths)}
    answers = Answers(problems=tuple(problems), scores={c: v for c, v in whole.items() if len(v) == len(problems)})
    return Log(name=name, framework="trl", steps=np.empty(0), series={}, answers=answers)


def _table(path: Path) -> pa.Table:
    try:
        with pq.ParquetFile(path) as file:
            schema = file.schema_arrow
            numbers = [
                field.name
                for field in schema
                if (pa.types.is_floating(field.type) or pa.types.is_integer(field.type))
                and field.name not in NOT_REWARDS
            ]
            check(
                "prompt" in schema.names and bool(numbers),
                str(path),
                "a table of completions: prompt and rewards",
                schema.names[:20],
            )
            check(
                len(schema.names) <= MOST_NAMES,
                str(path),
                f"a table of at most {MOST_NAMES} columns",
                len(schema.names),
            )
            groups = [file.metadata.row_group(i) for i in range(min(file.metadata.num_row_groups, 10_000))]
            read = ("prompt", *numbers)
            size = sum(
                group.column(i).total_uncompressed_size
                for group in groups
                for i in range(group.num_columns)
                if group.column(i).path_in_schema.partition(".")[0] in read
            )
            allowed = file.metadata.num_rows <= MOST_ANSWERS and size <= LARGEST
            check(
                allowed, str(path), f"at most {MOST_ANSWERS} answers of {LARGEST // 10**6} MB", file.metadata.num_rows
            )
            return file.read(columns=list(read))
    except (OSError, pa.ArrowException) as error:
        raise InputError(str(path), f"a whole Parquet file: {str(error).splitlines()[0]}") from None
