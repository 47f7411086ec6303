"""What is kept of a finished run: a folder of small files from which every table and figure of the suite is made.

    recipe.toml  prediction.json  manifest.json    as in the run (the manifest without the cells' hashes)
    forecast.json       as in the run, where the recipe asks for one
    spec.toml           an organism's, as it was pretrained from
    curves.parquet      every column of metrics.parquet, one row for each arm, seed and phase
    answers.parquet     held-out problems: counts of answers by arm, seed, style, strategy, right and boxed; seed −1 is
                        the untrained model
    switches.parquet    how strategies changed between the untrained model's answers and the trained one's
    tenths.parquet      `token_law.tenth_counts`
    credit.parquet      advantages of right and wrong answers
    weights.parquet     SHA-256 of the weights before and after, by arm and seed

Frozen once: a folder that is there is never written again.
"""

import shutil
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from clipbias.common.errors import InputError
from clipbias.common.files import read_parquet, sha256, write_parquet, written_folder
from clipbias.validate.measure.answer_rates import untrained_file
from clipbias.validate.model.locate import model_folder
from clipbias.validate.organism.spec import load_spec
from clipbias.validate.predict.sums import read_sums, tenth_sums
from clipbias.validate.predict.token_law import tenth_counts
from clipbias.validate.recipe.recipe import load_recipe

from .layout import EVALUATION, FORECAST, SUMS, Cell, arm_cells, read_cells
from .manifest import read_manifest, write_manifest
from .run_record import ArmRecord, RunRecord, curves_of, observed_of, whole_cells
from .summaries import answer_counts, credit_sums, labelled, of_cell, switch_counts
from .verify import check_complete, check_files, check_has_cells, check_order, checked_prediction

UNTRAINED = -1
SPEC = "spec.toml"
TABLES = ("curves", "answers", "switches", "tenths", "credit", "weights")
ASKED = ("answers", "switches")  # only where there is an evaluation


def freeze(run: Path, out: Path) -> RunRecord:
    """Write `out` from a run that is complete and as it was trained."""
    manifest = read_manifest(run)
    check_has_cells(run, manifest)
    recipe, _ = load_recipe(run / "recipe.toml"), checked_prediction(run, manifest)
    whole_cells(run, recipe, manifest)
    parts: dict[str, list[pa.Table]] = {name: [] for name in TABLES}
    before = None
    if recipe.evaluation is not None:
        before = read_parquet(untrained_file(run))[0]
        parts["answers"].append(labelled(answer_counts(before), "untrained", UNTRAINED))
    for cell in arm_cells(run, recipe, manifest.prediction_sha256 or ""):
        metrics, samples = (read_cells([cell], kind) for kind in ("metrics", "samples"))
        parts["curves"].append(of_cell(metrics.drop_columns(["seed"]), cell))
        parts["credit"].append(of_cell(credit_sums(samples), cell))
        parts["tenths"].append(of_cell(_tenths(cell), cell))
        if before is not None:
            after = read_cells([cell], EVALUATION)
            parts["answers"].append(of_cell(answer_counts(after), cell))
            parts["switches"].append(of_cell(switch_counts(before, after), cell))
        hashes = read_parquet(cell.part("metrics"))[1]
        weights = {key: [hashes[key]] for key in ("weights_before", "weights_after")}
        parts["weights"].append(of_cell(pa.table(weights), cell))
    with written_folder(out) as folder:
        for name, tables in parts.items():
            if tables:
                write_parquet(folder / f"{name}.parquet", pa.concat_tables(tables, promote_options="default"), {})
        for name in ("recipe.toml", "prediction.json", *([FORECAST] if recipe.forecast else [])):
            shutil.copyfile(run / name, folder / name)
        if SPEC in manifest.model_sha256:
            shutil.copyfile(model_folder(recipe.model) / SPEC, folder / SPEC)
            if sha256(folder / SPEC) != manifest.model_sha256[SPEC]:
                raise InputError(str(model_folder(recipe.model) / SPEC), "as it was trained from")
        hashes = {f"{name}.parquet": sha256(folder / f"{name}.parquet") for name, tables in parts.items() if tables}
        write_manifest(folder, replace(manifest, cells_sha256=None, frozen_sha256=hashes))
    return read_frozen(out)


def _tenths(cell: Cell) -> pa.Table:
    training = cell.arm.training(cell.recipe.training)
    if cell.recipe.recording is None:
        return tenth_counts(read_cells([cell], "tokens"), cell.arm, training)
    return tenth_sums(read_sums(read_cells([cell], SUMS), training.minibatches), cell.arm, training)


def is_frozen(folder: Path) -> bool:
    return read_manifest(folder).frozen_sha256 is not None


def read_frozen(folder: str | Path) -> RunRecord:
    """A frozen run; InputError where something is missing, was changed, or came before the prediction."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    if manifest.frozen_sha256 is None:
        raise InputError("dir", "the frozen form of a run", str(folder))
    recipe, prediction = load_recipe(folder / "recipe.toml"), checked_prediction(folder, manifest)
    check_complete(folder, manifest, recipe)
    frozen, spec = manifest.frozen_sha256, folder / SPEC
    expected = frozen | {name: digest for name, digest in manifest.model_sha256.items() if name == SPEC}
    needed = {f"{name}.parquet" for name in TABLES if recipe.evaluation or name not in ASKED}
    for name in sorted(needed | expected.keys()):
        if name not in expected or not (folder / name).is_file():
            raise InputError("dir", f"all that was frozen; {folder / name} is missing", verb="hold")
    check_files(folder, expected)
    tables = {name.removesuffix(".parquet"): read_parquet(folder / name)[0] for name in frozen}
    curves, seeds = tables.pop("curves"), tuple(sorted(manifest.seeds or ()))
    first = min(filter(None, curves["started"].to_pylist()))
    check_order(folder, manifest, [(first, folder / "curves.parquet")])
    arms = {}
    for arm in recipe.arm:
        rows = curves.filter(pc.equal(curves["arm"], arm.name))
        phases = arm.training(recipe.training).phases
        arms[arm.name] = ArmRecord(curves=curves_of(rows, seeds, phases), observed=observed_of(rows, seeds, phases))
    return RunRecord(
        name=folder.name,
        folder=folder,
        recipe=recipe,
        manifest=manifest,
        prediction=prediction,
        seeds=seeds,
        arms=arms,
        spec=load_spec(spec) if SPEC in expected else None,
        tables=tables,
    )
