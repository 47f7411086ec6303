"""Reading a trained model on answers that are fixed beforehand, without drawing any: by their probabilities.

An organism's answers can be listed, so that its readings are exact but for what it says beyond its spec. Another
model's were drawn from it untrained, S to a problem, and are reweighted by p_θ(y)/p_θ₀(y); `effective` says how many
they are still worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from transformers import PreTrainedModel

from clipbias.simulate.tangent.reading import TINY, Observable
from clipbias.validate.model.gradients import Row, token_log_probs
from clipbias.validate.model.sampling import answer_ends, distinct_answers, prompt_tokens, sample_tokens
from clipbias.validate.model.subject import Subject
from clipbias.validate.organism.law import completion_law
from clipbias.validate.organism.spec import load_spec
from clipbias.validate.organism.text import training_numbers
from clipbias.validate.tasks.problems import Asked, Problem

from .observables import observables


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ReadingSet:
    """N answers. rows: prompt and answer; problem [N]; log_weight [N]: a weight is exp(log p_θ(y) + log_weight), over
    the sum of its problem's; untrained [N]: log p_θ₀(y)."""

    rows: tuple[Row, ...]
    problem: Tensor
    log_weight: Tensor
    untrained: Tensor
    observables: tuple[Observable, ...]

    def read(self, model: PreTrainedModel) -> dict[str, float]:
        """Every observable by its name; NaN where nothing is given."""
        return self._means(_log_probs(model, self.rows))

    def read_untrained(self) -> dict[str, float]:
        """`read` of the model that the set was made with, which it is not asked for again."""
        return self._means(self.untrained)

    def _means(self, log_prob: Tensor) -> dict[str, float]:
        logs = log_prob + self.log_weight
        count = int(self.problem.max()) + 1
        top = logs.new_full((count,), -torch.inf).scatter_reduce(0, self.problem, logs, "amax")
        lifted = (logs - top[self.problem]).exp()
        weight = lifted / lifted.new_zeros(count).index_add(0, self.problem, lifted)[self.problem]
        found = {}
        for seen in self.observables:
            value = (weight * seen.of * seen.given).sum() / (weight * seen.given).sum()
            found[seen.name] = float(torch.logit(value, TINY) if seen.log_odds else value)
        return found


def listed(subject: Subject, style: str, places: Sequence[int]) -> ReadingSet:
    """Of an organism: every answer that its spec can write to the training problems at these places."""
    spec = load_spec(subject.folder / "spec.toml")
    numbers = training_numbers(spec)
    rows, owner, texts = [], [], []
    tokenizer, asked = subject.tokenizer, prompt_tokens(subject.tokenizer, _prompts(subject, style, places))
    for i, (place, prompt) in enumerate(zip(places, asked, strict=True)):
        a, b, c = (int(n) for n in numbers[place])
        for text in completion_law(spec, spec.style_named(style), a, b, c, clean=False)[0]:
            tokens = (*tokenizer(text)["input_ids"], tokenizer.eos_token_id)
            rows.append(Row((*prompt, *tokens), len(prompt)))
            owner.append(i)
            texts.append(text)
    before, weight = _log_probs(subject.model, rows), torch.zeros(len(rows), dtype=torch.float64)
    return _set(subject, style, places, rows, owner, texts, before, weight, [True] * len(rows))


def drawn(subject: Subject, style: str, places: Sequence[int], samples: int, longest: int, seed: int) -> ReadingSet:
    """Of any model: `samples` answers of the untrained one to each of the problems at these places."""
    prompts = _prompts(subject, style, places)
    ends, asked = answer_ends(subject.model, subject.tokenizer), prompt_tokens(subject.tokenizer, prompts)
    lists = sample_tokens(subject.model, subject.tokenizer, prompts, samples, longest, seed, batch=subject.batch)
    answers = distinct_answers(lists, ends)
    rows = [Row(asked[a.problem] + a.tokens, len(asked[a.problem])) for a in answers]
    before = _log_probs(subject.model, rows)
    texts = subject.tokenizer.batch_decode([list(a.tokens) for a in answers], skip_special_tokens=True)
    weight = torch.tensor([a.count for a in answers], dtype=torch.float64).log() - before
    finished = [a.tokens[-1] in ends for a in answers]
    return _set(subject, style, places, rows, [a.problem for a in answers], texts, before, weight, finished)


def _log_probs(model: PreTrainedModel, rows: Sequence[Row]) -> Tensor:
    """Of whole answers, [rows]."""
    return torch.tensor([float(line.sum()) for line in token_log_probs(model, rows)], dtype=torch.float64)


def _prompts(subject: Subject, style: str, places: Sequence[int]) -> tuple[Asked, ...]:
    return tuple(subject.problems[style][place].prompt for place in places)


def _set(
    subject: Subject,
    style: str,
    places: Sequence[int],
    rows: Sequence[Row],
    owner: Sequence[int],
    texts: Sequence[str],
    untrained: Tensor,
    log_weight: Tensor,
    finished: Sequence[bool],
) -> ReadingSet:
    problems: list[Problem] = [subject.problems[style][places[i]] for i in owner]
    tokens = torch.tensor([len(row.tokens) - row.start for row in rows])
    return ReadingSet(
        rows=tuple(rows),
        problem=torch.tensor(owner),
        log_weight=log_weight,
        untrained=untrained,
        observables=tuple(observables(texts, problems, tokens, finished, subject.strategy_of)),
    )
