"""The survey with gradients on a tiny model: paths add up to whole answers, nodes stay laws, sampled coordinates do
not lean."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from transformers import PreTrainedModel

import tiny_trl
from clipbias.simulate.tangent.packing import Layout
from clipbias.simulate.tangent.tree import PADDING, Tree
from clipbias.validate.measure import gradient_survey
from clipbias.validate.measure.gradient_survey import read_tree, survey_gradients
from clipbias.validate.model.gradients import total_size
from clipbias.validate.model.sampling import Answer, distinct_answers, sample_tokens
from clipbias.validate.recipe.recipe import Parts

pytestmark = pytest.mark.fast

PROMPTS = ((2,), (2, 3), (2, 4, 5))
Setting = tuple[PreTrainedModel, tuple[Answer, ...]]


@pytest.fixture(scope="module")
def setting() -> Setting:
    """Weights louder than they start, so that some tokens are likely; 24 answers to each prompt."""
    made = tiny_trl.model().eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter *= 12.0 if parameter.dim() == 2 else 1.0
    drawn = sample_tokens(made, tiny_trl.tokenizer(), ("ask", "ask a", "ask b c"), 24, 4, seed=3)
    return made, tuple(distinct_answers(drawn, {1}))


def read(setting: Setting, parts: Parts = "token", coordinates: int = 10**6) -> Tree:
    return read_tree(setting[0], PROMPTS, setting[1], coordinates=coordinates, parts=parts, seed=3)


def answer_gradients(setting: Setting) -> tuple[torch.Tensor, list[float]]:
    """∇ log p of every answer, all coordinates, and log p, one by one by autograd."""
    model, answers = setting
    found, values = [], []
    for answer in answers:
        prompt = PROMPTS[answer.problem]
        model.zero_grad()
        laws = model(input_ids=torch.tensor([prompt + answer.tokens])).logits[0].log_softmax(-1)
        total = sum(laws[len(prompt) + t - 1, token] for t, token in enumerate(answer.tokens))
        total.backward()
        found.append(torch.cat([p.grad.flatten() for p in model.parameters()]))
        values.append(float(total.detach()))
    return torch.stack(found), values


def path_sums(tree: Tree, values: torch.Tensor) -> torch.Tensor:
    """Σ over each answer's edges of values [E, …]."""
    return torch.stack([values[path[path != PADDING]].sum(0) for path in tree.path])


@pytest.mark.parametrize("parts", ["token", "answer"])
def test_edges_add_up_to_answers(setting: Setting, parts: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """But for tokens that were certain: what they take off grows with what is called certain."""
    expected, values = answer_gradients(setting)
    loud = expected.abs().sum(0) > 0

    def errors(tree: Tree) -> torch.Tensor:
        assert tree.gradients.shape[1] == int(loud.sum())
        differences = path_sums(tree, tree.gradients) - expected[:, loud]
        return differences.norm(dim=1) / expected.norm(dim=1)

    whole = read(setting, parts)
    assert errors(whole).max() < 1e-5
    assert torch.allclose(path_sums(whole, whole.log_prob), torch.tensor(values), atol=1e-4)
    if parts == "token":
        monkeypatch.setattr(gradient_survey, "CERTAIN", 0.6)
        assert 1e-3 < errors(read(setting, parts)).max() < 1
        assert errors(replace(whole, path=whole.path[:, :-1])).max() > 0.1


@pytest.mark.parametrize("parts", ["token", "answer"])
def test_counts_nodes_and_laws(setting: Setting, parts: str) -> None:
    tree = read(setting, parts)
    assert torch.bincount(tree.problem, tree.count).tolist() == [24] * len(PROMPTS)
    assert len({(answer.problem, answer.tokens) for answer in setting[1]}) == len(tree.count)
    assert tree.tokens.tolist() == [len(answer.tokens) for answer in setting[1]]
    for path, problem in zip(tree.path, tree.problem, strict=True):
        edges = path[path != PADDING]
        assert (tree.edge_problem[edges] == problem).all()
        assert len(set(tree.node[edges].tolist())) == len(edges)  # one token after one beginning
    for node in tree.node.unique():
        assert tree.log_prob[tree.node == node].exp().sum() < 1 + 1e-5
    packed = Layout(tree).pack(torch.tensor([[2, 0], [1, 1]]))
    generator = torch.Generator().manual_seed(1)
    laws = packed.nodes.moved(torch.randn(packed.edges.shape, generator=generator))
    for row, law in enumerate(laws.prob):
        own = packed.nodes.present[row]
        known = torch.unique(packed.nodes.nodes[row, own])
        sums = [law[own & (packed.nodes.nodes[row] == node)].sum() + laws.rest[row, node] for node in known]
        assert torch.allclose(torch.stack(sums), torch.ones(len(known)), atol=1e-5)


def test_scores_at_a_node_seen_whole_have_mean_zero(setting: Setting) -> None:
    """Hence φ_rest = −Σ p φ/q of what was not seen."""
    answers = tuple(Answer(problem, (token,), 1) for problem in range(len(PROMPTS)) for token in range(8))
    tree = read((setting[0], answers))
    table = tree.gradients.unflatten(0, (len(PROMPTS), 8))
    prob = tree.log_prob.exp().unflatten(0, (len(PROMPTS), 8))
    mean = torch.einsum("pk,pkd->pd", prob, table).norm(dim=1)
    assert (mean < 1e-4 * table.norm(dim=2).amax(1)).all()
    assert (torch.einsum("pk,pkd->pd", prob[:, 1:], table[:, 1:]).norm(dim=1) > 1e-2 * mean).all()


def test_sampled_coordinates_give_the_kernel_without_bias(setting: Setting) -> None:
    tree = read(setting)
    assert (tree.scale == 1).all()
    exact = (tree.gradients @ tree.gradients.T).double()
    loud = tree.gradients.square().mean(0).sqrt().double().numpy()
    rng = np.random.default_rng(5)
    found, leaning = [], []
    for _ in range(400):
        chosen, chance = gradient_survey._coordinates(loud, 60, rng)
        part = tree.gradients[:, chosen].double()
        found.append((part / torch.as_tensor(chance)) @ part.T)
        leaning.append(part @ part.T * (len(loud) / 60))

    def z_scores(kernels: list[torch.Tensor]) -> torch.Tensor:
        table = torch.stack(kernels)
        return (table.mean(0) - exact) / (table.std(0) / len(kernels) ** 0.5)

    assert z_scores(found).square().mean() < 1.5
    assert z_scores(found).abs().max() < 4.5
    assert z_scores(leaning).square().mean() > 10


def test_the_survey_itself_samples_coordinates(setting: Setting) -> None:
    whole, part = read(setting), read(setting, coordinates=200)
    assert part.gradients.shape[1] == len(part.scale) <= 200 < total_size(setting[0])
    assert (part.scale >= 1).all()
    assert torch.equal(part.path, whole.path)
    exact, rough = whole.gradients @ whole.gradients.T, (part.gradients * part.scale) @ part.gradients.T
    assert torch.corrcoef(torch.stack([exact.flatten(), rough.flatten()]))[0, 1] > 0.98


def test_the_survey_draws_what_it_reads(setting: Setting) -> None:
    survey = survey_gradients(
        setting[0],
        tiny_trl.tokenizer(),
        ("ask", "ask a", "ask b c"),
        samples=24,
        max_new_tokens=4,
        coordinates=50,
        parts="answer",
        seed=3,
    )
    assert survey.tree.count.tolist() == [answer.count for answer in setting[1]]
    assert survey.finished.tolist() == [answer.tokens[-1] == 1 for answer in setting[1]]
    assert not survey.finished.all()
    words = [" ".join(tiny_trl.WORDS[t] for t in answer.tokens if t > 1) for answer in setting[1]]
    assert list(survey.texts) == words
