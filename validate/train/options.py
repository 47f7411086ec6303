"""A recipe in the words of TRL and torch."""

from typing import TypedDict

import torch
from trl.trainer.grpo_config import GRPOConfig

from clipbias.common.errors import InputError
from clipbias.theory.surrogate import Cispo, Gspo, PpoClip, Sapo, Surrogate
from clipbias.theory.update_rule import Sgd
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.gate import per_answer
from clipbias.validate.recipe.training import Training

# TRL's own way of switching a side off: the bounds 1 − 1 = 0 and 1 + 1e6 are never crossed.
NO_LOW, NO_HIGH = 1.0, 1e6


class SurrogateOptions(TypedDict, total=False):
    """Options of GRPOConfig."""

    loss_type: str
    importance_sampling_level: str
    epsilon: float
    epsilon_high: float
    delta: float | None
    sapo_temperature_pos: float
    sapo_temperature_neg: float


def surrogate_options(gate: Surrogate) -> SurrogateOptions:
    """A surrogate in TRL's words.

    TRL's cap for cispo is epsilon_high, as an absolute bound on the ratio and not as one above 1. Its losses weigh
    tokens alike (bnpo; cispo, by the mean number of tokens of a mini-batch) but for sapo, which weighs answers alike.
    """
    match gate:
        case PpoClip() | Gspo():
            return {
                "loss_type": "bnpo",
                "importance_sampling_level": "sequence" if per_answer(gate) else "token",
                "epsilon": NO_LOW if gate.low is None else gate.low,
                "epsilon_high": NO_HIGH if gate.high is None else gate.high,
                "delta": gate.dual if isinstance(gate, PpoClip) else None,
            }
        case Cispo(cap):
            return {"loss_type": "cispo", "epsilon_high": cap}
        case Sapo(plus, minus):
            return {"loss_type": "sapo", "sapo_temperature_pos": plus, "sapo_temperature_neg": minus}
    raise InputError("surrogate", "one that TRL knows", type(gate).__name__)


def grpo_config(training: Training, arm: Arm, seed: int, phases: int, scratch: str) -> GRPOConfig:
    """The recipe in TRL's words. steps_per_generation = minibatches with accumulation 1: one update a mini-batch."""
    return GRPOConfig(
        output_dir=scratch,
        seed=seed,
        max_steps=phases * training.minibatches,
        per_device_train_batch_size=training.minibatch_size,
        gradient_accumulation_steps=1,
        steps_per_generation=training.minibatches,
        num_generations=training.group_size,
        num_iterations=1,
        max_completion_length=training.max_completion_length,
        learning_rate=training.learning_rate,
        lr_scheduler_type="constant",
        max_grad_norm=training.max_grad_norm,
        beta=0.0,
        **surrogate_options(arm.gate),
        scale_rewards="group",
        temperature=1.0,
        top_p=1.0,
        top_k=0,
        shuffle_dataset=False,
        use_cpu=not torch.cuda.is_available(),
        bf16=torch.cuda.is_available(),
        gradient_checkpointing=False,
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def make_optimizer(model: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    update = training.update
    if isinstance(update, Sgd):
        return torch.optim.SGD(model.parameters(), lr=training.learning_rate, momentum=update.momentum)
    return torch.optim.AdamW(
        model.parameters(),
        lr=training.learning_rate,
        betas=(update.beta1, update.beta2),
        eps=update.epsilon,
        weight_decay=update.weight_decay,
    )
