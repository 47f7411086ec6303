"""How much memory a training process takes, so that no more are started than fit.

Training in single precision holds four numbers a parameter (weight, gradient, Adam's two moments), what the backward
pass needs of every token, and the scores of every token over a part of the vocabulary, which TRL works through in
pieces. Sampling holds no gradients, but many answers at once. The larger of the two is the peak.

Accuracy: of the processes whose peak was measured, with 0.3 to 135 million parameters, the largest error was 15 %.
"""

from dataclasses import dataclass

from clipbias.common.errors import InputError

from .size import ModelSize

BASE = 500 * 2**20  # a process that has loaded torch, transformers and TRL
NUMBER = 4  # bytes
SCORED_TOGETHER = 32_768  # words of the vocabulary in one piece of TRL's
SCORE_COPIES = 8  # numbers a token and word of a piece while its gradient is made
SAMPLED_COPIES = 4  # numbers a word while one token of every answer is drawn


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """minibatch: completions that pass forward and back together; sampled: answers drawn together, at most; prompt,
    answer: tokens, at most. checkpointing, lora_rank: as in a recipe's training."""

    minibatch: int
    sampled: int
    prompt: int
    answer: int
    checkpointing: bool = False
    lora_rank: int | None = None


def worker_bytes(model: ModelSize, load: Load) -> int:
    """The most that one training process holds."""
    return BASE + max(training_parts(model, load).total, _sampling_bytes(model, load))


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainingParts:
    """Bytes. embedding: its gradient, once from the input and once from the output."""

    weights: int
    gradients: int
    moments: int
    activations: int
    scores: int
    embedding: int

    @property
    def total(self) -> int:
        return self.weights + self.gradients + self.moments + self.activations + self.scores + self.embedding


def updates_numbers(model: ModelSize, rank: int) -> int:
    """Numbers in low-rank updates: rank·(in + out) of each linear layer but the last. Domain: queries are as wide as a
    token's state, and three layers lie between that width and the one between, as in Llama and Qwen2."""
    attention = 4 * model.width + 2 * (model.width + model.key_values // 2)
    return rank * model.layers * (attention + 3 * (model.width + model.inner))


def trained_numbers(model: ModelSize, rank: int | None) -> int:
    """Numbers that have a gradient. rank: of low-rank updates, None where all weights are trained."""
    return model.parameters if rank is None else updates_numbers(model, rank)


def training_parts(model: ModelSize, load: Load) -> TrainingParts:
    """A layer keeps of a token, for the backward pass, eleven numbers by its width (two norms with their inputs and
    outputs, queries, keys, values, what attention gives) and four by the width between. With checkpointing a layer
    keeps its input, and all of that is held of one layer at a time. Frozen weights have no gradient and no moments."""
    tokens = load.minibatch * (load.prompt + load.answer)
    whole = 11 * model.width + 4 * model.inner
    kept = model.layers * model.width + whole if load.checkpointing else model.layers * whole
    trained = trained_numbers(model, load.lora_rank)
    updates = 0 if load.lora_rank is None else trained
    return TrainingParts(
        weights=NUMBER * (model.parameters + updates),
        gradients=NUMBER * trained,
        moments=NUMBER * 2 * trained,
        activations=NUMBER * tokens * kept,
        scores=NUMBER * tokens * SCORE_COPIES * min(model.vocabulary, SCORED_TOGETHER),
        embedding=NUMBER * 2 * model.vocabulary * model.width if load.lora_rank is None else 0,
    )


def _sampling_bytes(model: ModelSize, load: Load) -> int:
    """Weights and moments, and the answers."""
    held = model.parameters + 2 * trained_numbers(model, load.lora_rank)
    return NUMBER * held + load.sampled * answer_bytes(model, load.prompt, load.answer)


def answer_bytes(model: ModelSize, prompt: int, answer: int) -> int:
    """Of one answer while many are drawn: its keys and values, and one layer's work on its prompt."""
    kept = (prompt + answer) * model.layers * model.key_values
    work = prompt * (2 * model.width + 3 * model.inner)
    return NUMBER * (kept + work + SAMPLED_COPIES * model.vocabulary)


def fitting_workers(most: int, needed: int, free: int) -> int:
    """As many of `most` as fit, at least one; raises InputError naming memory where not even one does."""
    if needed > free:
        allowed = f"free for one training process of about {_gigabytes(needed)} (less with smaller mini-batches)"
        raise InputError("memory", f"{allowed}, and {_gigabytes(free)} are")
    return min(most, free // needed)


def _gigabytes(count: int) -> str:
    return f"{count / 1e9:.1f} GB"
