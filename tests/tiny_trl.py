"""TRL's real GRPOTrainer on a tiny random Qwen2 that answers in a few words, with its ratios written down.

Half of every rollout is paid, and the learning rate is large, so that a ratio that can move does within a step or two.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, PrinterCallback, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

WORDS = ["<pad>", "<eos>", "ask", "a", "b", "c", "d", "e"]


def tokenizer() -> PreTrainedTokenizerFast:
    made = Tokenizer(WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<pad>"))
    made.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=made, pad_token="<pad>", eos_token="<eos>", padding_side="left")


def model() -> Qwen2ForCausalLM:
    torch.manual_seed(0)
    shape = Qwen2Config(
        vocab_size=len(WORDS),
        hidden_size=8,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=1,
        num_key_value_heads=1,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    return Qwen2ForCausalLM(shape)


def coin(completions: list[str], **_: Any) -> list[float]:
    """Half of every rollout is paid."""
    return [float(i % 2) for i in range(len(completions))]


@dataclass
class Seen:
    """largest: |log ratio| of each optimizer step's micro-batches. rollouts: how many were generated."""

    largest: list[float] = field(default_factory=list)
    rollouts: int = 0


class Watched(GRPOTrainer):
    """The trainer, with its ratios written down."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.remove_callback(PrinterCallback)
        self.seen = Seen()

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        self.seen.rollouts += 1
        return super()._generate_and_score_completions(inputs)

    def _get_per_token_logps_and_entropies(self, *args: Any, **kwargs: Any) -> Any:
        result = super()._get_per_token_logps_and_entropies(*args, **kwargs)
        if torch.is_grad_enabled():
            self.current = result[0].detach()
        return result

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        loss: torch.Tensor = super()._compute_loss(model, inputs)
        old = inputs.get("old_per_token_logps")
        mask = inputs["completion_mask"].bool()
        moved = 0.0 if old is None else float((self.current - old)[mask].abs().max())
        self.seen.largest.append(moved)
        return loss


def trainer(tmp_path: Path, kind: type[GRPOTrainer] = Watched, steps: int = 4, **options: Any) -> GRPOTrainer:
    config = GRPOConfig(
        output_dir=str(tmp_path),
        max_steps=steps,
        max_completion_length=4,
        learning_rate=0.03,
        lr_scheduler_type="constant",
        report_to="none",
        save_strategy="no",
        logging_strategy="no",
        use_cpu=True,
        bf16=False,
        disable_tqdm=True,
        dataloader_pin_memory=False,
        gradient_checkpointing=False,
        **options,
    )
    rows = Dataset.from_list([{"prompt": "ask"}] * 256)
    return kind(model=model(), args=config, reward_funcs=coin, train_dataset=rows, processing_class=tokenizer())
