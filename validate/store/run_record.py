"""A finished run, or its frozen form, read back after checking that its prediction came first and that it is whole."""

from collections.abc import Sequence
from dataclasses import dataclass, field, fields
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from clipbias.common.arrays import Array
from clipbias.common.errors import InputError
from clipbias.common.files import read_parquet
from clipbias.validate.measure.pilot_noise import PilotNoise
from clipbias.validate.organism.spec import OrganismSpec
from clipbias.validate.predict.prediction import Prediction
from clipbias.validate.predict.sums import Sums, largest, read_sums
from clipbias.validate.predict.token_law import TENTHS
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.pilots import optimizer_kind
from clipbias.validate.recipe.recipe import Recipe, load_recipe

from .layout import OBSERVED, SUMS, Cell, arm_cells, read_cells
from .manifest import Manifest, read_manifest
from .verify import check_complete, check_files, check_has_cells, check_order, checked_prediction

UNDECIDED = 0.9  # most tokens of an answer repeat the question: they cannot be clipped and dilute every clip fraction
SHOWN = 3  # completions of the last phase

COLUMNS = (
    "log_odds", "share", "first_token_entropy", "token_entropy", "rollout_share", "accuracy",
    "accuracy_with_strategy", "accuracy_without_strategy", "boxed", "length", "finished", "token_prob", "phase_kl",
)  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class ClipCounts:
    """Per seed and mini-batch, over all phases: [seeds, M] counts of tokens, and of those clipped low and high."""

    tokens: Array
    low: Array
    high: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TokenRecord:
    """Of all tokens and of each answer's first, which decides an organism's strategy. largest_log_ratio [M]: over
    seeds, phases and tokens (from sums, to 0.7 %). undecided_tokens: share of all tokens whose old probability is below
    0.9; undecided_clipped: share of those that are clipped, over all mini-batches."""

    all_tokens: ClipCounts
    strategy_token: ClipCounts
    largest_log_ratio: Array
    undecided_tokens: float
    undecided_clipped: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A completion of the last phase: what was asked, what is right, and what was said."""

    problem: str
    answer: int | str
    text: str
    uses_strategy: bool
    correct: bool
    finished: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmRecord:
    """curves [seeds, phases + 1] by column of COLUMNS, NaN where nothing was measured; observed: the same by observable
    of a forecast. tokens and samples: None and
    empty in the frozen form, which has the tables of `RunRecord` instead."""

    curves: dict[str, Array]
    observed: dict[str, Array] = field(default_factory=dict)
    tokens: TokenRecord | None = None
    samples: tuple[Sample, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class RunRecord:
    """name: of its folder. seeds: ascending. spec: of an organism, and tables: `frozen.TABLES` but the curves; both in
    the frozen form only."""

    name: str
    folder: Path
    recipe: Recipe
    manifest: Manifest
    prediction: Prediction
    seeds: tuple[int, ...]
    arms: dict[str, ArmRecord]
    spec: OrganismSpec | None = None
    tables: dict[str, pa.Table] = field(default_factory=dict)

    @property
    def organism(self) -> str:
        return Path(self.recipe.model.organism or self.recipe.model.path or "").stem

    def pilot(self, arm: Arm) -> PilotNoise:
        """From which the arm is claimed."""
        return self.prediction.pilot_of(optimizer_kind(arm.training(self.recipe.training)))

    def tokens(self, arm: str) -> TokenRecord:
        found = self.arms[arm].tokens
        if found is None:
            raise InputError("dir", "a run with its cells, not its frozen form", str(self.folder), verb="hold")
        return found

    def rows(self, table: str, **values: str | int | bool) -> pa.Table:
        """The rows of a table in which the named columns have these values."""
        found = self.tables[table]
        for name, value in values.items():
            found = found.filter(pc.equal(found[name], value))
        return found


def curves_of(rows: pa.Table, seeds: Sequence[int], phases: int) -> dict[str, Array]:
    """One arm's curves. rows: of `metrics`, one for each seed and phase from 0 on, with the columns seed and phase."""
    return _series(rows, seeds, phases, {name: name for name in COLUMNS})


def observed_of(rows: pa.Table, seeds: Sequence[int], phases: int) -> dict[str, Array]:
    """What was read of one arm beside: by observable, none where the recipe asks for no forecast."""
    names = [name for name in rows.column_names if name.startswith(OBSERVED)]
    return _series(rows, seeds, phases, {name.removeprefix(OBSERVED): name for name in names})


def _series(rows: pa.Table, seeds: Sequence[int], phases: int, columns: dict[str, str]) -> dict[str, Array]:
    ordered = rows.sort_by([("seed", "ascending"), ("phase", "ascending")])
    shape = (len(seeds), phases + 1)
    return {
        name: ordered[column].cast(pa.float64()).fill_null(np.nan).to_numpy().reshape(shape)
        for name, column in columns.items()
    }


def _counts(tokens: pa.Table, seeds: tuple[int, ...], minibatches: int) -> ClipCounts:
    seed = np.searchsorted(np.asarray(seeds), tokens["seed"].to_numpy())
    index = seed * minibatches + tokens["minibatch"].to_numpy()
    clipped = tokens["clipped"].to_numpy()

    def count(weights: NDArray[np.bool_] | None) -> Array:
        totals = np.bincount(index, weights=weights, minlength=len(seeds) * minibatches)
        return totals.reshape(len(seeds), minibatches).astype(np.float64)

    return ClipCounts(count(None), count(clipped < 0), count(clipped > 0))


def _token_record(tokens: pa.Table, seeds: tuple[int, ...], minibatches: int) -> TokenRecord:
    largest = np.zeros(minibatches)
    np.maximum.at(largest, tokens["minibatch"].to_numpy(), np.abs(tokens["log_ratio"].to_numpy()))
    undecided = tokens["old_log_prob"].to_numpy() < np.log(UNDECIDED)
    clipped = tokens["clipped"].to_numpy() != 0
    return TokenRecord(
        all_tokens=_counts(tokens, seeds, minibatches),
        strategy_token=_counts(tokens.filter(pc.equal(tokens["position"], 0)), seeds, minibatches),
        largest_log_ratio=largest,
        undecided_tokens=float(undecided.mean()),
        undecided_clipped=float(clipped[undecided].mean()) if undecided.any() else 0.0,
    )


def _summed_record(parts: Sequence[Sums]) -> TokenRecord:
    """The same from what was recorded in sums, of each seed."""

    def count(*names: str) -> ClipCounts:
        return ClipCounts(*(np.array([getattr(sums, name).sum(axis=1) for sums in parts]) for name in names))

    below = slice(0, round(TENTHS * UNDECIDED))
    tokens, undecided = (sum(float(sums.tokens[:, of].sum()) for sums in parts) for of in (slice(None), below))
    clipped = sum(float((sums.low + sums.high)[:, below].sum()) for sums in parts)
    return TokenRecord(
        all_tokens=count("tokens", "low", "high"),
        strategy_token=count("first", "first_low", "first_high"),
        largest_log_ratio=np.max([largest(sums) for sums in parts], axis=0),
        undecided_tokens=undecided / tokens,
        undecided_clipped=clipped / undecided if undecided else 0.0,
    )


def _tokens_of(cells: Sequence[Cell], seeds: tuple[int, ...], minibatches: int) -> TokenRecord:
    if cells[0].recipe.recording is None:
        return _token_record(read_cells(cells, "tokens"), seeds, minibatches)
    return _summed_record([read_sums(read_cells([cell], SUMS), minibatches) for cell in cells])


def _samples(rows: pa.Table, phase: int) -> tuple[Sample, ...]:
    last = rows.filter(pc.equal(rows["phase"], phase)).sort_by([("slot", "ascending"), ("sample", "ascending")])
    names = [column.name for column in fields(Sample)]
    return tuple(Sample(**row) for row in last.slice(0, SHOWN).select(names).to_pylist())


def _read_arm(cells: Sequence[Cell]) -> ArmRecord:
    """cells: one arm's, in ascending order of seeds."""
    training, seeds = cells[0].arm.training(cells[0].recipe.training), tuple(cell.seed for cell in cells)
    metrics = read_cells(cells, "metrics")
    return ArmRecord(
        curves=curves_of(metrics, seeds, training.phases),
        observed=observed_of(metrics, seeds, training.phases),
        tokens=_tokens_of(cells, seeds, training.minibatches),
        samples=_samples(read_cells(cells[:1], "samples"), training.phases - 1),
    )


def whole_cells(folder: Path, recipe: Recipe, manifest: Manifest) -> list[Cell]:
    """The cells of a run that was finished, in ascending order of seeds, checked: all there, as they were trained, and
    started after the prediction had been written. Raises InputError."""
    cells = sorted(arm_cells(folder, recipe, manifest.prediction_sha256 or ""), key=lambda cell: cell.seed)
    missing = [cell.part(kind) for cell in cells for kind in cell.kinds if not cell.part(kind).is_file()]
    if missing:
        allowed = f"all {len(cells)} cells (arm and seed) of its recipe, {missing[0]} is missing: resume it"
        raise InputError("dir", allowed, verb="hold")
    check_complete(folder, manifest, recipe)
    check_files(folder, manifest.cells_sha256 or {})
    metrics = [cell.part("metrics") for cell in cells]
    check_order(folder, manifest, ((read_parquet(file)[1]["started"], file) for file in metrics))
    return cells


def read_run(folder: str | Path) -> RunRecord:
    """A run with all its cells; InputError where the folder is no whole run or its prediction cannot be trusted."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    check_has_cells(folder, manifest)
    recipe, prediction = load_recipe(folder / "recipe.toml"), checked_prediction(folder, manifest)
    cells = whole_cells(folder, recipe, manifest)
    return RunRecord(
        name=folder.name,
        folder=folder,
        recipe=recipe,
        manifest=manifest,
        prediction=prediction,
        seeds=tuple(sorted({cell.seed for cell in cells})),
        arms={arm.name: _read_arm([cell for cell in cells if cell.arm == arm]) for arm in recipe.arm},
    )
