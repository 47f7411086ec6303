"""Where a run keeps things: its cells (one arm, one seed) and their files."""

from dataclasses import dataclass
from pathlib import Path

from .recipe import Arm, Recipe

PILOT_ARM = Arm("pilot", clip_low=None, clip_high=None)
PILOT_SEEDS_FROM = 1_000_001  # far from the seeds 1, 2, … of the arms, so that no draw is used twice


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
        """The cell's file in the Parquet data set `kind` (metrics, tokens or samples)."""
        return self.root / f"{kind}.parquet" / f"arm={self.arm.name}" / f"seed={self.seed}" / "part-0.parquet"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints" / f"arm={self.arm.name}" / f"seed={self.seed}"

    @property
    def done(self) -> bool:
        return self.part("metrics").is_file()  # written last


def pilot_cells(folder: Path, recipe: Recipe) -> list[Cell]:
    seeds = range(PILOT_SEEDS_FROM, PILOT_SEEDS_FROM + recipe.pilot.seeds)
    return [Cell(folder / "pilot", recipe, PILOT_ARM, seed, recipe.pilot.phases, "") for seed in seeds]


def arm_cells(folder: Path, recipe: Recipe, prediction: str) -> list[Cell]:
    """Seed by seed, so that an interrupted run has whole pairs."""
    seeds = range(1, recipe.seeds + 1)
    return [Cell(folder, recipe, arm, seed, recipe.training.phases, prediction) for seed in seeds for arm in recipe.arm]
