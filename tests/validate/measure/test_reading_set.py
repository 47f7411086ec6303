"""Reading a model on fixed answers: listed from its spec, or drawn from the untrained model and reweighted."""

import numpy as np
import pytest
import torch

from clipbias.validate.measure.reading_set import drawn, listed
from clipbias.validate.model.sampling import sample_answers
from clipbias.validate.model.subject import Subject, load_subject
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.tasks.problems import is_boxed, read_answer

pytestmark = pytest.mark.statistical
PLACES = (3, 100, 222, 345, 400, 510)


@pytest.fixture
def subject() -> Subject:
    found = load_subject(ModelLine(organism="default"), ProbeLine(prompts=8))
    found.model.eval()
    return found


def moved(subject: Subject) -> Subject:
    """The strategy's opening token made less likely, so that the model is another."""
    opening = subject.tokenizer("p")["input_ids"][0]
    with torch.no_grad():
        subject.model.get_output_embeddings().weight[opening] *= 0.9
    return subject


def counted(subject: Subject, samples: int) -> dict[str, tuple[float, float]]:
    """Log-odds and their standard errors by drawing afresh, problems as strata."""
    prompts = tuple(subject.problems["plain"][place].prompt for place in PLACES)
    texts = sample_answers(subject.model, subject.tokenizer, prompts, samples, 48, seed=9)
    kinds: dict[str, list[list[bool]]] = {"share": [], "right": [], "boxed": []}
    for place, answers in zip(PLACES, texts, strict=True):
        problem = subject.problems["plain"][place]
        kinds["share"].append([subject.strategy_of(text) for text in answers])
        kinds["right"].append([read_answer(text) == problem.answer for text in answers])
        kinds["boxed"].append([is_boxed(text) for text in answers])
    found = {}
    for name, hits in kinds.items():
        rates = np.mean(hits, axis=1)
        share = float(rates.mean())
        error = float(np.sqrt((rates * (1 - rates) / samples).sum())) / len(PLACES)
        found[name] = (float(np.log(share / (1 - share))), error / (share * (1 - share)))
    return found


def test_listed_and_reweighted_readings_are_those_of_fresh_answers(subject: Subject) -> None:
    """The reweighted ones move with the model: read at the untrained model they must be off."""
    exact = listed(subject, "plain", PLACES)
    kept = drawn(subject, "plain", PLACES, 300, 48, seed=1)
    before = kept.read(subject.model)
    assert kept.read_untrained() == before
    assert exact.read_untrained() == exact.read(subject.model)
    moved(subject)
    fresh, by_list, by_weight = counted(subject, 800), exact.read(subject.model), kept.read(subject.model)
    for name, (value, error) in fresh.items():
        assert abs(by_list[name] - value) < 4 * error + 0.05, name  # the organism also says what no spec lists
        assert abs(by_weight[name] - value) < 4 * error * np.sqrt(1 + 800 / 100), name
    assert max(abs(before[name] - value) / error for name, (value, error) in fresh.items()) > 8


def test_answers_that_were_drawn_count_as_often_as_they_were_drawn(subject: Subject) -> None:
    kept = drawn(subject, "plain", PLACES[:2], 50, 48, seed=1)
    texts = sample_answers(
        subject.model, subject.tokenizer, tuple(subject.problems["plain"][p].prompt for p in PLACES[:2]), 50, 48, seed=1
    )
    share = np.mean([subject.strategy_of(text) for answers in texts for text in answers])
    assert kept.read(subject.model)["share"] == pytest.approx(np.log(share / (1 - share)), abs=1e-4)
