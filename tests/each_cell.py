"""One of several processes that train a cell together: FOLDER/dealt, and FOLDER/trl with TRL's own mini-batches."""

import sys
from pathlib import Path
from unittest.mock import patch

from clipbias.validate.recipe.recipe import load_recipe
from clipbias.validate.store.layout import Cell
from clipbias.validate.train import trainer
from clipbias.validate.train.cell import train_cell

BATCH = 4  # answers drawn together: half of a phase's


def cell_in(folder: Path, name: str) -> Cell:
    recipe = load_recipe(folder / "recipe.toml")
    return Cell(folder / name, recipe, recipe.arm[0], seed=1, phases=2, prediction="p")


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    train_cell(cell_in(folder, "dealt"), BATCH)
    with patch.object(trainer, "dealt", lambda outputs, *_: outputs):
        train_cell(cell_in(folder, "trl"), BATCH)
