"""A finished run, read back from its folder, after checking that its prediction came first and was not touched."""

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from numpy.typing import NDArray

from .files import read_json, read_metadata, sha256
from .layout import arm_cells
from .recipe import Recipe, load_recipe

UNDECIDED = 0.9  # most tokens of an answer repeat the question: they cannot be clipped and dilute every clip fraction

COLUMNS = (
    "log_odds", "share", "first_token_entropy", "token_entropy", "rollout_share", "accuracy",
    "accuracy_with_strategy", "accuracy_without_strategy", "boxed", "length", "finished",
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
    seeds: tuple[int, ...]  # those finished in every arm
    arms: dict[str, ArmData]


def check_prediction(folder: Path) -> None:
    """Raise ValueError unless prediction.json is the one that was hashed before any cell of the run started."""
    manifest = read_json(folder / "manifest.json")
    path = folder / "prediction.json"
    if "prediction_sha256" not in manifest or not path.is_file():
        raise ValueError(f"dir must hold a run with a prediction, got {str(folder)!r} (status: {manifest['status']})")
    digest = sha256(path)
    if digest != manifest["prediction_sha256"]:
        raise ValueError(
            f"dir must hold the prediction it was started with: the SHA-256 of {path} is {digest[:12]}…,"
            f" the one written down before the run is {manifest['prediction_sha256'][:12]}…"
        )
    written = datetime.fromisoformat(manifest["prediction_written"])
    for part in sorted((folder / "metrics.parquet").glob("*/*/*.parquet")):
        metadata = read_metadata(part)
        if metadata["prediction_sha256"] != digest:
            raise ValueError(f"dir must hold cells trained under its prediction; {part} names another one")
        if datetime.fromisoformat(metadata["started"]) < written:
            raise ValueError(f"dir must hold a prediction older than its cells; {part} started before it was written")


def _counts(tokens: pa.Table, seeds: tuple[int, ...], minibatches: int) -> ClipCounts:
    seed = np.searchsorted(np.asarray(seeds), tokens["seed"].to_numpy())
    index = seed * minibatches + tokens["minibatch"].to_numpy()
    clipped = tokens["clipped"].to_numpy()

    def count(weights: NDArray[Any] | None) -> NDArray[np.float64]:
        totals = np.bincount(index, weights=weights, minlength=len(seeds) * minibatches)
        return totals.reshape(len(seeds), minibatches).astype(np.float64)

    return ClipCounts(count(None), count(clipped < 0), count(clipped > 0))


def _read_arm(folder: Path, recipe: Recipe, arm: str, seeds: tuple[int, ...]) -> ArmData:
    chosen = (ds.field("arm") == arm) & ds.field("seed").isin(list(seeds))

    def table(kind: str, extra: Any = None) -> pa.Table:
        where = chosen if extra is None else chosen & extra
        return ds.dataset(folder / f"{kind}.parquet", partitioning="hive").to_table(filter=where)

    metrics = table("metrics").sort_by([("seed", "ascending"), ("phase", "ascending")])
    shape = (len(seeds), recipe.training.phases + 1)
    curves = {name: metrics[name].cast(pa.float64()).fill_null(np.nan).to_numpy().reshape(shape) for name in COLUMNS}
    tokens = table("tokens")
    minibatches = recipe.training.minibatches
    largest = np.zeros(minibatches)
    np.maximum.at(largest, tokens["minibatch"].to_numpy(), np.abs(tokens["log_ratio"].to_numpy()))
    first = tokens.filter(pc.equal(tokens["position"], 0))
    undecided = tokens["old_log_prob"].to_numpy() < np.log(UNDECIDED)
    clipped = tokens["clipped"].to_numpy() != 0
    last = (ds.field("phase") == recipe.training.phases - 1) & (ds.field("seed") == seeds[0])
    samples = table("samples", last).sort_by([("slot", "ascending"), ("sample", "ascending")])
    return ArmData(
        curves=curves,
        all_tokens=_counts(tokens, seeds, minibatches),
        strategy_token=_counts(first, seeds, minibatches),
        largest_log_ratio=largest,
        undecided_tokens=float(undecided.mean()),
        undecided_clipped=float(clipped[undecided].mean()) if undecided.any() else 0.0,
        samples=samples.slice(0, 3).to_pylist(),
    )


def read_run(folder: Path) -> RunData:
    """Everything the report needs; raises ValueError where the folder is no run or its prediction cannot be trusted."""
    if not (folder / "manifest.json").is_file():
        raise ValueError(f"dir must be a run folder with a manifest.json, got {str(folder)!r}")
    check_prediction(folder)
    recipe = load_recipe(folder / "recipe.toml")
    prediction = read_json(folder / "prediction.json")
    finished: dict[int, int] = {}
    for cell in arm_cells(folder, recipe, ""):
        finished[cell.seed] = finished.get(cell.seed, 0) + cell.done
    seeds = tuple(seed for seed, arms in finished.items() if arms == len(recipe.arm))
    if len(seeds) < 2:
        raise ValueError(
            f"dir must hold at least 2 seeds finished in every arm, got {len(seeds)}: resume the run first"
        )
    arms = {arm.name: _read_arm(folder, recipe, arm.name, seeds) for arm in recipe.arm}
    return RunData(folder, recipe, read_json(folder / "manifest.json"), prediction, seeds, arms)
