"""A finished run, read back from its folder after checking that its prediction came first and that it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, read_parquet
from clipbias.validate.recipe.recipe import Recipe, load_recipe

from .layout import Cell, arm_cells, read_cells
from .manifest import check_cells, checked_prediction, read_manifest

UNDECIDED = 0.9  # most tokens of an answer repeat the question: they cannot be clipped and dilute every clip fraction

COLUMNS = (
    "log_odds", "share", "first_token_entropy", "token_entropy", "rollout_share", "accuracy",
    "accuracy_with_strategy", "accuracy_without_strategy", "boxed", "length", "finished", "token_prob", "phase_kl",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class ClipCounts:
    """Per seed and mini-batch, over all phases: [seeds, M] counts of tokens, and of those clipped low and high."""

    tokens: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ArmData:
    """Measured curves [seeds, phases + 1] by column name (NaN where not measured), and clip events."""

    curves: dict[str, NDArray[np.float64]]
    all_tokens: ClipCounts
    strategy_token: ClipCounts
    largest_log_ratio: NDArray[np.float64]  # [M] over seeds, phases and tokens
    undecided_tokens: float  # share of all tokens whose old probability is below 0.9
    undecided_clipped: float  # share of those that are clipped, over all mini-batches
    samples: list[dict[str, Any]]  # a few completions of the last phase


@dataclass(frozen=True, slots=True)
class RunData:
    folder: Path
    recipe: Recipe
    manifest: dict[str, Any]
    prediction: dict[str, Any]
    seeds: tuple[int, ...]  # ascending
    arms: dict[str, ArmData]


def _time(written: str, where: Path) -> datetime:
    try:
        return datetime.fromisoformat(written).astimezone()
    except ValueError:
        raise InputError(f"{where} must hold a time in ISO 8601, got {written!r}") from None


def check_order(folder: Path, cells: Sequence[Cell], written: str) -> None:
    """Raise InputError unless every cell was started after the prediction had been written."""
    predicted = _time(written, folder / "manifest.json")
    for cell in cells:
        started = read_parquet(cell.part("metrics"))[1]["started"]
        if _time(started, cell.part("metrics")) < predicted:
            raise InputError(
                f"dir must hold a prediction older than its cells; {cell.part('metrics')} was started before it"
            )


def _counts(tokens: pa.Table, seeds: tuple[int, ...], minibatches: int) -> ClipCounts:
    seed = np.searchsorted(np.asarray(seeds), tokens["seed"].to_numpy())
    index = seed * minibatches + tokens["minibatch"].to_numpy()
    clipped = tokens["clipped"].to_numpy()

    def count(weights: NDArray[Any] | None) -> NDArray[np.float64]:
        totals = np.bincount(index, weights=weights, minlength=len(seeds) * minibatches)
        return totals.reshape(len(seeds), minibatches).astype(np.float64)

    return ClipCounts(count(None), count(clipped < 0), count(clipped > 0))


def _read_arm(cells: Sequence[Cell]) -> ArmData:
    """cells: one arm's, in ascending order of seeds."""
    training, seeds = cells[0].arm.training(cells[0].recipe.training), tuple(cell.seed for cell in cells)
    metrics = read_cells(cells, "metrics").sort_by([("seed", "ascending"), ("phase", "ascending")])
    shape = (len(seeds), training.phases + 1)
    curves = {name: metrics[name].cast(pa.float64()).fill_null(np.nan).to_numpy().reshape(shape) for name in COLUMNS}
    tokens = read_cells(cells, "tokens")
    minibatches = training.minibatches
    largest = np.zeros(minibatches)
    np.maximum.at(largest, tokens["minibatch"].to_numpy(), np.abs(tokens["log_ratio"].to_numpy()))
    first = tokens.filter(pc.equal(tokens["position"], 0))
    undecided = tokens["old_log_prob"].to_numpy() < np.log(UNDECIDED)
    clipped = tokens["clipped"].to_numpy() != 0
    samples = read_cells(cells[:1], "samples")
    last = samples.filter(pc.equal(samples["phase"], training.phases - 1))
    return ArmData(
        curves=curves,
        all_tokens=_counts(tokens, seeds, minibatches),
        strategy_token=_counts(first, seeds, minibatches),
        largest_log_ratio=largest,
        undecided_tokens=float(undecided.mean()),
        undecided_clipped=float(clipped[undecided].mean()) if undecided.any() else 0.0,
        samples=last.sort_by([("slot", "ascending"), ("sample", "ascending")]).slice(0, 3).to_pylist(),
    )


def read_run(folder: Path) -> RunData:
    """Everything the report needs; InputError where the folder is no whole run or its prediction cannot be trusted."""
    digest = checked_prediction(folder)
    recipe, manifest = load_recipe(folder / "recipe.toml"), read_manifest(folder)
    cells = sorted(arm_cells(folder, recipe, digest), key=lambda cell: cell.seed)
    missing = [cell.part(kind) for cell in cells for kind in cell.kinds if not cell.part(kind).is_file()]
    if missing:
        raise InputError(
            f"dir must hold all {len(cells)} cells (arm and seed) of its recipe, {missing[0]} is missing: resume it"
        )
    if manifest["status"] != "complete":
        raise InputError(f"dir must hold a run that was finished, this one is {manifest['status']}: resume the run")
    check_cells(folder, manifest)
    check_order(folder, cells, str(manifest["prediction_written"]))
    arms = {arm.name: _read_arm([cell for cell in cells if cell.arm == arm]) for arm in recipe.arm}
    seeds = tuple(sorted({cell.seed for cell in cells}))
    return RunData(folder, recipe, manifest, read_json(folder / "prediction.json"), seeds, arms)
