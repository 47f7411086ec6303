"""Reading a model's strategy share on a fixed prompt set: exactly from one softmax, or by counting samples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase

from clipbias.validate.recipe.training import BATCH
from clipbias.validate.tasks.problems import Asked

from .sampling import encode_prompts, sample_answers


@dataclass(frozen=True, slots=True)
class Reading:
    """share: probability of the strategy. samples: answers counted, or None where the share is exact.
    first_token_entropy: mean entropy in nats of the distribution of the first token."""

    share: float
    samples: int | None
    first_token_entropy: float

    @property
    def log_odds(self) -> float:
        """logit of the share; a counted share is shrunk by half an answer either way (Jeffreys), so it is finite."""
        if self.samples is None:
            return math.log(self.share) - math.log1p(-self.share)
        counted = self.share * self.samples
        return math.log((counted + 0.5) / (self.samples - counted + 0.5))


class Probe(Protocol):
    def read(self, model: PreTrainedModel, max_completion_length: int, seed: int) -> Reading: ...


@torch.no_grad()
def first_token_log_probs(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """[prompts, vocabulary] log-probabilities of the first answer token, in double precision."""
    inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
    logits: torch.Tensor = model(**inputs, logits_to_keep=1).logits
    return logits[:, -1].double().log_softmax(-1)


def mean_entropy(log_probs: torch.Tensor) -> float:
    return float(-(log_probs.exp() * log_probs.clamp(min=-1e4)).sum(-1).mean())


@dataclass(frozen=True, slots=True)
class FirstTokenProbe:
    """The share is the mean probability of the strategy's opening token: no sampling error."""

    tokenizer: PreTrainedTokenizerBase
    prompts: tuple[Asked, ...]
    opening: int

    def read(self, model: PreTrainedModel, max_completion_length: int, seed: int) -> Reading:
        log_probs = first_token_log_probs(model, encode_prompts(self.tokenizer, self.prompts))
        share = float(log_probs[:, self.opening].exp().mean())
        tiny = 1e-12  # a collapsed model may put the whole of a double's precision on one token
        return Reading(min(max(share, tiny), 1 - tiny), None, mean_entropy(log_probs))


@dataclass(frozen=True, slots=True)
class SampledProbe:
    """The share is counted by `uses_strategy` in `samples` answers to each prompt at temperature 1, `batch` at a
    time."""

    tokenizer: PreTrainedTokenizerBase
    prompts: tuple[Asked, ...]
    samples: int
    uses_strategy: Callable[[str], bool]
    batch: int = BATCH

    def read(self, model: PreTrainedModel, max_completion_length: int, seed: int) -> Reading:
        inputs = encode_prompts(self.tokenizer, self.prompts)
        entropy = mean_entropy(first_token_log_probs(model, inputs))
        answers = sample_answers(
            model, self.tokenizer, self.prompts, self.samples, max_completion_length, seed, batch=self.batch
        )
        texts = [text for texts in answers for text in texts]
        return Reading(sum(map(self.uses_strategy, texts)) / len(texts), len(texts), entropy)
