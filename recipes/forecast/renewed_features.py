"""Is what a forecast misses the drift of the model's gradients? The same forecast, made again halfway through.

    python recipes/forecast/renewed_features.py docs/results/rewards-rare-code ground-truth majority python

One seed of each arm of a frozen run is trained anew, to the same numbers. At half of its phases the model is surveyed
with gradients as the untrained one was, and the other half is foretold from there, its optimizer starting empty.
Printed: what the frozen forecast says of the second half, what the renewed one says, and what this seed did; log-odds.
If the renewed forecast is as far off as the frozen one, the drift is not what is wrong.
"""

import tempfile
from pathlib import Path

import click
import torch

from clipbias.common.seeds import seed_of
from clipbias.validate.measure.forecast_survey import gradient_survey, reading_set
from clipbias.validate.measure.survey import SEED
from clipbias.validate.measure.untrained import survey_payments
from clipbias.validate.model.subject import load_subject
from clipbias.validate.predict.folds import FOLDS
from clipbias.validate.predict.forecast import forecast, from_text
from clipbias.validate.protocol.forecast import survey_reward, tangent_training, trained_problems
from clipbias.validate.protocol.models import make_model
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.layout import Cell
from clipbias.validate.train.cell import training_set
from clipbias.validate.train.options import make_optimizer
from clipbias.validate.train.record import Record
from clipbias.validate.train.trainer import PhaseEnd, RecordingTrainer

OBSERVABLES = ("share", "right_with", "right_without", "boxed_with", "boxed_without")
SEEDS = 4 * FOLDS


def halves(cell: Cell) -> dict[str, tuple[float, float, float]]:
    """By observable: foretold again of the second half, its spread over seeds, and what the cell did in it."""
    recipe, arm, half = cell.recipe, cell.arm, cell.phases // 2
    training = arm.training(recipe.training)
    subject = load_subject(recipe.model, recipe.probe)
    optimizer, record = make_optimizer(subject.model, training), Record()
    reading = reading_set(recipe, subject, arm.style)
    survey_payments(cell.root, recipe, subject)  # of the untrained model, whose labels the run uses

    def train(phases: range) -> dict[str, float]:
        subject.model.train()
        with tempfile.TemporaryDirectory() as scratch:
            chosen = training_set(cell, subject)
            trainer = RecordingTrainer(subject, chosen, training, arm, cell.seed, phases, optimizer, record, scratch)
            trainer.add_callback(PhaseEnd(training.minibatches, lambda done: None))
            trainer.train()
        subject.model.eval()
        return reading.read(subject.model)

    middle = train(range(half))
    trained = trained_problems(cell.root, arm, subject)
    surveyed = gradient_survey(recipe, subject, arm.style, [trained])
    paid = survey_reward(cell.root, arm, surveyed, subject, training)
    setup, left = tangent_training(training, arm), cell.phases - half
    found = forecast(
        surveyed.survey.tree, surveyed.observables, paid, setup, phases=left, seeds=SEEDS, seed=seed_of(SEED)
    ).observables
    end = train(range(half, cell.phases))
    return {
        name: (found[name].mean[-1] - found[name].start, found[name].std[-1], end[name] - middle[name])
        for name in OBSERVABLES
        if name in found
    }


@click.command()
@click.argument("folder", type=click.Path(exists=True, path_type=Path))
@click.argument("arms", nargs=-1, required=True)
def main(folder: Path, arms: tuple[str, ...]) -> None:
    torch.set_num_threads(1)
    record, frozen = read_frozen(folder), from_text((folder / "forecast.json").read_text())
    make_model(record.recipe.model)
    for arm in record.recipe.arm:
        if arm.name not in arms:
            continue
        phases = arm.training(record.recipe.training).phases
        with tempfile.TemporaryDirectory() as root:
            cell = Cell(
                Path(root), record.recipe, arm, record.seeds[0], phases, record.manifest.prediction_sha256 or ""
            )
            found = halves(cell)
        for name, (again, spread, measured) in found.items():
            mean = frozen[arm.name].observables[name].mean
            click.echo(
                f"{arm.name:18s} {name:14s} frozen {mean[-1] - mean[phases // 2]:+.2f}, renewed {again:+.2f} "
                f"(over seeds {spread:.2f}), this seed {measured:+.2f}"
            )


if __name__ == "__main__":
    main()
