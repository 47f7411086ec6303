"""The law of the completions against the text drawn from it, and the law of each next character."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare

from clipbias.validate.organism.law import completion_law, next_laws
from clipbias.validate.organism.pretrain import _drawn_laws, pretrain
from clipbias.validate.organism.spec import SPECS, OrganismSpec, load_spec
from clipbias.validate.organism.text import alphabet, completion_text
from clipbias.validate.organism.tokenizer import character_tokenizer

pytestmark = pytest.mark.training


def short(spec: OrganismSpec, targets: str) -> OrganismSpec:
    return replace(spec, pretraining=replace(spec.pretraining, steps=4, clean_steps=2, batch_size=8, targets=targets))


@pytest.mark.parametrize(("clean", "c", "different"), [(False, 5, 18), (True, 5, 6), (False, 9, 12), (True, 9, 6)])
def test_the_law_is_that_of_the_drawn_text(clean: bool, c: int, different: int) -> None:
    """c = 9 is a hard problem: one wrong answer instead of two."""
    spec, rng, size = load_spec(SPECS / "repetition.toml"), np.random.default_rng(2), 20_000
    style = spec.style[1]
    texts, probabilities = completion_law(spec, style, 7, 8, c, clean)
    assert len(set(texts)) == len(texts) == different
    drawn: Counter[str] = Counter()
    for k in rng.choice(3, size=size, p=spec.shares(style)):
        drawn[completion_text(spec, spec.strategy[k], spec.format_rates(style)[k], 7, 8, c, clean, rng)] += 1
    assert set(drawn) <= set(texts)
    assert chisquare([drawn[t] for t in texts], size * probabilities).pvalue > 1e-4
    skewed = probabilities[::-1]  # a law that is not the text's is found out
    assert chisquare([drawn[t] for t in texts], size * skewed).pvalue < 1e-4


@settings(max_examples=60, deadline=None)
@given(
    texts=st.sets(st.text("ab", max_size=4), min_size=1, max_size=8).map(sorted),
    weights=st.lists(st.floats(0.01, 1), min_size=8, max_size=8),
    data=st.data(),
)
def test_each_next_law_is_the_share_of_the_texts_that_go_on_so(
    texts: list[str], weights: list[float], data: st.DataObject
) -> None:
    """Against a tree of conditional counts: weights of all beginnings, then one divided by the other."""
    probabilities = np.array(weights[: len(texts)]) / sum(weights[: len(texts)])
    drawn = data.draw(st.integers(0, len(texts) - 1))
    ended = [t + "." for t in texts]
    beginnings: Counter[str] = Counter()
    for text, weight in zip(ended, probabilities, strict=True):
        for length in range(len(text) + 1):
            beginnings[text[:length]] += weight
    laws = next_laws([["ab.".index(ch) for ch in t] for t in ended], probabilities, drawn, 3)
    for t, law in enumerate(laws):
        before = ended[drawn][:t]
        np.testing.assert_allclose(law, [beginnings[before + v] / beginnings[before] for v in "ab."], atol=1e-12)
    chain = np.prod([law["ab.".index(ch)] for law, ch in zip(laws, ended[drawn], strict=True)])
    assert chain == pytest.approx(probabilities[drawn])  # q(x) = Π q_t(x_t)


def test_laws_stand_one_place_before_the_token_they_are_about() -> None:
    spec = short(load_spec(SPECS / "code-strong.toml"), "law")
    tokenizer = character_tokenizer(alphabet(spec))
    tokens, mask, laws = _drawn_laws(spec, tokenizer, True, np.random.default_rng(0))
    for row in range(len(tokens)):
        text = tokenizer.decode(tokens[row][mask[row] == 1])
        places = laws[row].sum(-1).nonzero().flatten().tolist()
        assert places == list(range(places[0], int(mask[row].sum()) - 1))
        assert places[0] == text.index("\n")
        following = laws[row, places].gather(1, tokens[row, [p + 1 for p in places]][:, None])
        assert bool((following > 0).all())
        openings = {tokenizer.decode(i) for i in laws[row, places[0]].nonzero().flatten().tolist()}
        assert openings == {"p", "W"}
    torch.testing.assert_close(laws.sum(-1), (laws.sum(-1) > 0).float())


def test_pretraining_on_laws_repeats_itself_and_is_not_that_on_text() -> None:
    spec = load_spec(SPECS / "code-strong.toml")
    first, second, other = (list(pretrain(short(spec, t))[0].parameters()) for t in ("law", "law", "text"))
    assert all(a.equal(b) for a, b in zip(first, second, strict=True))
    assert not all(a.equal(b) for a, b in zip(first, other, strict=True))
