"""A recipe in the words of TRL and torch."""

import torch
from trl.trainer.grpo_config import GRPOConfig

from clipbias.theory.update_rule import Sgd
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.training import Training

from .accumulation import parts
from .trl_words import surrogate_options


def grpo_config(training: Training, arm: Arm, seed: int, phases: int, scratch: str, processes: int = 1) -> GRPOConfig:
    """The recipe in TRL's words. steps_per_generation counts micro-batches: one update a mini-batch."""
    micro, accumulation = parts(training, processes)
    return GRPOConfig(
        output_dir=scratch,
        seed=seed,
        max_steps=phases * training.minibatches,
        per_device_train_batch_size=micro,
        gradient_accumulation_steps=accumulation,
        steps_per_generation=training.minibatches * accumulation,
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
        bf16=torch.cuda.is_available() if training.bf16 is None else training.bf16,
        gradient_checkpointing=bool(training.gradient_checkpointing),
        dataloader_pin_memory=False,
        save_strategy="no",
        logging_strategy="no",
        report_to="none",
        disable_tqdm=True,
    )


def make_optimizer(model: torch.nn.Module, training: Training) -> torch.optim.Optimizer:
    update, trained = training.update, [p for p in model.parameters() if p.requires_grad]
    if isinstance(update, Sgd):
        return torch.optim.SGD(trained, lr=training.learning_rate, momentum=update.momentum)
    return torch.optim.AdamW(
        trained,
        lr=training.learning_rate,
        betas=(update.beta1, update.beta2),
        eps=update.epsilon,
        weight_decay=update.weight_decay,
    )
