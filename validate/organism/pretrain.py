"""Pretrain an organism from its spec and save it: `python -m clipbias.validate.organism.pretrain SPEC --out DIR`."""

import json
import shutil
from pathlib import Path
from typing import Any

import click
import numpy as np
import torch
import transformers
from rich.progress import track
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from ..fields import one_line_errors
from ..files import check_new_folder, sha256, write_json, written_folder
from ..problems import is_boxed, read_answer
from .spec import OrganismSpec, load_spec
from .text import all_problems, alphabet, pretraining_batch
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


def pretrain(spec: OrganismSpec, *, progress: bool = False) -> tuple[Qwen2ForCausalLM, Qwen2Tokenizer]:
    """Next-token training on endless text from the spec (AdamW, cosine schedule, loss on completions only)."""
    torch.manual_seed(spec.seed)
    rng = np.random.default_rng(spec.seed)
    tokenizer = character_tokenizer(alphabet(spec))
    model = new_model(spec, tokenizer)
    optimizer = torch.optim.AdamW(model.parameters(), lr=spec.pretraining.learning_rate, betas=(0.9, 0.95))
    warmup = max(1, spec.pretraining.steps // 20)
    schedule = transformers.get_cosine_schedule_with_warmup(optimizer, warmup, spec.pretraining.steps)
    model.train()
    for step in track(range(spec.pretraining.steps), "pretraining", disable=not progress):
        clean = step < spec.pretraining.clean_steps
        batch = pretraining_batch(spec, spec.pretraining.batch_size, clean, rng)
        texts = tokenizer([p + c + tokenizer.eos_token for p, c in batch], padding=True, return_tensors="pt")
        labels = texts.input_ids.masked_fill(texts.attention_mask == 0, -100)
        for row, (prompt, _) in enumerate(batch):
            labels[row, : len(prompt)] = -100  # one token a character
        loss = model(input_ids=texts.input_ids, attention_mask=texts.attention_mask, labels=labels).loss
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
    return model.eval(), tokenizer


@torch.no_grad()
def measure(model: Qwen2ForCausalLM, tokenizer: Qwen2Tokenizer, spec: OrganismSpec, samples: int) -> dict[str, Any]:
    """What the organism became: share, accuracy and format rate of each strategy over `samples` answers to every
    problem at temperature 1."""
    problems = all_problems(spec)
    torch.manual_seed(spec.seed)
    counts = {strategy.name: [0, 0, 0] for strategy in spec.strategy}  # answers, right, boxed
    for problem in problems:
        prompt = tokenizer(problem.prompt, return_tensors="pt")
        answers = model.generate(
            **prompt,
            do_sample=True,
            top_k=0,
            num_return_sequences=samples,
            max_new_tokens=64,
            pad_token_id=tokenizer.pad_token_id,
        )
        for text in tokenizer.batch_decode(answers[:, prompt["input_ids"].shape[1] :], skip_special_tokens=True):
            for strategy in spec.strategy:
                if text.startswith(strategy.template[0]):
                    seen = counts[strategy.name]
                    seen[0] += 1
                    seen[1] += read_answer(text) == problem.answer
                    seen[2] += is_boxed(text)
    total = samples * len(problems)
    return {
        name: {"share": n / total, "accuracy": right / max(n, 1), "format_rate": boxed / max(n, 1), "answers": n}
        for name, (n, right, boxed) in counts.items()
    }


@click.command()
@click.argument("spec_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write (must not exist).")
def main(spec_file: Path, out: Path) -> None:
    """Pretrain the organism that SPEC_FILE describes and save it with its spec and SHA-256.

    Example: python -m clipbias.validate.organism.pretrain validate/organism/default/spec.toml --out my-organism
    """
    with one_line_errors():
        check_new_folder(out)
        spec = load_spec(spec_file)
    torch.set_num_threads(2)  # how threads share a sum changes its last bits, and so the SHA-256
    model, tokenizer = pretrain(spec, progress=True)
    with written_folder(out) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
        shutil.copyfile(spec_file, folder / "spec.toml")
        record = {
            "name": spec.name,
            "seed": spec.seed,
            "parameters": model.num_parameters(),
            "sha256": sha256(folder / "model.safetensors"),
            "measured": measure(model, tokenizer, spec, samples=8),
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        }
        write_json(folder / "organism.json", record)
    click.echo(json.dumps(record))


if __name__ == "__main__":
    main()
