"""What `check` says of TRL's geometry, beside the real GRPOTrainer: its own attributes, and the ratios of short runs.

The model is a tiny random Qwen2 that answers in a few words; a coin pays. A run takes a few optimizer steps at a large
learning rate, so that a ratio that can move does.
"""

import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
import torch
from datasets import Dataset
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import PreTrainedTokenizerFast, PrinterCallback, Qwen2Config, Qwen2ForCausalLM
from trl import GRPOConfig, GRPOTrainer

from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse

pytestmark = pytest.mark.training

WORDS = ["<pad>", "<eos>", "ask", "a", "b", "c", "d", "e"]


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    """A model this small is slower on several."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


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
    rows = Dataset.from_list([{"prompt": "ask"}] * 64)
    return kind(model=model(), args=config, reward_funcs=coin, train_dataset=rows, processing_class=tokenizer())


def checked(**options: Any) -> Checked:
    return check_documents([parse(Path("options.json"), json.dumps(options))], framework="trl", devices=1)


# Per device, accumulation, group, iterations, steps per generation; the last None where GRPOConfig is left to set it.
RUNS = [
    (4, 1, 4, 1, None), (4, 2, 4, 1, None), (4, 4, 4, 1, 2), (4, 4, 4, 1, 1), (4, 4, 4, 1, 3), (4, 2, 4, 1, 4),
    (4, 1, 4, 2, None), (4, 2, 4, 2, 1), (4, 2, 4, 2, None), (4, 3, 4, 1, 2), (4, 1, 4, 1, 4), (2, 1, 4, 1, 4),
    (2, 4, 4, 1, 2), (4, 4, 2, 3, 1), (4, 4, 2, 2, 2), (8, 1, 2, 1, 2), (4, 2, 2, 3, None), (4, 3, 4, 3, 1),
    (4, 6, 4, 1, 3), (4, 6, 4, 2, 2), (2, 2, 2, 1, 6), (4, 1, 4, 4, 1),
]  # fmt: skip


@pytest.mark.parametrize("shape", RUNS, ids=lambda shape: "-".join(map(str, shape)))
def test_the_ratios_of_a_run_are_those_foretold(shape: tuple[Any, ...], tmp_path: Path) -> None:
    batch, accumulation, group, iterations, per_rollout = shape
    options = {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "num_generations": group,
        "num_iterations": iterations,
        "steps_per_generation": per_rollout,
    }
    found = checked(**{key: value for key, value in options.items() if value is not None})
    steps = found.training.geometry.steps_per_rollout
    assert steps is not None
    count = max(3, int(steps) + 1)  # at least one step of a second rollout
    run = trainer(tmp_path, steps=count, **options)
    run.train()
    moved = max(run.seen.largest)
    if found.training.moves == "identical":
        assert moved == 0.0
        assert found.answer.verdict == "cannot-act"
    else:
        assert moved > 1e-4
        assert found.answer.verdict == "can-act"
    assert run.seen.rollouts == -(-count * accumulation // int(steps * accumulation))  # of all micro-steps, rounded up


@pytest.mark.parametrize("loss", ["grpo", "bnpo", "dr_grpo", "dapo", "cispo"])
def test_bounds_are_those_at_which_the_gradient_goes(loss: str, tmp_path: Path) -> None:
    """One token of advantage ±1, its ratio set just inside and just outside every bound."""
    options = {"per_device_train_batch_size": 4, "num_generations": 4, "steps_per_generation": 2, "loss_type": loss}
    options |= {"epsilon": 0.1, "epsilon_high": 1.3 if loss == "cispo" else 0.3}
    found, run = checked(**options), trainer(tmp_path, **options)
    lower, upper = found.training.loss.lower_bound, found.training.loss.upper
    for bound, advantage in ((lower, -1.0), (upper, 1.0)):
        if bound is None:
            continue
        inside, outside = (_gradient(run, bound * factor, advantage) for factor in _around(bound))
        if found.training.loss.kind == "weight":  # the weight stops growing with the ratio, the gradient stays
            assert outside == pytest.approx(_gradient(run, bound * 1.5, advantage), rel=1e-4)
            assert inside == pytest.approx(0.999 * outside, rel=1e-5)
        else:
            assert inside != 0.0
            assert outside == 0.0


def _around(bound: float) -> tuple[float, float]:
    return (1.001, 0.999) if bound < 1 else (0.999, 1.001)


def _gradient(run: GRPOTrainer, ratio: float, advantage: float) -> float:
    """Largest |∂ loss/∂ weights| of a batch of one token whose old log-probability makes the ratio what is asked."""
    prompt, answer = torch.tensor([[2]]), torch.tensor([[3]])
    ones = torch.ones_like(answer)
    run.model.train()
    run.current_gradient_accumulation_steps = 1
    inputs = {"prompt_ids": prompt, "prompt_mask": ones, "completion_ids": answer, "completion_mask": ones}
    log_probs = run._get_per_token_logps_and_entropies(
        run.model, torch.cat([prompt, answer], 1), torch.ones(1, 2, dtype=torch.long), 1
    )[0].detach()
    inputs |= {
        "advantages": torch.tensor([advantage]),
        "old_per_token_logps": log_probs - torch.tensor(ratio).log(),
        "num_items_in_batch": torch.tensor(1),
    }
    run.model.zero_grad()
    run._compute_loss(run.model, inputs).backward()
    return max(float(p.grad.abs().max()) for p in run.model.parameters() if p.grad is not None)


@given(
    batch=st.integers(1, 12),
    accumulation=st.integers(1, 12),
    group=st.sampled_from([1, 2, 2, 2, 3, 4, 4, 6, 8]),  # most drawn rollouts hold whole groups of these
    iterations=st.integers(1, 4),
    per_rollout=st.none() | st.integers(1, 16),
    generation=st.none() | st.integers(1, 60),
)
@settings(max_examples=300)
def test_geometry_is_what_the_trainer_says(
    batch: int, accumulation: int, group: int, iterations: int, per_rollout: int | None, generation: int | None
) -> None:
    """Drawn configurations: refused by both, or the trainer's own attributes give the same."""
    options = {
        "per_device_train_batch_size": batch,
        "gradient_accumulation_steps": accumulation,
        "num_generations": group,
        "num_iterations": iterations,
    }
    options |= {} if per_rollout is None else {"steps_per_generation": per_rollout}
    options |= {} if generation is None else {"generation_batch_size": generation}
    assume(generation is None or per_rollout is None or generation == per_rollout)  # both: once in a while
    found = checked(**options)
    try:
        run = trainer(Path(tempfile.gettempdir()), GRPOTrainer, **options)
    except ValueError:
        assert found.answer.verdict == "refused"
        return
    assert found.answer.verdict != "refused"
    micro_steps = run.args.steps_per_generation * run.num_iterations
    assert found.training.geometry.steps_per_rollout == Fraction(micro_steps, run.args.gradient_accumulation_steps)
    identical = run.args.gradient_accumulation_steps % micro_steps == 0
    assert (found.training.moves == "identical") is identical
    assert found.training.geometry.prompts_per_rollout == run.args.generation_batch_size // run.num_generations
