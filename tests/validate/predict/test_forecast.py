"""A reward's forecast from a survey: apart in folds, paid as enumeration says, and written to be read back."""

from dataclasses import replace
from itertools import product
from math import isclose

import numpy as np
import pytest
import torch

from clipbias.common.errors import InputError
from clipbias.simulate.tangent.engine import Training
from clipbias.simulate.tangent.reading import Observable
from clipbias.simulate.tangent.tree import Tree
from clipbias.theory.surrogate import UNCLIPPED, PpoClip
from clipbias.theory.update_rule import Adam, UpdateRule
from clipbias.validate.predict.causes import Part, causes
from clipbias.validate.predict.folds import FOLDS, SurveyReward
from clipbias.validate.predict.forecast import forecast, from_text, to_text

PROBLEMS = 2 * FOLDS
TRAINING = Training(
    groups=2,
    group_size=4,
    minibatches=2,
    learning_rate=0.1,
    surrogate=UNCLIPPED,
    update=UpdateRule(optimizer=Adam(beta2=0.95), split=True),
)


def survey(shared: bool) -> Tree:
    """Two answers of one token to each problem, p = ¾ and ¼. Gradients along one coordinate that all problems share, or
    each along its own."""
    probs = torch.tensor([0.75, 0.25]).repeat(PROBLEMS)
    owner = torch.arange(PROBLEMS).repeat_interleave(2)
    along = torch.zeros_like(owner) if shared else owner
    gradients = torch.zeros(2 * PROBLEMS, 1 if shared else PROBLEMS)
    gradients[torch.arange(2 * PROBLEMS), along] = torch.tensor([1.0, 0.0]).repeat(PROBLEMS) - 0.75
    return Tree(
        gradients=gradients,
        scale=torch.ones(gradients.shape[1]),
        log_prob=probs.log(),
        length=torch.ones(2 * PROBLEMS),
        node=owner,
        edge_problem=owner,
        problem=owner,
        count=torch.tensor([3.0, 1.0]).repeat(PROBLEMS),
        tokens=torch.ones(2 * PROBLEMS, dtype=torch.long),
        path=torch.arange(2 * PROBLEMS)[:, None],
    )


FIRST = torch.tensor([1.0, 0.0]).repeat(PROBLEMS)
SHARE = [Observable("share", FIRST, torch.ones(2 * PROBLEMS))]


def test_what_is_read_did_not_move_itself() -> None:
    """Where no two problems share a coordinate nothing that is read can move, unless its own problem is trained on."""
    paid = FIRST.numpy()
    apart = forecast(survey(shared=False), SHARE, SurveyReward(paid=paid), TRAINING, phases=4, seeds=12, seed=0)
    assert np.array_equal(apart.observables["share"].mean, np.full(5, apart.observables["share"].start))
    own = SurveyReward(paid=paid, population=PROBLEMS)
    met = forecast(survey(shared=False), SHARE, own, TRAINING, phases=4, seeds=12, seed=0).observables["share"]
    assert met.mean[4] > met.start
    together = forecast(survey(shared=True), SHARE, SurveyReward(paid=paid), TRAINING, phases=4, seeds=12, seed=0)
    assert together.observables["share"].mean[4] > met.mean[4]


@pytest.mark.parametrize("paid", [[1.0, 0.0], [0.0, 1.0], [2.0, -1.0], [1.0, 1.0], [0.0, 0.0]])
def test_payments_are_those_of_enumeration(paid: list[float]) -> None:
    found = forecast(
        survey(shared=True), SHARE, SurveyReward(paid=np.tile(paid, PROBLEMS)), TRAINING, phases=1, seeds=12, seed=0
    )
    chance = (0.75, 0.25)
    groups = list(product(range(2), repeat=TRAINING.group_size))
    weights = [float(np.prod([chance[i] for i in group])) for group in groups]
    mixed = sum(w for w, group in zip(weights, groups, strict=True) if len({paid[i] for i in group}) > 1)
    never = sum(w for w, group in zip(weights, groups, strict=True) if all(paid[i] <= 0 for i in group))
    assert isclose(found.paid, 0.75 * paid[0] + 0.25 * paid[1], abs_tol=1e-12)
    assert isclose(found.mixed, mixed, abs_tol=1e-12)
    if max(paid) > 0:
        assert isclose(found.first_success, 1 - never**TRAINING.groups, abs_tol=1e-12)
    else:  # (1 − p)^48 = 5 % bounds the chance of an answer, of which a phase draws 8
        assert isclose(found.first_success, 1 - 0.05 ** (8 / 48), abs_tol=1e-12)
    if len(set(paid)) == 1:
        assert found.observables["share"].std.max() == 0.0


def test_what_never_varies_is_not_foretold() -> None:
    always = Observable("always", torch.ones(2 * PROBLEMS), torch.ones(2 * PROBLEMS))
    found = forecast(
        survey(shared=True), [*SHARE, always], SurveyReward(paid=0.5), TRAINING, phases=1, seeds=12, seed=0
    )
    assert (found.unread, list(found.observables)) == (("always",), ["share"])


def test_it_is_read_back_to_the_byte_and_made_again_from_its_seed() -> None:
    made = [
        forecast(survey(shared=True), SHARE, SurveyReward(paid=0.5), TRAINING, phases=3, seeds=12, seed=seed)
        for seed in (5, 5, 6)
    ]
    texts = [to_text({"coin": each}) for each in made]
    assert texts[0] == texts[1] != texts[2]
    assert to_text(from_text(texts[0])) == texts[0]


def test_too_little_is_refused() -> None:
    with pytest.raises(InputError, match="seeds must be at least 12"):
        forecast(survey(shared=True), SHARE, SurveyReward(paid=0.5), TRAINING, phases=1, seeds=11, seed=0)
    few = survey(shared=True).only(torch.arange(PROBLEMS - 1))
    with pytest.raises(InputError, match="prompts must be at least 12"):
        forecast(few, SHARE, SurveyReward(paid=0.5), TRAINING, phases=1, seeds=12, seed=0)


def test_a_training_that_diverges_is_refused_by_its_learning_rate() -> None:
    steep = survey(shared=True)
    steep = replace(steep, gradients=1e30 * steep.gradients)
    wild = replace(TRAINING, update=UpdateRule(split=True))
    with pytest.raises(InputError, match="learning_rate must be one at which simulated trainings stay finite"):
        forecast(steep, SHARE, SurveyReward(paid=0.5), wild, phases=3, seeds=12, seed=0)


def test_causes_add_up_and_an_absent_clip_is_none() -> None:
    paid = SurveyReward(paid=FIRST.numpy())
    asked = {"phases": 4, "seeds": 24, "seed": 0}
    whole = forecast(survey(shared=True), SHARE, paid, TRAINING, **asked).observables["share"]
    found = causes(survey(shared=True), SHARE, paid, TRAINING, **asked)["share"]
    assert isclose(found.noise.value + found.selection.value, whole.mean[-1] - whole.start, abs_tol=1e-9)
    assert found.clip == Part(0.0, 0.0)
    assert found.selection.value > 5 * found.selection.stderr > 0
    clipped = replace(TRAINING, surrogate=PpoClip(0.05, 0.05))
    held = causes(survey(shared=True), SHARE, paid, clipped, **asked)["share"]
    assert held.clip.value < -3 * held.clip.stderr  # the bounds hold back what is learned
    assert (held.noise, held.selection) == (found.noise, found.selection)


def test_a_coin_selects_nothing_and_its_clip_has_the_sign_of_theory() -> None:
    """Of a likely answer the upper side alone raises the chance, the lower alone lowers it: a step of 0.05 moves the
    ratio of the likely answer by 0.0125 and that of the other by 0.0375, so that a bound of 0.02 stops only the latter.
    """
    coin, asked = SurveyReward(paid=0.5), {"phases": 6, "seeds": 600, "seed": 1}
    found = {}
    for name, surrogate in (("upper", PpoClip(None, 0.02)), ("lower", PpoClip(0.02, None))):
        setup = replace(TRAINING, surrogate=surrogate, learning_rate=0.05)
        found[name] = causes(survey(shared=True), SHARE, coin, setup, **asked)["share"]
    assert found["upper"].selection == found["lower"].selection == Part(0.0, 0.0)
    assert found["upper"].clip.value > 3 * found["upper"].clip.stderr
    assert found["lower"].clip.value < -3 * found["lower"].clip.stderr


def test_causes_are_written_and_read_back() -> None:
    paid, asked = SurveyReward(paid=FIRST.numpy()), {"phases": 2, "seeds": 12, "seed": 0}
    made = forecast(survey(shared=True), SHARE, paid, TRAINING, **asked)
    made = replace(made, causes=causes(survey(shared=True), SHARE, paid, TRAINING, **asked))
    again = from_text(to_text({"truth": made}))["truth"]
    assert again.causes == made.causes
    assert again.unread == made.unread
