"""The variance of a counted rate against drawn answers and against sums over all that can be counted."""

import itertools

import numpy as np
import pytest

from clipbias.common.errors import InputError
from clipbias.theory.formulas.evaluation_noise import Evaluation, agreement, evaluation_variance


def test_by_enumeration_of_all_answers() -> None:
    rates, samples = np.array([0.2, 0.7, 0.95]), 2
    first = second = 0.0
    for right in itertools.product((0, 1), repeat=len(rates) * samples):
        answers = np.reshape(right, (len(rates), samples))
        chance = float(np.prod(np.where(answers, rates[:, None], 1 - rates[:, None])))
        first, second = first + chance * answers.mean(), second + chance * answers.mean() ** 2
    evaluation = Evaluation(problems=3, samples=2, agreement=agreement(rates))
    mean = float(rates.mean())
    assert first == pytest.approx(mean)
    assert float(evaluation_variance(mean, evaluation, mean)) == pytest.approx(second - first**2, rel=1e-12)


def test_unknown_agreement_is_the_widest() -> None:
    unlike = np.array([0.05, 0.95] * 20)
    known, unknown = Evaluation(problems=40, samples=4, agreement=agreement(unlike)), Evaluation(problems=40, samples=4)
    assert float(evaluation_variance(0.5, known, 0.5)) < 0.25 * float(evaluation_variance(0.5, unknown))
    alike = Evaluation(problems=40, samples=4, agreement=agreement(np.full(40, 0.5)))
    assert float(evaluation_variance(0.5, alike, 0.5)) == pytest.approx(float(evaluation_variance(0.5, unknown)))


def test_pairs_of_answers_estimate_the_agreement() -> None:
    rng = np.random.default_rng(1)
    rates = rng.beta(0.6, 0.9, 400)
    pairs = rng.random((400, 2, 500)) < rates[:, None, None]
    agree = (pairs[:, 0] == pairs[:, 1]).mean(axis=0)
    assert abs(agree.mean() - agreement(rates)) < 4 * agree.std(ddof=1) / np.sqrt(500)


def test_what_cannot_be_is_named() -> None:
    for field, build in (
        ("problems", lambda: Evaluation(problems=0, samples=1)),
        ("samples", lambda: Evaluation(problems=3, samples=0)),
        ("agreement", lambda: Evaluation(problems=3, samples=1, agreement=0.4)),
        ("agreement", lambda: evaluation_variance(0.1, Evaluation(problems=3, samples=1, agreement=0.7), 0.1)),
        ("rates", lambda: agreement([1.2])),
    ):
        with pytest.raises(InputError) as caught:
            build()
        assert caught.value.field == field
