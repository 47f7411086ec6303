"""What a user's GRPOTrainer is set to, as the monitor needs it: read by `check`, whose rules are TRL's."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clipbias.check.document import Entry
from clipbias.check.frameworks.trl import FRAMEWORK
from clipbias.check.settings import Settings
from clipbias.check.setup import Loss, Moves, Training
from clipbias.common.errors import InputError
from clipbias.theory.surrogate import Cispo, Gspo, PpoClip, Sapo, Surrogate

KEYS = (
    "per_device_train_batch_size", "gradient_accumulation_steps", "steps_per_generation", "num_generations",
    "num_iterations", "loss_type", "importance_sampling_level", "epsilon", "epsilon_high", "delta", "use_vllm",
    "vllm_importance_sampling_correction",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """rollout: micro-steps on one rollout's samples, of which accumulation make an optimizer step. minibatches: most
    optimizer steps that touch a rollout; fresh: those on samples that no step was taken on before."""

    gate: Surrogate
    rollout: int
    accumulation: int
    minibatches: int
    fresh: int
    moves: Moves
    arithmetic: str
    more_updates: str


def setting_of(args: Any) -> Setting:
    """args: a GRPOConfig. InputError for a loss without a gate in the ratio (vespo)."""
    entries = {key: Entry(getattr(args, key)) for key in KEYS}
    found: Training = FRAMEWORK.read(Settings(path=Path("GRPOConfig"), entries=entries, devices=args.world_size))
    rollout, accumulation = args.steps_per_generation * args.num_iterations, args.gradient_accumulation_steps
    whole, rest = divmod(rollout, accumulation)
    minibatches = whole + (2 if rest else 0)  # its first and last may share an optimizer step with other rollouts
    return Setting(
        gate=_gate(found.loss, args),
        rollout=rollout,
        accumulation=accumulation,
        minibatches=minibatches,
        fresh=minibatches if args.num_iterations == 1 else args.steps_per_generation // accumulation,
        moves=found.moves or Moves.UPDATES,
        arithmetic=found.geometry.arithmetic,
        more_updates=", ".join(f"{key}={value}" for key, value in found.keys.more_updates),
    )


def _gate(loss: Loss, args: Any) -> Surrogate:
    low = None if loss.lower_bound is None else 1.0 - loss.lower_bound
    high = None if loss.upper is None else loss.upper - 1.0
    if loss.kind == "clip" and loss.level == "sequence":
        return Gspo(low, high, length=1)
    if loss.kind == "clip":
        return PpoClip(low, high, loss.dual)
    if loss.kind == "weight" and loss.upper is not None:
        return Cispo(loss.upper)
    if loss.name == "sapo":
        return Sapo(args.sapo_temperature_pos, args.sapo_temperature_neg)
    raise InputError("loss_type", "one that has a gate in the ratio", loss.name)
