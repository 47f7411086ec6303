"""TRL's own trainer on a tabular policy, and what it sampled, rewarded and made of it written down.

The policy is a causal language model whose logits after the prompt are a trained vector z, [K]; all later tokens are
forced, so that a completion of L tokens is one outcome. TRL generates, scores, shuffles and updates as ever. The model
and the optimizer are float64, but TRL's log-probabilities are float32 whatever the model.
"""

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import transformers
from datasets import Dataset
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.pre_tokenizers import WhitespaceSplit
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    GenerationMixin,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    PrinterCallback,
    TrainerCallback,
)
from transformers.modeling_outputs import BaseModelOutputWithPast, CausalLMOutputWithPast
from trl import GRPOConfig, GRPOTrainer

from clipbias.theory.surrogate import Surrogate
from clipbias.theory.update_rule import Sgd, UpdateRule

PROBS = (0.4, 0.3, 0.15, 0.1, 0.05)
OUTCOMES = len(PROBS)
FILLER, END, PROMPT, VOCABULARY = OUTCOMES, OUTCOMES + 1, OUTCOMES + 2, OUTCOMES + 3
CERTAIN = 1e4  # a logit that leaves nothing to the others in float32, and no gradient
GROUP = 4


class TabularConfig(PreTrainedConfig):
    model_type = "clipbias_tabular"
    vocab_size = VOCABULARY
    hidden_size = 2
    auto_map: ClassVar[dict[str, str]] = {}  # TRL reads it to load the reference model


class Position(torch.nn.Module):
    """Hidden state e₀ where the last token is the prompt's, e₁ elsewhere."""

    def forward(self, input_ids: torch.Tensor, **_: Any) -> BaseModelOutputWithPast:
        later = (input_ids != PROMPT).long()
        return BaseModelOutputWithPast(last_hidden_state=torch.nn.functional.one_hot(later, 2).double())


class TabularModel(PreTrainedModel, GenerationMixin):
    """The head's bias is z; its fixed weights forbid what is no outcome at e₀ and all but the filler at e₁."""

    config_class = TabularConfig
    base_model_prefix = "model"

    def __init__(self, config: TabularConfig) -> None:
        super().__init__(config)
        self.model = Position()
        self.lm_head = torch.nn.Linear(2, VOCABULARY, dtype=torch.float64)
        self.post_init()

    def _init_weights(self, module: torch.nn.Module) -> None:
        if isinstance(module, torch.nn.Linear):
            with torch.no_grad():
                module.weight.zero_()
                module.weight[OUTCOMES:, 0] = -CERTAIN
                module.weight[FILLER, 1] = CERTAIN
                module.bias.zero_()
                module.bias[:OUTCOMES] = torch.tensor(PROBS, dtype=torch.float64).log()
        module.requires_grad_(False)
        self.lm_head.bias.requires_grad_(True)

    def get_output_embeddings(self) -> torch.nn.Linear:
        return self.lm_head

    def forward(self, input_ids: torch.Tensor, **_: Any) -> CausalLMOutputWithPast:
        return CausalLMOutputWithPast(logits=self.lm_head(self.model(input_ids).last_hidden_state))


AutoConfig.register(TabularConfig.model_type, TabularConfig)
AutoModelForCausalLM.register(TabularConfig, TabularModel)


class WatchedTrainer(GRPOTrainer):
    """Numbers the samples before the shuffle and notes which of them each micro-step uses. Computes nothing."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.rows: list[list[int]] = []

    def _generate_and_score_completions(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
        outputs = super()._generate_and_score_completions(inputs)
        return outputs | {"row": torch.arange(len(inputs))}

    def _compute_loss(self, model: Any, inputs: dict[str, torch.Tensor]) -> torch.Tensor:
        self.rows.append(inputs["row"].tolist())
        return super()._compute_loss(model, inputs)


class AfterEachStep(TrainerCallback):
    def __init__(self, model: TabularModel) -> None:
        self.model, self.found = model, [model.lm_head.bias.detach().clone()]

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.found.append(self.model.lm_head.bias.detach().clone())


@dataclass(frozen=True)
class Row:
    """One comparison: TRL's settings and what they are called here.

    shrink: TRL's gradient over the toy's. minibatches: optimizer steps per iteration over a phase's samples.
    """

    trl: dict[str, Any]
    surrogate: Surrogate
    update: UpdateRule = field(default_factory=UpdateRule)
    learning_rate: float = 3.0
    minibatches: int = 3
    accumulation: int = 1
    length: int = 1
    shrink: float = 1.0
    phases: int = 4


@dataclass(frozen=True)
class Run:
    """What TRL did: z after every step [1 + steps, K]; outcomes, rewards [phases, samples] in the order of the groups;
    rows [phases, E·M, n]: which of a phase's samples each optimizer step used."""

    z: np.ndarray
    outcomes: np.ndarray
    rewards: np.ndarray
    rows: np.ndarray


def tokenizer() -> PreTrainedTokenizerFast:
    words = {**{f"a{i}": i for i in range(OUTCOMES)}, "and": FILLER, "end": END, "prompt": PROMPT}
    bare = Tokenizer(WordLevel(words, unk_token="end"))
    bare.pre_tokenizer = WhitespaceSplit()
    return PreTrainedTokenizerFast(tokenizer_object=bare, eos_token="end", pad_token="end", unk_token="end")


def torch_optimizer(row: Row, parameters: list[torch.Tensor]) -> torch.optim.Optimizer:
    kind = row.update.optimizer
    if isinstance(kind, Sgd):
        return torch.optim.SGD(parameters, lr=row.learning_rate, momentum=kind.momentum)
    betas = (kind.beta1, kind.beta2)
    return torch.optim.AdamW(parameters, row.learning_rate, betas, kind.epsilon, weight_decay=kind.weight_decay)


def run_trl(row: Row, folder: Path, seed: int = 4) -> Run:
    transformers.logging.set_verbosity_error()
    TabularModel(TabularConfig(architectures=["TabularModel"], dtype="float64")).save_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float64)
    model._init_weights(model.lm_head)  # loading makes every parameter trainable again
    rng, outcomes, rewards = np.random.default_rng(seed), [], []

    def coin(completion_ids: list[list[int]], **_: Any) -> list[float]:
        outcomes.append([ids[0] for ids in completion_ids])
        assert all(len(ids) == row.length and set(ids[1:]) <= {FILLER} for ids in completion_ids)
        rewards.append(rng.integers(0, 2, len(completion_ids)).astype(float).tolist())
        return rewards[-1]

    batch = GROUP * 2
    settings: dict[str, Any] = {
        "epsilon": 0.2,
        "loss_type": "grpo",
        "beta": row.update.kl_coefficient,
        "num_iterations": row.update.epochs,
        "max_grad_norm": row.update.max_grad_norm or 0.0,  # TRL does not clip at 0
    }
    watch = AfterEachStep(model)
    trainer = WatchedTrainer(
        model=model,
        args=GRPOConfig(
            output_dir=str(folder / "out"),
            seed=seed,
            max_steps=row.phases * row.minibatches * row.update.epochs,
            per_device_train_batch_size=batch // row.accumulation,
            gradient_accumulation_steps=row.accumulation,
            steps_per_generation=row.minibatches * row.accumulation,
            num_generations=GROUP,
            max_completion_length=row.length,
            lr_scheduler_type="constant",
            temperature=1.0,
            top_p=1.0,
            top_k=0,
            generation_kwargs={"use_cache": False},
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            dataloader_pin_memory=False,
            save_strategy="no",
            logging_strategy="no",
            report_to="none",
            disable_tqdm=True,
            **(settings | row.trl),
        ),
        reward_funcs=coin,
        train_dataset=Dataset.from_dict({"prompt": ["prompt"] * 100}),
        processing_class=tokenizer(),
        optimizers=(torch_optimizer(row, [model.lm_head.bias]), None),
        callbacks=[watch],
    )
    trainer.remove_callback(PrinterCallback)
    trainer.train()
    found = torch.stack(watch.found)
    assert not found[:, OUTCOMES:].any()
    rows = np.array(trainer.rows).reshape(row.phases, row.update.epochs * row.minibatches, batch)
    return Run(found[:, :OUTCOMES].numpy(), np.array(outcomes), np.array(rewards), rows)
