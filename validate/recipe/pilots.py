"""The pilots of a recipe: one under the training's own optimizer, and one for each other kind that an arm names.

How far a phase moves the log-odds is measured, and what Adam's steps do says nothing about those of SGD. Momentum and
learning rates within a kind are known factors (`predict.rates`), so that one pilot is enough for each.
"""

from dataclasses import replace

from clipbias.theory.update_rule import OPTIMIZERS

from .arm import Arm
from .recipe import Recipe
from .training import Training

PILOT_ARM = Arm("pilot", clip_low=None, clip_high=None)


def optimizer_kind(training: Training) -> str:
    """As a recipe writes it: adam or sgd."""
    return next(word for word, kind in OPTIMIZERS.items() if isinstance(training.update, kind))


def pilot_arms(recipe: Recipe) -> dict[str, Arm]:
    """By kind of optimizer, the training's own first. A further one is trained with the optimizer and the learning rate
    of the first arm of its kind; everything else is the training's."""
    found = {optimizer_kind(recipe.training): PILOT_ARM}
    for arm in recipe.arm:
        kind = optimizer_kind(arm.training(recipe.training))
        if kind not in found:
            own = replace(PILOT_ARM, name=f"{PILOT_ARM.name}-{kind}", optimizer=arm.optimizer)
            found[kind] = replace(own, learning_rate=arm.learning_rate)
    return found
