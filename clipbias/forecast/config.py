"""A TRL configuration as the tangent model's training, and what of it cannot be carried."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal

from clipbias.check.answer import ppo_clip
from clipbias.check.check import Checked, check_files
from clipbias.check.settings import Settings, shown
from clipbias.common.errors import InputError, check
from clipbias.simulate.tangent.engine import Training
from clipbias.theory.surrogate import UNCLIPPED, Cispo, Sapo, Surrogate
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule

TRL_RATE = 1e-6  # GRPOConfig's learning rate
WEIGHED: dict[str, Literal["token", "answer"]] = {
    "grpo": "answer",
    "sapo": "answer",
    "bnpo": "token",
    "dapo": "token",
    "dr_grpo": "token",
    "cispo": "token",
}  # GRPOTrainer._compute_loss
ADAMS = ("adamw", "adam")
NEUTRAL_SCHEDULES = ("constant",)


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """training: of one phase after another. whole_answers: that the ratio is an answer's, not a token's. template: what
    the chat template is given beside the messages. warnings: what is left out, and what defaults stand for."""

    training: Training
    temperature: float
    max_completion_length: int
    whole_answers: bool
    template: dict[str, Any]
    warnings: tuple[str, ...]


def read_config(files: Sequence[Path], overrides: Sequence[str]) -> Configured:
    """Raises InputError where the training cannot be forecast at all."""
    found = check_files(files, overrides, framework="trl")
    given, training = found.settings, found.training
    if training.refused:
        raise InputError("config", f"a training that TRL starts ({training.refused})")
    loss = given.word("loss_type", default="dapo")
    check(loss in WEIGHED and training.loss.name != "gmpo", "config", f"of a loss_type of {', '.join(WEIGHED)}", loss)
    over = training.normalisation.over
    check(over == "group", "config", "of scale_rewards group or none", over)
    shape = training.geometry
    steps, prompts, size = shape.steps_per_rollout, shape.prompts_per_rollout, shape.group_size
    if steps is None or prompts is None or size is None:
        raise InputError("config", f"a training whose steps per rollout are known ({shape.arithmetic})")
    epochs = shape.epochs
    per_epoch = steps / epochs
    groups = Fraction(prompts) / min(per_epoch, Fraction(1))
    whole = max(per_epoch, Fraction(1)).denominator == 1 and groups.denominator == 1
    check(whole and (epochs == 1 or per_epoch >= 1), "config", "of whole optimizer steps a rollout", shape.arithmetic)
    rule = UpdateRule(
        optimizer=_optimizer(given),
        max_grad_norm=given.number("max_grad_norm", default=1.0, least=0.0) or None,
        epochs=epochs,
        split=True,
    )
    result = Training(
        groups=int(groups),
        group_size=size,
        minibatches=int(max(per_epoch, Fraction(1))),
        learning_rate=given.number("learning_rate", default=TRL_RATE, least=0.0),
        surrogate=_surrogate(found),
        update=rule,
        scale=training.normalisation.scale,
        weigh=WEIGHED[loss],
    )
    temperature = given.number("temperature", default=1.0, least=1e-3, most=100.0)
    length = given.whole("max_completion_length", default=512, least=1)
    prefix = "chat_template_kwargs."
    template = {key.removeprefix(prefix): e.value for key, e in given.entries.items() if key.startswith(prefix)}
    return Configured(
        training=result,
        temperature=temperature,
        max_completion_length=length,
        whole_answers=training.loss.level == "sequence",
        template=template,
        warnings=tuple(dict.fromkeys(_warnings(found, loss))),
    )


def _optimizer(given: Settings) -> Adam | Sgd:
    name = given.word("optim", default="adamw_torch")
    if name == "sgd":
        return Sgd()
    check(name.split("_")[0] in ADAMS, "config", "of optim sgd or a kind of adamw", name)
    return Adam(
        beta1=given.number("adam_beta1", default=0.9),
        beta2=given.number("adam_beta2", default=0.999),
        epsilon=given.number("adam_epsilon", default=1e-8),
    )


def _surrogate(found: Checked) -> Surrogate:
    loss = found.training.loss
    if loss.name == "sapo":
        plus, minus = (
            found.settings.number(f"sapo_temperature_{side}", default=heat)
            for side, heat in (("pos", 1.0), ("neg", 1.05))
        )
        return Sapo(plus, minus)
    if loss.kind == "weight" and loss.upper is not None:
        return Cispo(loss.upper) if loss.upper > 1 else _unknown(loss.upper)
    if loss.kind == "none":
        return UNCLIPPED
    return ppo_clip(loss) or _unknown(f"{loss.lower} and {loss.upper}")


def _unknown(bounds: object) -> Surrogate:
    raise InputError("config", "a clip with bounds on both sides of 1", bounds)


def _warnings(found: Checked, loss: str) -> Iterator[str]:
    """What the tangent model leaves out, then what stands for what is not written."""
    given = found.settings
    for key, value in found.training.confounders:
        yield f"{key} {value:g} is left out: " + ("a penalty that holds the model back" if key == "beta" else "a bonus")
    if decay := given.told("weight_decay"):
        yield f"weight_decay {decay:g} is left out"
    schedule = str(given.raw("lr_scheduler_type", default="linear"))
    if schedule not in NEUTRAL_SCHEDULES:
        yield f"the learning rate is kept where lr_scheduler_type {shown(schedule)} lowers it"
    warm = [key for key in ("warmup_steps", "warmup_ratio") if given.told(key)]
    if warm:
        yield f"{warm[0]} {given.told(warm[0]):g} is left out: while the rate warms up, the model moves less than this"
    if any(given.raw(key) for key in ("use_peft", "lora_r", "peft_config", "lora_target_modules")):
        yield "adapters are left out: this is of training all parameters, and LoRA moves a model otherwise"
    if any(
        "bfloat16" in str(given.raw(key))
        for key in ("model_init_kwargs.dtype", "model_init_kwargs.torch_dtype", "dtype")
    ):
        yield "weights in bfloat16 lose what is too small a step for them; this keeps it"
    name = given.word("optim", default="adamw_torch")
    if name not in ("sgd", "adamw_torch", "adamw_torch_fused"):
        yield f"optim {name} is taken for AdamW in single precision"
    if loss == "dr_grpo":
        yield "dr_grpo divides by a constant, this by the mini-batch's tokens: under Adam alike but for the norm's clip"
    for gate in found.training.gates:
        yield f"left out: {gate.what} ({gate.key})"
    if given.raw("reward_weights") is not None:
        yield "reward_weights are left out: each reward is forecast alone; write a function that adds them"
    for remark in found.answer.remarks:
        if remark.level != "note":
            yield remark.message
    if given.devices_asked:
        yield "for one training process (num_processes=N among --config for more)"
    for ignored in found.training.ignored:
        yield f"{ignored.key} {shown(ignored.value)} is not used: {ignored.why}"
    if given.defaults:
        yield "from TRL's defaults: " + ", ".join(f"{key}={shown(value)}" for key, value in given.defaults.items())
