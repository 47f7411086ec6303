"""Gradients put together from layers, beside autograd's of one row at a time, on models of several makes."""

import gc
from collections.abc import Callable

import numpy as np
import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    Gemma2Config,
    GemmaConfig,
    GPT2Config,
    GPTNeoXConfig,
    LlamaConfig,
    PreTrainedConfig,
    PreTrainedModel,
    Qwen2Config,
)

from clipbias.common.errors import InputError
from clipbias.validate.model import gradients as module
from clipbias.validate.model.gradients import (
    Row,
    check_model,
    gradients,
    squared_gradients,
    token_log_probs,
    total_size,
)

pytestmark = pytest.mark.fast

WORDS = 12
SIZES = {
    "vocab_size": WORDS,
    "hidden_size": 8,
    "intermediate_size": 16,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "max_position_embeddings": 32,
    "pad_token_id": 0,
    "bos_token_id": None,
    "eos_token_id": 1,
}
GROUPED = SIZES | {"num_key_value_heads": 1}
KNOWN: dict[str, Callable[[], PreTrainedConfig]] = {
    "qwen2": lambda: Qwen2Config(**GROUPED),
    "qwen2, tied": lambda: Qwen2Config(**GROUPED, tie_word_embeddings=True),
    "llama": lambda: LlamaConfig(**GROUPED),
    "llama, biased": lambda: LlamaConfig(**GROUPED, attention_bias=True, mlp_bias=True),
    "gpt-neox": lambda: GPTNeoXConfig(**SIZES, hidden_dropout=0.0, attention_dropout=0.0),
    "gemma, norms by 1 + w": lambda: GemmaConfig(**GROUPED, head_dim=4),
    "gemma2, scores capped": lambda: Gemma2Config(**GROUPED, head_dim=4, sliding_window=4),
}
REFUSED: dict[str, Callable[[], PreTrainedConfig]] = {
    "layers of their own": lambda: GPT2Config(
        vocab_size=WORDS, n_positions=32, n_embd=8, n_layer=1, n_head=2, bos_token_id=0, eos_token_id=1
    ),
}
# Token 0 pads: torch gives its embedding no gradient, wherever it stands.
ROWS = [Row((2, 3, 4, 5, 6), 2), Row((2, 0, 8), 1), Row((9, 3, 3, 10, 1, 4, 2), 6), Row((2, 3, 4), 2)]


def model(config: PreTrainedConfig) -> PreTrainedModel:
    """Of random weights, norms included, whose scales start at 1 otherwise."""
    torch.manual_seed(1)
    made = AutoModelForCausalLM.from_config(config).eval()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return made


def by_autograd(made: PreTrainedModel, row: Row) -> tuple[torch.Tensor, list[float]]:
    """(∇ Σ log p of the tokens that are meant, their log-probabilities), with no padding and nothing of ours."""
    made.zero_grad()
    laws = made(input_ids=torch.tensor([row.tokens])).logits[0].log_softmax(-1)
    values = [laws[t - 1, row.tokens[t]] for t in range(row.start, len(row.tokens))]
    sum(values).backward()
    flat = [torch.zeros_like(p) if p.grad is None else p.grad.clone() for p in made.parameters()]
    return torch.cat([part.flatten() for part in flat]), [float(value.detach()) for value in values]


@pytest.mark.parametrize("name", KNOWN)
def test_every_coordinate_is_autograds(name: str) -> None:
    made = model(KNOWN[name]())
    check_model(made, ROWS[0])
    found, log_probs = gradients(made, ROWS, np.arange(total_size(made)))
    for row, gradient, log_prob, values in zip(ROWS, found, log_probs, token_log_probs(made, ROWS), strict=True):
        expected, each = by_autograd(made, row)
        assert (gradient - expected).norm() < 2e-6 * expected.norm()
        assert np.allclose(values, each, atol=1e-5)
        assert float(log_prob) == pytest.approx(sum(each), abs=1e-5)


@pytest.mark.parametrize("name", ["qwen2, tied", "gpt-neox"])
def test_some_coordinates_are_the_same_as_all(name: str) -> None:
    made = model(KNOWN[name]())
    some = np.sort(np.random.default_rng(2).choice(total_size(made), 100, replace=False))
    found, _ = gradients(made, ROWS, some)
    whole, _ = gradients(made, ROWS, np.arange(total_size(made)))
    assert torch.allclose(found, whole[:, some], atol=1e-6)
    assert not torch.allclose(found, whole[:, some - 1], atol=1e-3)
    assert all(parameter.requires_grad for parameter in made.parameters())


def test_squares_are_of_single_rows() -> None:
    made = model(KNOWN["qwen2, tied"]())
    alone = [by_autograd(made, row)[0] for row in ROWS]
    found = squared_gradients(made, ROWS)
    assert torch.allclose(found, sum(gradient.square() for gradient in alone), rtol=1e-4, atol=1e-9)
    assert not torch.allclose(found, sum(alone).square(), rtol=0.1)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="linear layers, embeddings and norms"):
        check_model(model(REFUSED[name]()), ROWS[0])


@pytest.mark.parametrize("name", ["gemma, norms by 1 + w", "gemma2, scores capped"])
def test_a_norm_that_is_taken_for_another_is_refused(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_added", lambda _: 0.0)
    with pytest.raises(InputError, match=r"linear layers, embeddings and norms .* off"):
        check_model(model(KNOWN[name]()), ROWS[0])


def test_no_pass_outlives_its_batch() -> None:
    """What a batch's passes hold is freed with them, and does not wait for a collection of garbage: a real model's are
    hundreds of megabytes a row. A pass that keeps its graph is in a circle with its own hook."""
    made = model(KNOWN["qwen2, tied"]())
    gc.collect()
    gc.disable()
    try:
        gradients(made, ROWS, np.arange(total_size(made)))
        left = [x for x in gc.get_objects() if isinstance(x, torch.Tensor) and x.grad_fn is not None]
    finally:
        gc.enable()
    assert left == []
