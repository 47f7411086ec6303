"""Pretraining: a small Qwen2 learns the endless text of its spec."""

import numpy as np
import torch
import transformers
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from clipbias.common.progress import steps

from .law import law_batch
from .spec import OrganismSpec
from .text import alphabet, pretraining_batch
from .tokenizer import character_tokenizer


def new_model(spec: OrganismSpec, tokenizer: Qwen2Tokenizer) -> Qwen2ForCausalLM:
    config = Qwen2Config(
        vocab_size=len(tokenizer),
        hidden_size=spec.model.width,
        intermediate_size=spec.model.intermediate_size,
        num_hidden_layers=spec.model.layers,
        num_attention_heads=spec.model.heads,
        num_key_value_heads=spec.model.heads,
        max_position_embeddings=128,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    return Qwen2ForCausalLM(config)


Taught = tuple[torch.Tensor, torch.Tensor, torch.Tensor]  # input ids, attention mask, targets


def _drawn_text(spec: OrganismSpec, tokenizer: Qwen2Tokenizer, clean: bool, rng: np.random.Generator) -> Taught:
    """targets [rows, places]: the token at each place of a completion, −100 elsewhere."""
    batch = pretraining_batch(spec, spec.pretraining.batch_size, clean, rng)
    texts = tokenizer([p + c + tokenizer.eos_token for p, c in batch], padding=True, return_tensors="pt")
    labels = texts.input_ids.masked_fill(texts.attention_mask == 0, -100)
    for row, (prompt, _) in enumerate(batch):
        labels[row, : len(prompt)] = -100  # one token a character
    return texts.input_ids, texts.attention_mask, labels


def _drawn_laws(spec: OrganismSpec, tokenizer: Qwen2Tokenizer, clean: bool, rng: np.random.Generator) -> Taught:
    """targets [rows, places, vocabulary]: the law of the token after each place, zero before and after a completion."""
    known = tokenizer.get_vocab()
    ids = {character: known[tokenizer.tokenize(character)[0]] for character in alphabet(spec)}
    ids[""] = known[tokenizer.eos_token]
    rows = law_batch(spec, spec.pretraining.batch_size, clean, ids, len(tokenizer), rng)
    shape = (len(rows), max(len(prompt) + len(text) for prompt, text, _ in rows))
    tokens, mask = np.full(shape, tokenizer.pad_token_id), np.zeros(shape, dtype=np.int64)
    targets = np.zeros((*shape, len(tokenizer)), dtype=np.float32)
    for row, (prompt, text, laws) in enumerate(rows):
        start, end = len(prompt), len(prompt) + len(text)
        tokens[row, :end] = prompt + text
        mask[row, :end] = 1
        targets[row, start - 1 : end - 1] = laws
    return torch.from_numpy(tokens), torch.from_numpy(mask), torch.from_numpy(targets)


def pretrain(spec: OrganismSpec) -> tuple[Qwen2ForCausalLM, Qwen2Tokenizer]:
    """Next-token training on endless text from the spec (AdamW, cosine schedule, loss on completions only)."""
    torch.manual_seed(spec.seed)
    rng = np.random.default_rng(spec.seed)
    tokenizer = character_tokenizer(alphabet(spec))
    model = new_model(spec, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.pretraining.learning_rate, betas=(0.9, 0.95))
    warmup = max(1, spec.pretraining.steps // 20)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, warmup, spec.pretraining.steps)
    model.train()
    with steps(f"pretraining {spec.name}", spec.pretraining.steps) as done:
        for step in range(spec.pretraining.steps):
            clean = step < spec.pretraining.clean_steps
            if spec.pretraining.targets == "text":
                tokens, mask, labels = _drawn_text(spec, tokenizer, clean, rng)
                loss = model(input_ids=tokens, attention_mask=mask, labels=labels).loss
            else:
                tokens, mask, laws = _drawn_laws(spec, tokenizer, clean, rng)
                logits = model(input_ids=tokens, attention_mask=mask).logits
                loss = -(laws * logits.log_softmax(-1)).sum() / laws.sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad()
            done(step + 1)
    return model.eval(), tokenizer
