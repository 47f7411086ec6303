"""What the clip of a recipe should do to the share, before any run: its arms, paired, in the tangent model.

    python recipes/forecast/clip_effect.py recipes/forecast/clip-likely-sgd.toml

One survey with gradients, as the recipe's [forecast] asks for, two thirds of whose problems move the model and the rest
are read. Arms share their draws and are compared with the last, which has no clip. Printed for each: the mean change of
the log-odds and its spread over seeds, the same of the paired difference, the pairs that show it with a power of 0.9
(Student's t, 5 %, two-sided), and the power of as many pairs as the recipe has.
"""

import sys

import torch

from clipbias.simulate.tangent.engine import simulate_tangent
from clipbias.simulate.tangent.reading import Observable, Reader
from clipbias.theory.formulas.power import paired_power, seeds_needed
from clipbias.validate.measure.forecast_survey import gradient_survey
from clipbias.validate.model.subject import load_subject
from clipbias.validate.protocol.forecast import tangent_training
from clipbias.validate.recipe.recipe import load_recipe

POWER = 0.9


def main(file: str) -> None:
    recipe = load_recipe(file)
    assert recipe.forecast is not None
    subject = load_subject(recipe.model, recipe.probe, recipe.task)
    subject.model.eval()
    surveyed = gradient_survey(recipe, subject, recipe.arm[0].style)
    tree = surveyed.survey.tree
    read = torch.arange(tree.problems) % 3 == 0
    kept = read[tree.problem]
    moving, reading = (tree.only(which.nonzero().flatten()) for which in (~read, read))
    seen = [Observable(o.name, o.of[kept], o.given[kept], o.log_odds) for o in surveyed.observables[:2]]
    reader, seeds = Reader(reading, seen), recipe.forecast.seeds
    changes = {}
    for arm in recipe.arm:
        training = arm.training(recipe.training)
        setup = tangent_training(training, arm)
        run = simulate_tangent(moving, training.success_prob, reader, setup, training.phases, seeds, 1)
        values = run.readings.values
        changes[arm.name] = change = values[:, -1, 0] - values[:, 0, 0]
        right = [float(values[:, t, 1].sigmoid().mean()) for t in (0, -1)]
        low, high, kl = (float(found.mean()) for found in (run.clip_low, run.clip_high, run.kl))
        print(f"{arm.name}: log-odds {change.mean():+.3f}, over seeds ± {change.std():.3f}", end="; ")
        print(f"clipped low {low:.4f}, high {high:.4f}; KL {kl:.4f}; right {right[0]:.3f} to {right[1]:.3f}", end="; ")
        print(f"effective answers {run.readings.effective[:, -1].mean():.1f}")
    *others, plain = changes
    for name in others:
        gap = changes[name] - changes[plain]
        mean, spread = float(gap.mean()), float(gap.std())
        print(f"{name} − {plain}: {mean:+.3f} ± {spread / seeds**0.5:.3f}, over seeds ± {spread:.3f}", end="; ")
        print(f"{seeds_needed(mean, spread, POWER)} pairs for a power of {POWER}", end="; ")
        print(f"{recipe.seeds} pairs have {paired_power(mean, spread, recipe.seeds):.2f}")


if __name__ == "__main__":
    torch.set_num_threads(1)
    main(sys.argv[1])
