"""Where a run keeps things: its cells (one arm, one seed) and their files."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from clipbias.common.errors import InputError
from clipbias.common.files import read_parquet, sha256
from clipbias.common.seeds import seeds_of_hash
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.pilots import pilot_arms
from clipbias.validate.recipe.recipe import Recipe

PILOT_SEEDS_FROM = 1_000_001
KINDS = ("metrics", "tokens", "samples")
EVALUATION = "evaluation"
SUMS = "sums"
FORECAST = "forecast.json"
OBSERVED = "observed/"  # before the names of observables among the columns of metrics
ARM_SEEDS_FROM = 2**30  # above all seeds of pilots, so that no draw is used twice


@dataclass(frozen=True, slots=True)
class Cell:
    """root is the run folder (or its pilot/); prediction is the SHA-256 of what was predicted, "" for a pilot."""

    root: Path
    recipe: Recipe
    arm: Arm
    seed: int
    phases: int
    prediction: str

    def part(self, kind: str) -> Path:
        """The cell's file in the Parquet data set `kind` (metrics, tokens, samples, sums or evaluation)."""
        return self.root / f"{kind}.parquet" / f"arm={self.arm.name}" / f"seed={self.seed}" / "part-0.parquet"

    @property
    def kinds(self) -> tuple[str, ...]:
        """Its files; the pilot is not evaluated."""
        asked = (EVALUATION,) if self.recipe.evaluation and self.prediction else ()
        return (*KINDS, *((SUMS,) if self.recipe.recording else ()), *asked)

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints" / f"arm={self.arm.name}" / f"seed={self.seed}"

    @property
    def done(self) -> bool:
        return self.part("metrics").is_file()  # written last

    @property
    def metadata(self) -> dict[str, str]:
        """What each of the cell's files says about itself."""
        return {"prediction_sha256": self.prediction, "arm": self.arm.name, "seed": str(self.seed)}


def arm_seeds(prediction: str, count: int) -> list[int]:
    """`count` distinct seeds that the SHA-256 of the prediction decides.

    Training is deterministic: with fixed seeds whoever changes the predictor, the recipe or the model could do so
    knowing the outcomes. So every prediction meets outcomes that nobody has seen; the same one always meets the same.
    """
    return seeds_of_hash(prediction, count, ARM_SEEDS_FROM)


def pilot_cells(folder: Path, recipe: Recipe) -> list[Cell]:
    """Of all pilots, which share their seeds; one pilot after the other."""
    seeds = range(PILOT_SEEDS_FROM, PILOT_SEEDS_FROM + recipe.pilot.seeds)
    return [
        Cell(folder / "pilot", recipe, arm, seed, recipe.pilot.phases, "")
        for arm in pilot_arms(recipe).values()
        for seed in seeds
    ]


def arm_cells(folder: Path, recipe: Recipe, prediction: str) -> list[Cell]:
    """Seed by seed, so that an interrupted run has whole pairs. prediction: its SHA-256."""
    seeds = arm_seeds(prediction, recipe.seeds)
    return [
        Cell(folder, recipe, arm, seed, arm.training(recipe.training).phases, prediction)
        for seed in seeds
        for arm in recipe.arm
    ]


def cell_hashes(folder: Path, cells: Sequence[Cell]) -> dict[str, str]:
    """SHA-256 of every file of finished cells, by its path in the run folder."""
    files = [cell.part(kind) for cell in cells for kind in cell.kinds]
    return {str(file.relative_to(folder)): sha256(file) for file in files}


def read_cells(cells: Sequence[Cell], kind: str) -> pa.Table:
    """The rows of all cells, one after the other, with a column `seed`; each file must be its cell's own."""
    tables = []
    for cell in cells:
        table, metadata = read_parquet(cell.part(kind))
        for name, expected in cell.metadata.items():
            if metadata.get(name) != expected:
                found = metadata.get(name, "none")
                raise InputError(str(cell.part(kind)), f"of {name} {expected[:12]}", found[:12])
        seed = pa.array(np.full(table.num_rows, cell.seed, np.int64))
        tables.append(table.replace_schema_metadata(None).append_column("seed", seed))
    return pa.concat_tables(tables, promote_options="default")  # a column may be null throughout one cell
