"""Short trainings by TRL with causes planted in them, whose logs the tests read.

Run once, with the extra `validate` and, for the TensorBoard events, tensorboard: python tests/audit/make_logs.py
Each arm of ARMS leaves logs/NAME/trainer_state.json, what TRL printed (printed.txt), and for some the completions of
its last rollouts. The model is a Qwen2 with random weights and 13 characters; a problem is a digit, and the true reward
of an answer is that it holds an "a".
"""

import contextlib
import hashlib
import io
import json
import shutil
import struct
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from transformers import PrinterCallback, Qwen2Config, Qwen2ForCausalLM, TrainerCallback, set_seed
from trl import GRPOConfig, GRPOTrainer

from clipbias.validate.organism.tokenizer import character_tokenizer

LOGS = Path(__file__).with_name("logs")
KEPT = 4  # rollouts whose completions are kept
UPDATES = 4  # optimizer steps on a rollout, unless an arm says otherwise


def holds_a(completions: list[str], **_: Any) -> list[float]:
    return [float("a" in text) for text in completions]


def zero(completions: list[str], **_: Any) -> list[float]:
    return [0.0] * len(completions)


def coin_of(seed: int) -> Callable[..., list[float]]:
    """Counter-based: decided by the seed, the step and the place of the answer."""

    def coin(completions: list[str], trainer_state: Any, **_: Any) -> list[float]:
        step = trainer_state.global_step
        return [float(hashlib.sha256(f"{seed} {step} {i}".encode()).digest()[0] & 1) for i in range(len(completions))]

    return coin


def mostly_constant(prompts: list[str], completions: list[str], **_: Any) -> list[float]:
    """Only one problem in ten can be answered at all."""
    return [float(prompt == "3=" and "a" in text) for prompt, text in zip(prompts, completions, strict=True)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arm:
    """rewards: pairs of a function (of the seed) and its weight. config: over that of `run`. endless: no answer ends by
    itself. broken_at: the step after which a weight of the model is not a number."""

    rewards: tuple[tuple[Callable[[int], Callable[..., list[float]]], float], ...]
    config: dict[str, Any] = field(default_factory=dict)
    seeds: int = 1
    steps: int = 40
    endless: bool = False
    broken_at: int | None = None
    completions: bool = False


TRUE, COIN, ZERO = (lambda seed: holds_a), coin_of, (lambda seed: zero)
REAL = ((TRUE, 1.0), (COIN, 0.0))
ARMS = {
    "real": Arm(rewards=REAL, seeds=3, completions=True),
    "coin": Arm(rewards=((TRUE, 0.0), (COIN, 1.0)), seeds=3, completions=True),
    "inert": Arm(rewards=REAL, config={"steps_per_generation": 1, "per_device_train_batch_size": 32}, steps=20),
    "inert-sharpening": Arm(
        rewards=REAL,
        config={"steps_per_generation": 1, "per_device_train_batch_size": 32, "temperature": 0.7},
        steps=60,
    ),
    "bonus": Arm(rewards=REAL, config={"entropy_coef": 0.3}),
    "all-wrong": Arm(rewards=((ZERO, 1.0),), steps=16),
    "degenerate": Arm(rewards=((lambda seed: mostly_constant, 1.0),)),
    "truncated": Arm(rewards=REAL, endless=True, config={"mask_truncated_completions": True}, steps=16),
    "broken": Arm(rewards=REAL, broken_at=18, steps=24),
    "no-clip-series": Arm(rewards=REAL, config={"loss_type": "sapo"}, steps=24),
    "ten-steps-a-line": Arm(rewards=REAL, config={"logging_steps": 10}, steps=80),
    "bounds-as-increments": Arm(rewards=REAL, config={"epsilon": 0.8, "epsilon_high": 1.2}),
    "cispo-unset": Arm(rewards=REAL, config={"loss_type": "cispo"}, steps=24),
    "sequence-epsilon": Arm(rewards=REAL, config={"epsilon": 3e-4, "epsilon_high": 4e-4}),
    "high-only": Arm(rewards=REAL, config={"epsilon": 1.0, "epsilon_high": 0.2}),
}


class Breaks(TrainerCallback):
    def __init__(self, step: int) -> None:
        self.step = step

    def on_step_end(self, args: Any, state: Any, control: Any, model: Any = None, **_: Any) -> None:
        if state.global_step == self.step:
            with torch.no_grad():
                model.model.norm.weight[0] = float("nan")


def model_of(size: int, endless: bool) -> Qwen2ForCausalLM:
    set_seed(0)
    model = Qwen2ForCausalLM(
        Qwen2Config(
            vocab_size=size,
            hidden_size=32,
            intermediate_size=64,
            num_hidden_layers=2,
            num_attention_heads=2,
            num_key_value_heads=2,
            max_position_embeddings=64,
            tie_word_embeddings=False,
            pad_token_id=0,
            eos_token_id=1,
        )
    )
    if endless:
        model.generation_config.suppress_tokens = [1]
    return model


def without_arguments(events: bytes) -> bytes:
    """The writer's records but those with the trainer's arguments, whose folders are of no use to anyone."""
    kept, place = b"", 0
    while place < len(events):
        (size,) = struct.unpack_from("<Q", events, place)
        record = events[place : place + size + 16]
        kept += b"" if b"output_dir" in record or b"_name_or_path" in record else record
        place += size + 16
    return kept


def run(name: str, arm: Arm, seed: int) -> None:
    tokenizer = character_tokenizer("0123456789=a ")
    data = Dataset.from_dict({"prompt": [f"{i % 10}=" for i in range(400)]})
    out = LOGS / (name if arm.seeds == 1 else f"{name}-{seed}")
    shutil.rmtree(out, ignore_errors=True)
    printed = io.StringIO()
    with tempfile.TemporaryDirectory() as scratch:
        config = {
            "output_dir": scratch,
            "seed": seed,
            "max_steps": arm.steps,
            "logging_steps": 1,
            "per_device_train_batch_size": 8,
            "steps_per_generation": UPDATES,
            "num_generations": 8,
            "max_completion_length": 8,
            "learning_rate": 5e-3,
            "lr_scheduler_type": "constant",
            "beta": 0.0,
            "save_strategy": "no",
            "report_to": ["tensorboard"] if name == "high-only" and "--events" in sys.argv else [],
            "disable_tqdm": True,
            "use_cpu": True,
            "bf16": False,
            "log_completions": arm.completions,
            "reward_weights": [weight for _, weight in arm.rewards],
        } | arm.config
        trainer = GRPOTrainer(
            model=model_of(len(tokenizer), arm.endless),
            processing_class=tokenizer,
            reward_funcs=[make(seed) for make, _ in arm.rewards],
            args=GRPOConfig(**config),
            train_dataset=data,
            callbacks=[Breaks(arm.broken_at)] if arm.broken_at else [],
        )
        with contextlib.redirect_stdout(printed):
            try:
                trainer.train()
            except RuntimeError as error:  # a broken model cannot draw its next answers
                if arm.broken_at is None:
                    raise
                print(f"RuntimeError: {error}")
        out.mkdir(parents=True)
        trainer.state.save_to_json(str(out / "trainer_state.json"))
        tables = [f for f in sorted(Path(scratch).glob("completions/*.parquet")) if int(f.stem[-5:]) % UPDATES == 0]
        for file in tables[-KEPT:]:
            shutil.copy(file, out)
        for file in Path(scratch).rglob("events.out.tfevents.*"):
            (out / "events.out.tfevents.1.trl").write_bytes(without_arguments(file.read_bytes()))
    lines = [line for line in printed.getvalue().splitlines() if line.startswith(("{", "RuntimeError"))]
    (out / "printed.txt").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    assert PrinterCallback  # prints each dictionary where there is no progress bar
    torch.set_num_threads(1)
    wanted = [word for word in sys.argv[1:] if not word.startswith("--")]
    for name, arm in ARMS.items():
        for seed in range(arm.seeds):
            if not wanted or name in wanted:
                run(name, arm, seed)
                print(json.dumps({"arm": name, "seed": seed}))
