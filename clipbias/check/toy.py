"""A training in the words of the toy: what `--config FILE` puts in the place of the flags of theory and simulate."""

from fractions import Fraction

from clipbias.common.errors import InputError

from .answer import ppo_clip
from .check import Checked
from .setup import Training


def surrogate_text(training: Training) -> str:
    """As --surrogate has it. The toy's outcome is what the loss takes the ratio of: a token, or a whole answer."""
    loss = training.loss
    match loss.kind:
        case "clip":
            clip = ppo_clip(loss)
            if clip is None:
                raise InputError("config", "a clip with bounds on both sides of 1", f"{loss.lower} and {loss.upper}")
            parts = (("low", clip.low), ("high", clip.high), ("dual", clip.dual))
            return "ppo:" + ",".join(f"{name}={'none' if value is None else f'{value:.12g}'}" for name, value in parts)
        case "weight" if loss.upper is not None and loss.upper > 1 and loss.lower_bound is None:
            return f"cispo:cap={loss.upper:.12g}"
        case "none":
            return "ppo:low=none,high=none"
    raise InputError("surrogate", f"given: the toy has no word for {loss.name} as this file sets it")


def flags_of(found: Checked) -> dict[str, str]:
    """The toy's flags by their names in the library: group_size, groups_per_minibatch, minibatches, surrogate, clip_low
    (for commands without a surrogate), scale, optimizer, epochs. What the file does not fix is left out, and so stays
    required.

    A rollout's prompts are split evenly over its mini-batches; rollouts that share a step make one of the toy's phases.
    Not taken: the learning rate, which has other units on the toy's logits.
    """
    training, shape = found.training, found.training.geometry
    steps = shape.steps_per_rollout
    if steps is None:
        raise InputError("config", f"a training whose steps per rollout are known ({shape.arithmetic})")
    per_epoch = max(steps / shape.epochs, Fraction(1))
    if per_epoch.denominator != 1:
        raise InputError("config", "a training with a whole number of mini-batches a rollout", f"{float(per_epoch):g}")
    minibatches = int(per_epoch)
    flags = {"minibatches": str(minibatches), "surrogate": surrogate_text(training)}
    clip = ppo_clip(training.loss)
    if clip is not None and clip.low is not None:
        flags["clip_low"] = f"{clip.low:.12g}"
    flags |= {"scale": training.normalisation.scale, "optimizer": training.optimizer, "epochs": str(shape.epochs)}
    if shape.group_size is not None:
        flags["group_size"] = str(shape.group_size)
    if shape.prompts_per_rollout is not None:
        prompts = Fraction(shape.prompts_per_rollout) / min(steps / shape.epochs, Fraction(1))
        flags["groups_per_minibatch"] = str(max(1, int(prompts / minibatches)))
    return flags
