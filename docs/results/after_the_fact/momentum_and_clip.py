"""How far the band with momentum can be trusted where the clip acts: against a simulation of the toy with both.

The simulated optimizer is Adam's first moment from rest, with its normalisation constant; its step is the toy's
learning rate times κ_∞, so that an unclipped phase spreads as the toy's does. docs/equations.md quotes it.

    python docs/results/after_the_fact/momentum_and_clip.py
"""

import math

import click
import numpy as np
from scipy.special import expit, logit

from clipbias.theory.formulas.advantage import group_advantages
from clipbias.theory.formulas.momentum import lasting_persistence
from clipbias.theory.laws.calibrate import learning_rate_for_spread
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import UNCLIPPED
from clipbias.validate.predict.band import band
from clipbias.validate.predict.toy import Toy
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.training import Training

PROB, BETA = 0.65, 0.9
TRAINING = Training(8, 16, 8, learning_rate=1e-4, phases=10, max_completion_length=8)


def simulated(config: PhaseConfig, phases: int, replicates: int, rng: np.random.Generator) -> np.ndarray:
    """Log-odds [replicates] after T phases of one group a step."""
    size = config.group_size
    plus, minus = group_advantages(size, config.scale)
    x, moment, steps = np.full(replicates, float(logit(PROB))), np.zeros(replicates), 0
    for _ in range(phases):
        old = expit(x)
        for _ in range(config.minibatches):
            prob = expit(x)
            first, second = prob / old, (1 - prob) / (1 - old)
            above, below = config.surrogate.slopes(np.stack([first, second]), np.stack([old, 1 - old]))
            m = rng.binomial(size, config.success_prob, replicates)
            k, rest = rng.binomial(m, old), rng.binomial(size - m, old)
            up = above[0] * plus[m] * k + below[0] * minus[m] * rest
            down = above[1] * plus[m] * (m - k) + below[1] * minus[m] * (size - m - rest)
            gradient = (first * up * 2 * (1 - prob) - second * down * 2 * prob) / size
            moment = BETA * moment + (1 - BETA) * gradient
            steps += 1
            x = x + config.learning_rate * moment / (1 - BETA**steps)
    return x


@click.command()
@click.option("--replicates", default=100_000, show_default=True)
@click.option("--seed", default=1, show_default=True)
def main(replicates: int, seed: int) -> None:
    """Print drift and spread of the log-odds after ten phases, predicted and simulated."""
    rng, start = np.random.default_rng(seed), float(logit(PROB))
    for spread in (0.072, 0.1, 0.2, 0.35):
        rate = learning_rate_for_spread(PROB, TRAINING.toy(1.0, UNCLIPPED), spread)
        for arm in (Arm("no-clip", None, None), Arm("clip", 0.2, 0.2)):
            toy = Toy(log_odds=start, samples=None, rates=[rate], weights=np.ones(1), phases=TRAINING.phases)
            found = band(toy, toy.laws(TRAINING, arm.gate), BETA, TRAINING.minibatches)
            step = rate * lasting_persistence(BETA, TRAINING.minibatches)
            x = simulated(TRAINING.toy(step, arm.gate), TRAINING.phases, replicates, rng)
            print(
                f"spread {spread:g} per phase, {arm.name}: drift predicted {found.log_odds_mean[-1] - start:+.4f},"
                f" simulated {x.mean() - start:+.4f} ± {x.std() / math.sqrt(replicates):.4f}; standard deviation"
                f" predicted {found.log_odds_std[-1]:.3f}, simulated {x.std():.3f}",
                flush=True,
            )


if __name__ == "__main__":
    main()
