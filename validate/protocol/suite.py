"""Run what is not frozen yet, one experiment after another, and write the report of all that is."""

import logging
import shutil
from pathlib import Path

from clipbias.common.errors import InputError
from clipbias.common.files import read_text, write_text
from clipbias.validate.recipe.recipe import recipe_text
from clipbias.validate.report.suite_page import SuiteReport, write_page
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.ledger import FILE

from .models import make_models
from .plan import Experiment
from .run import keep, resume, start

logger = logging.getLogger(__name__)


def frozen_folder(out: Path, experiment: Experiment) -> Path:
    return out / experiment.name


def run_suite(experiments: list[Experiment], out: Path, runs: Path) -> SuiteReport:
    """Frozen results, the ledger of their predictions and the report of all that are there go to `out`, the runs
    themselves to `runs`. Both may hold earlier work: an experiment that is frozen is not run again, one that was
    stopped goes on. Frozen runs without an [evaluation] may lie there too; the report, of accuracies, is of the others.
    """
    left = [e for e in experiments if not (frozen_folder(out, e) / "manifest.json").is_file()]
    make_models([experiment.recipe.model for experiment in left])
    for experiment in experiments:
        frozen, text = frozen_folder(out, experiment), recipe_text(experiment.recipe)
        if (frozen / "manifest.json").is_file():
            if read_text(frozen / "recipe.toml") != text:
                raise InputError("out", f"results of these recipes; {frozen} is of another", verb="hold")
            continue
        logger.info("%s: %s", experiment.name, experiment.recipe.question)
        folder, recipe_file = runs / experiment.name, runs / "recipes" / f"{experiment.name}.toml"
        write_text(recipe_file, text)
        start(recipe_file, folder)
        _share_surveys(runs / "surveys" / experiment.organism, folder / "survey")
        resume(folder, out / FILE)
        _share_surveys(folder / "survey", runs / "surveys" / experiment.organism)
        keep(folder, frozen)
    frozen_runs = [read_frozen(file.parent) for file in sorted(out.glob("*/manifest.json"))]
    return write_page([run for run in frozen_runs if run.recipe.evaluation], out)


def _share_surveys(source: Path, target: Path) -> None:
    """Runs of one organism ask it the same; `survey` checks that what it is given is of the same model."""
    for file in sorted(source.glob("*.parquet")) if source.is_dir() else []:
        if not (target / file.name).is_file():
            target.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(file, target / file.name)
