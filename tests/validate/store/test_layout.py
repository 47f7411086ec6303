"""Cells read together."""

from pathlib import Path

from clipbias.common.files import write_parquet
from clipbias.validate.recipe.recipe import read_recipe
from clipbias.validate.store.layout import Cell, read_cells


def test_a_column_may_be_null_throughout_one_cell(tmp_path: Path, recipe_text: str) -> None:
    """A model that never used the strategy in one of two seeds has no accuracy with it there."""
    recipe = read_recipe(recipe_text)
    cells = [Cell(tmp_path, recipe, recipe.arm[0], seed, phases=2, prediction="p") for seed in (1, 2)]
    for cell, value in zip(cells, (None, 0.5), strict=True):
        write_parquet(cell.part("metrics"), [{"phase": phase, "accuracy": value} for phase in range(2)], cell.metadata)
    found = read_cells(cells, "metrics")
    assert found["accuracy"].to_pylist() == [None, None, 0.5, 0.5]
    assert found["seed"].to_pylist() == [1, 1, 2, 2]
