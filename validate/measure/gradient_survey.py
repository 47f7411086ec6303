"""A survey with gradients: what the untrained model answers, and how its parameters would move each answer.

Three readings of the model, no training: answers, drawn; their log-probabilities, one pass forward; and the gradients
of their parts, one pass forward and back for each, at coordinates that are drawn once.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.errors import InputError, check
from clipbias.common.progress import steps
from clipbias.common.seeds import seed_of
from clipbias.simulate.tangent.tree import PADDING, Tree
from clipbias.validate.model.gradients import Row, check_model, gradients, squared_gradients, token_log_probs
from clipbias.validate.model.sampling import Answer, answer_ends, distinct_answers, prompt_tokens, sample_tokens
from clipbias.validate.recipe.recipe import Parts
from clipbias.validate.recipe.training import BATCH
from clipbias.validate.tasks.problems import Asked

CERTAIN = 1e-3  # a token whose alternatives have less in all moves nothing: it gets no edge
LOUD_ANSWERS = 32  # that are drawn to tell how loud each coordinate is
_FLOOR = 1e-3  # of the loudness's mean: a coordinate that was silent in all draws is still drawn now and then

Arrays: TypeAlias = Mapping[str, NDArray[Any]]
Keep: TypeAlias = Callable[[str, Callable[[], Arrays]], Arrays]
"""What a part of a survey is handed to, by its name and as what makes it: one that keeps parts on a disk makes each
once, so that a survey that was stopped goes on where it was."""


def keep_nothing(name: str, make: Callable[[], Arrays]) -> Arrays:
    return make()


@dataclass(frozen=True, slots=True, eq=False)
class GradientSurvey:
    """texts, token_ids (padding left out), finished (whether they came to their end): of the distinct answers of
    `tree`, by its numbers."""

    tree: Tree
    texts: tuple[str, ...]
    token_ids: tuple[tuple[int, ...], ...]
    finished: NDArray[np.bool_]


def survey_gradients(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Asked],
    *,
    samples: int,
    max_new_tokens: int,
    coordinates: int,
    parts: Parts,
    seed: int,
    batch: int = BATCH,
    together: int | None = None,
    keep: Keep = keep_nothing,
) -> GradientSurvey:
    """`samples` answers to each prompt. coordinates: how many of the parameters' are read (all, where there are no
    more). parts: whether an edge is a token or a whole answer; the former costs a pass for each token that could have
    been another, and follows ratios token by token. batch: answers that are drawn at once. together: those and rows of
    gradients that are kept at once (None: as many as there are)."""
    ends = answer_ends(model, tokenizer)
    drawn = _drawn(model, tokenizer, prompts, samples, max_new_tokens, seed, batch, together, keep)
    answers = distinct_answers(drawn, ends)
    asked = prompt_tokens(tokenizer, prompts)
    tree = read_tree(
        model, asked, answers, coordinates=coordinates, parts=parts, seed=seed, together=together, keep=keep
    )
    token_ids = tuple(a.tokens for a in answers)
    texts = tokenizer.batch_decode([list(ids) for ids in token_ids], skip_special_tokens=True)
    return GradientSurvey(tree, tuple(texts), token_ids, np.array([ids[-1] in ends for ids in token_ids]))


def read_tree(
    model: PreTrainedModel,
    prompts: Sequence[tuple[int, ...]],
    answers: Sequence[Answer],
    *,
    coordinates: int,
    parts: Parts,
    seed: int,
    together: int | None = None,
    keep: Keep = keep_nothing,
) -> Tree:
    """The tree of given answers, by problem, to prompts of tokens; otherwise as `survey_gradients`."""
    check(coordinates >= 1, "coordinates", "at least 1", coordinates)
    rows = [Row(prompts[a.problem] + a.tokens, len(prompts[a.problem])) for a in answers]

    def choose() -> Arrays:
        check_model(model, rows[0])
        rng = np.random.default_rng([seed, len(prompts)])
        loud = _loudness(model, rows, [a.count for a in answers], rng)
        places, chance = _coordinates(loud, coordinates, rng)
        return {"places": places, "chance": chance}

    chosen = keep("coordinates", choose)
    flat = keep("log-probs", lambda: {"flat": np.concatenate(token_log_probs(model, rows))})["flat"]
    log_probs = np.split(flat, np.cumsum([len(a.tokens) for a in answers])[:-1])
    cut = _by_token if parts == "token" else _by_answer
    edges, paths = cut(answers, rows, log_probs)
    table = _table(model, [edge.row for edge in edges], chosen["places"], together, keep)
    depth = max(map(len, paths))
    return Tree(
        gradients=table,
        scale=torch.as_tensor(1.0 / chosen["chance"], dtype=torch.float32),
        log_prob=torch.tensor([edge.log_prob for edge in edges], dtype=torch.float32),
        length=torch.tensor([edge.length for edge in edges], dtype=torch.float32),
        node=torch.tensor([edge.node for edge in edges]),
        edge_problem=torch.tensor([edge.problem for edge in edges]),
        problem=torch.tensor([a.problem for a in answers]),
        count=torch.tensor([a.count for a in answers], dtype=torch.float32),
        tokens=torch.tensor([len(a.tokens) for a in answers]),
        path=torch.tensor([path + [PADDING] * (depth - len(path)) for path in paths]),
    )


def _drawn(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    prompts: Sequence[Asked],
    samples: int,
    max_new_tokens: int,
    seed: int,
    batch: int,
    together: int | None,
    keep: Keep,
) -> list[list[list[int]]]:
    """Answers by prompt, some prompts at a time, each time by a seed of its own."""
    if together is None:
        return sample_tokens(model, tokenizer, prompts, samples, max_new_tokens, seed, batch=batch)
    step = max(1, min(together, batch) // samples)
    found: list[list[list[int]]] = []
    with steps("answers", len(prompts)) as done:
        for part, first in enumerate(range(0, len(prompts), step)):

            def make(part: int = part, first: int = first) -> Arrays:
                some = prompts[first : first + step]
                lists = sample_tokens(model, tokenizer, some, samples, max_new_tokens, seed_of(seed, part), batch=batch)
                return {"tokens": np.array(lists, dtype=np.int32)}

            found += keep(f"answers-{part}", make)["tokens"].tolist()
            done(len(found))
    return found


def _table(
    model: PreTrainedModel, rows: Sequence[Row], places: NDArray[np.int64], together: int | None, keep: Keep
) -> Tensor:
    """Gradients [rows, coordinates], some rows at a time."""
    step, found = together or len(rows), []
    with steps("gradients of answers", len(rows)) as done:
        for part, first in enumerate(range(0, len(rows), step)):

            def make(first: int = first) -> Arrays:
                some = rows[first : first + step]
                return {"gradients": gradients(model, some, places, lambda n: done(first + n))[0].numpy()}

            found.append(torch.as_tensor(keep(f"gradients-{part}", make)["gradients"]))
    return torch.cat(found)


def _loudness(
    model: PreTrainedModel, rows: Sequence[Row], counts: Sequence[int], rng: np.random.Generator
) -> NDArray[np.float64]:
    """√E[g_d²] of every parameter, over drawn answers: a mini-batch's g_d² is that of one of its answers times their
    number, where their signs are random."""
    share = np.asarray(counts, dtype=np.float64) / sum(counts)
    drawn = rng.choice(len(rows), LOUD_ANSWERS, p=share)
    loud = np.sqrt(squared_gradients(model, [rows[i] for i in drawn]).double().numpy())
    if not loud.any():
        raise InputError("model", "one whose answers have gradients", "none")
    return np.where(loud > 0, loud + _FLOOR * loud.mean(), 0.0)


def _coordinates(
    loud: NDArray[np.float64], wanted: int, rng: np.random.Generator
) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """(Sorted places of coordinates, chance of each to be drawn).

    An optimizer that divides by √v moves coordinate d of Δ by about g_d/√v_d a step, and φ·Δ by φ_d g_d/√v_d: on
    average √E[g_d²]. So coordinates are drawn with chances in proportion to that, by systematic sampling.
    """
    if wanted >= np.count_nonzero(loud):
        chosen = np.flatnonzero(loud)
        return chosen, np.ones(len(chosen))
    chance = np.minimum(1.0, wanted * loud / loud.sum())
    while (over := chance < 1.0).any() and abs(chance.sum() - wanted) > 1e-6 * wanted:
        chance[over] *= (wanted - np.count_nonzero(~over)) / chance[over].sum()
        chance = np.minimum(chance, 1.0)
    marks = np.arange(wanted) + rng.random()
    chosen = np.unique(np.searchsorted(np.cumsum(chance), marks).clip(max=len(chance) - 1))
    return chosen, chance[chosen]


@dataclass(frozen=True, slots=True)
class _Edge:
    row: Row
    log_prob: float
    length: int
    node: int
    problem: int


def _by_answer(
    answers: Sequence[Answer], rows: Sequence[Row], log_probs: Sequence[NDArray[np.float64]]
) -> tuple[list[_Edge], list[list[int]]]:
    """One edge an answer, one node a problem."""
    edges = [
        _Edge(row, float(values.sum()), len(values), answer.problem, answer.problem)
        for answer, row, values in zip(answers, rows, log_probs, strict=True)
    ]
    return edges, [[i] for i in range(len(edges))]


def _by_token(
    answers: Sequence[Answer], rows: Sequence[Row], log_probs: Sequence[NDArray[np.float64]]
) -> tuple[list[_Edge], list[list[int]]]:
    """An edge for each token after each beginning at which some token seen there was not certain."""
    seen: dict[tuple[int, ...], dict[int, float]] = {}  # by problem and beginning: tokens and their log-probabilities
    for answer, values in zip(answers, log_probs, strict=True):
        for t, value in enumerate(values.tolist()):
            seen.setdefault((answer.problem, *answer.tokens[:t]), {})[answer.tokens[t]] = value
    certain = float(np.log1p(-CERTAIN))
    nodes = {key: i for i, key in enumerate(k for k, found in seen.items() if min(found.values()) < certain)}
    edges: list[_Edge] = []
    places: dict[tuple[int, ...], int] = {}
    paths: list[list[int]] = []
    for answer, row, values in zip(answers, rows, log_probs, strict=True):
        path = []
        for t, value in enumerate(values.tolist()):
            key = (answer.problem, *answer.tokens[:t])
            if key not in nodes:
                continue
            edge = (*key, answer.tokens[t])
            if edge not in places:
                places[edge] = len(edges)
                part = Row(row.tokens[: row.start + t + 1], row.start + t)
                edges.append(_Edge(part, value, 1, nodes[key], answer.problem))
            path.append(places[edge])
        paths.append(path)
    return edges, paths
