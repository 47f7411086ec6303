"""Pretrain an organism from its spec and save it: `python -m clipbias.validate.organism.pretrain SPEC --out DIR`."""

import json
import shutil
from pathlib import Path

import click
import numpy as np
import torch
import transformers
from rich.progress import track
from transformers import Qwen2Config, Qwen2ForCausalLM, Qwen2Tokenizer

from ..files import sha256, write_json, written_folder
from .spec import OrganismSpec, load_spec
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


@click.command()
@click.argument("spec_file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write (must not exist).")
def main(spec_file: Path, out: Path) -> None:
    """Pretrain the organism that SPEC_FILE describes and save it with its spec and SHA-256.

    Example: python -m clipbias.validate.organism.pretrain validate/organism/default/spec.toml --out my-organism
    """
    spec = load_spec(spec_file)
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
            "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
        }
        write_json(folder / "organism.json", record)
    click.echo(json.dumps(record))


if __name__ == "__main__":
    main()
