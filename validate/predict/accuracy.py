"""Accuracy on held-out problems if only the strategy's share moves."""

from clipbias.common.arrays import Array
from clipbias.theory.formulas.mixture import moved_accuracy
from clipbias.validate.measure.answer_rates import UntrainedRates


def accuracy_mean(share_mean: Array, known: UntrainedRates) -> Array:
    """After 0…T phases, from the mean shares [T + 1] and what the untrained model's answers to the style are worth."""
    contrast = 0.0  # a strategy that was never seen explains nothing
    if known.accuracy_with is not None and known.accuracy_without is not None:
        contrast = known.accuracy_with - known.accuracy_without
    return moved_accuracy(known.accuracy, share_mean, contrast)
