"""Reading a model's strategy share on a fixed prompt set: exactly from one softmax, or by counting samples."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase


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


def encode_prompts(tokenizer: PreTrainedTokenizerBase, prompts: tuple[str, ...]) -> dict[str, torch.Tensor]:
    """Left-padded token ids, through the chat template where there is one."""
    if tokenizer.chat_template:
        texts = [
            tokenizer.apply_chat_template([{"role": "user", "content": p}], tokenize=False, add_generation_prompt=True)
            for p in prompts
        ]
    else:
        texts = list(prompts)
    encoded = tokenizer(
        texts,
        padding=True,
        padding_side="left",
        return_tensors="pt",
        add_special_tokens=not tokenizer.chat_template,
    )
    return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}


@torch.no_grad()
def first_token_log_probs(model: PreTrainedModel, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
    """[prompts, vocabulary] log-probabilities of the first answer token, in double precision."""
    inputs = {name: tensor.to(model.device) for name, tensor in inputs.items()}
    return model(**inputs, logits_to_keep=1).logits[:, -1].double().log_softmax(-1)


def mean_entropy(log_probs: torch.Tensor) -> float:
    return float(-(log_probs.exp() * log_probs.clamp(min=-1e4)).sum(-1).mean())


@dataclass(frozen=True, slots=True)
class FirstTokenProbe:
    """The share is the mean probability of the strategy's opening token: no sampling error."""

    tokenizer: PreTrainedTokenizerBase
    prompts: tuple[str, ...]
    opening: int

    def read(self, model: PreTrainedModel, max_completion_length: int, seed: int) -> Reading:
        log_probs = first_token_log_probs(model, encode_prompts(self.tokenizer, self.prompts))
        share = float(log_probs[:, self.opening].exp().mean())
        tiny = 1e-12  # a collapsed model may put the whole of a double's precision on one token
        return Reading(min(max(share, tiny), 1 - tiny), None, mean_entropy(log_probs))


@dataclass(frozen=True, slots=True)
class SampledProbe:
    """The share is counted by `uses_strategy` in `samples` answers to each prompt at temperature 1."""

    tokenizer: PreTrainedTokenizerBase
    prompts: tuple[str, ...]
    samples: int
    uses_strategy: Callable[[str], bool]

    def read(self, model: PreTrainedModel, max_completion_length: int, seed: int) -> Reading:
        inputs = encode_prompts(self.tokenizer, self.prompts)
        entropy = mean_entropy(first_token_log_probs(model, inputs))
        with torch.random.fork_rng(), torch.no_grad():
            torch.manual_seed(seed)
            answers = model.generate(
                **{name: tensor.to(model.device) for name, tensor in inputs.items()},
                do_sample=True,
                temperature=1.0,
                top_k=0,
                top_p=1.0,
                num_return_sequences=self.samples,
                max_new_tokens=max_completion_length,
                pad_token_id=self.tokenizer.pad_token_id,
            )
        texts = self.tokenizer.batch_decode(answers[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True)
        return Reading(sum(map(self.uses_strategy, texts)) / len(texts), len(texts), entropy)
