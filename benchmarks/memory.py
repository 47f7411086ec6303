"""Does a model of half a billion parameters train in the memory that is planned for it? Its weights are random.

A folder of Qwen2.5-0.5B's shape is made (about 2 GB), and one cell of two phases is trained in a process of its own,
whose peak is read from /proc and put beside `worker_bytes`, by which `clipbias validate run` chooses its workers and
whose parts `clipbias validate plan` prints. Needs about 16 GB of free memory.

Example: python benchmarks/memory.py --out runs/half-a-billion
"""

import argparse
import json
import multiprocessing
import time
from pathlib import Path
from typing import Any

import torch
from tokenizers import ByteLevelBPETokenizer
from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

from clipbias.common.memory import free_memory
from clipbias.validate.model.locate import model_folder
from clipbias.validate.model.memory import Load, fitting_workers, training_parts, worker_bytes
from clipbias.validate.model.size import longest_prompt, model_size
from clipbias.validate.recipe.recipe import Recipe, read_recipe
from clipbias.validate.store.layout import Cell

BATCH = 8  # answers drawn together
RECIPE = """
name = "half a billion"
question = "How much memory does it take?"
seeds = 2

[model]
path = "{model}"

[task]
train = "{task}"

[training]
prompts_per_phase = 4
group_size = 4
minibatches = 2
learning_rate = 1e-6
phases = 2
max_completion_length = {length}

[pilot]
seeds = 2
phases = 2
burn_in = 1

[probe]
prompts = 2
samples = 2

[[arm]]
name = "clip"
clip_low = 0.2
clip_high = 0.2
"""


def made(folder: Path) -> Path:
    """Qwen2.5-0.5B's config.json, and a tokenizer of bytes."""
    if (folder / "config.json").is_file():
        return folder
    torch.manual_seed(0)
    config = Qwen2Config(
        vocab_size=151_936,
        hidden_size=896,
        intermediate_size=4864,
        num_hidden_layers=24,
        num_attention_heads=14,
        num_key_value_heads=2,
        max_position_embeddings=32_768,
        tie_word_embeddings=True,
        bos_token_id=None,
        eos_token_id=257,
        pad_token_id=256,
    )
    words = ByteLevelBPETokenizer()
    words.train_from_iterator([], vocab_size=258, special_tokens=["<pad>", "<eos>"])
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=words._tokenizer, pad_token="<pad>", eos_token="<eos>")
    config.pad_token_id, config.eos_token_id = tokenizer.pad_token_id, tokenizer.eos_token_id
    Qwen2ForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def train(cell: Cell, threads: int, said: Any) -> None:
    """Sends the peak of this process, in bytes, and the seconds that it took."""
    torch.set_num_threads(threads)
    from clipbias.validate.train.cell import train_cell

    began = time.monotonic()
    train_cell(cell, BATCH)
    lines = Path("/proc/self/status").read_text().splitlines()
    peak = next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
    said.send((peak, time.monotonic() - began))


def planned(recipe: Recipe) -> Load:
    training = recipe.training
    return Load(
        minibatch=training.micro_size,
        sampled=min(BATCH, training.rollouts),
        prompt=longest_prompt(recipe.model, recipe.task, recipe.probe.prompts, ["plain"]),
        answer=training.max_completion_length,
    )


def main(out: Path, length: int, threads: int) -> None:
    out.mkdir(parents=True, exist_ok=True)
    task = out / "problems.jsonl"
    rows = [{"problem": f"What is {a} times {b}?", "answer": f"{a * b}"} for a in range(2, 12) for b in (3, 7)]
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = read_recipe(RECIPE.format(model=made(out / "model"), task=task, length=length))
    size, load = model_size(model_folder(recipe.model)), planned(recipe)
    needed = worker_bytes(size, load)
    fitting_workers(1, needed, free_memory())
    print(f"{size.parameters:,} parameters; planned {needed / 1e9:.2f} GB: {training_parts(size, load)}", flush=True)
    context = multiprocessing.get_context("spawn")
    mine, theirs = context.Pipe(duplex=False)
    cell = Cell(out / f"run-{int(time.time())}", recipe, recipe.arm[0], seed=1, phases=2, prediction="")
    process = context.Process(target=train, args=(cell, threads, theirs))
    process.start()
    theirs.close()
    peak, seconds = mine.recv()
    process.join()
    print(f"measured {peak / 1e9:.2f} GB, {peak / needed - 1:+.1%}, two phases in {seconds:.0f} s")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("runs/half-a-billion"))
    parser.add_argument("--length", type=int, default=64, help="tokens of an answer")
    parser.add_argument("--threads", type=int, default=2)
    given = parser.parse_args()
    main(given.out, given.length, given.threads)
