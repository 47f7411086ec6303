"""TRL's GRPOConfig, as YAML or JSON, on the command line of `trl grpo`, or as a call in a Python file."""

import math
from fractions import Fraction

from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import Settings
from clipbias.check.setup import (
    Denominator,
    Gate,
    Geometry,
    Ignored,
    Keys,
    Level,
    Loss,
    Moves,
    Normalisation,
    Remark,
    Training,
    in_steps,
    moved_by,
)

CLIPPED = ("grpo", "bnpo", "dr_grpo", "dapo", "luspo")
LOSSES = (*CLIPPED, "cispo", "sapo", "vespo")
OFF = 1_000_000.0
OFF_LOG = 20.0
LARGEST_LOG = 700.0  # of what has an exponential
LEVELS = ("token", "sequence")


def geometry(given: Settings) -> tuple[Geometry, str | None]:
    """Steps per rollout, in micro-steps, and why GRPOConfig would refuse them.

    steps_per_generation·num_iterations/gradient_accumulation_steps; a rollout is steps_per_generation micro-batches of
    per_device_train_batch_size answers on every device (GRPOConfig.__post_init__).
    """
    batch = given.whole("per_device_train_batch_size", default=8, least=1)
    accumulation = given.whole("gradient_accumulation_steps", default=1, least=1)
    group = given.whole("num_generations", default=8)
    epochs = given.whole("num_iterations", default=1, least=1)
    per_rollout = given.maybe_whole("steps_per_generation", least=1)
    generation = given.maybe_whole("generation_batch_size", least=1)
    written = "steps_per_generation"
    refused = None
    if per_rollout is not None and generation is not None:
        refused = "generation_batch_size and steps_per_generation cannot both be set"
    devices = given.device_count()
    if generation is not None:
        if generation % (batch * devices):
            refused = f"generation_batch_size {generation} is no multiple of {batch} × {devices} devices"
        per_rollout = max(1, generation // (batch * devices))
        written = f"generation_batch_size {generation} / ({batch} per device × {devices} devices) ="
    elif per_rollout is None:
        per_rollout = accumulation
        written = "steps_per_generation not set, so gradient_accumulation_steps,"
    answers = per_rollout * batch * devices
    if group < 2:
        refused = f"num_generations {group}: a group needs at least 2"
    elif answers % group:
        refused = f"a rollout of {answers} answers is no multiple of num_generations {group}"
    steps = Fraction(per_rollout * epochs, accumulation)
    arithmetic = (
        f"{written} {per_rollout} micro-steps a rollout × num_iterations {epochs} / gradient_accumulation_steps"
        f" {accumulation} = {in_steps(steps)}"
    )
    return Geometry(
        steps_per_rollout=None if refused else steps,
        arithmetic=arithmetic,
        epochs=epochs,
        group_size=group,
        prompts_per_rollout=None if group < 1 or answers % group else answers // group,
    ), refused


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    """The bounds of each loss_type (GRPOTrainer._compute_loss), and keys that it does not look at."""
    name = given.word("loss_type", default="dapo", allowed=LOSSES)
    level = given.word("importance_sampling_level", default="token", allowed=LEVELS)
    low = given.number("epsilon", default=0.4 if given.program == "GMPOConfig" else 0.2)
    high = given.optional("epsilon_high")
    delta = given.optional("delta")
    top = low if high is None else high
    ignored: list[Ignored] = []
    if given.program == "GMPOConfig":
        if delta is not None:
            ignored.append(Ignored(key="delta", value=delta, why="GMPO bounds tokens' log-ratios by epsilon alone"))
        logs = (f"epsilon {low:g} is of log R: exp(−{low:g})", f"upper: exp({top:g})")
        bottom, above = (math.exp(min(log, LARGEST_LOG)) for log in (-low, top))
        return Loss(name="gmpo", lower=bottom, upper=above, keys=logs), ignored
    if name in ("sapo", "vespo"):
        for key, value in (("epsilon", low), ("epsilon_high", high), ("delta", delta)):
            if given.given(key):
                ignored.append(Ignored(key=key, value=value, why=f"loss_type {name} has a smooth gate and no bounds"))
        return Loss(name=name, kind="soft"), ignored
    if name == "cispo":
        if given.given("epsilon") and high is not None:
            ignored.append(Ignored(key="epsilon", value=low, why="cispo has no lower bound"))
        if delta is not None:
            ignored.append(Ignored(key="delta", value=delta, why="cispo bounds the weight by epsilon_high alone"))
        source = "epsilon_high" if high is not None else "epsilon, in the place of epsilon_high,"
        written = f"{source} {top:g} is an absolute bound for cispo"
        return Loss(name=name, kind="weight", upper=top, keys=(written,)), ignored
    upper = "epsilon" if high is None else "epsilon_high"
    keys = (f"epsilon {low:g}: 1 − {low:g}", f"{upper} {top:g}: 1 + {top:g}")
    of: Level = "sequence" if level == "sequence" else "token"
    above, dual, capped = with_delta(1 + top, delta)
    return Loss(name=name, level=of, lower=1 - low, upper=above, dual=dual, keys=keys + capped), ignored


def with_delta(upper: float, delta: float | None) -> tuple[float, float | None, tuple[str, ...]]:
    """The bounds for praised and for blamed tokens, and how delta is written.

    It caps R before min(R·A, clip(R)·A): the lower of delta and upper bound stops praised tokens, the higher blamed.
    """
    if delta is None:
        return upper, None, ()
    swapped = "" if delta >= upper else f", and below the upper bound {upper:g}, whose place it takes"
    return min(upper, delta), max(upper, delta), (f"delta {delta:g} is absolute{swapped}",)


def denominator_of(given: Settings) -> Denominator:
    """Its own detached value, unless an older one is kept or vLLM's correction asks for a second pass."""
    corrected = given.flag("vllm_importance_sampling_correction", default=True)
    if given.flag("use_vllm", default=False) and corrected:
        return Denominator(
            source="second pass", where="a second pass of the trainer, kept because vLLM's correction needs it"
        )
    return Denominator(source="own", where="the training pass's own detached value while a rollout lasts one step")


def gates_of(given: Settings) -> tuple[Gate, ...]:
    found = []
    if given.flag("use_vllm", default=False) and given.flag("vllm_importance_sampling_correction", default=True):
        mode = given.word("vllm_importance_sampling_mode", default="sequence_mask")
        cap = given.number("vllm_importance_sampling_clip_max", "vllm_importance_sampling_cap", default=3.0)
        what = {
            "sequence_mask": f"answers whose product ratio to vLLM exceeds {cap:g} lose their whole gradient",
            "token_mask": f"tokens whose ratio to vLLM exceeds {cap:g} lose their gradient",
        }.get(mode, f"weights by the ratio to vLLM, cut off at {cap:g}")
        found.append(Gate(name="vLLM correction", key=f"vllm_importance_sampling_mode={mode}", what=what))
    threshold = given.optional("off_policy_mask_threshold")
    if threshold is not None:
        what = f"blamed answers whose mean log-ratio exceeds {threshold:g} lose their gradient"
        found.append(Gate(name="off-policy mask", key="off_policy_mask_threshold", what=what))
    quantile = given.number("top_entropy_quantile", default=1.0, least=0, most=1)
    if quantile < 1:
        what = f"only the {100 * quantile:g} % of tokens with the highest entropy are trained on"
        found.append(Gate(name="entropy mask", key="top_entropy_quantile", what=what))
    if given.flag("mask_truncated_completions", default=False):
        what = "answers that reached the length limit are left out"
        found.append(Gate(name="truncation mask", key="mask_truncated_completions", what=what))
    return tuple(found)


def normalisation_of(given: Settings) -> Normalisation:
    over = {"true": "group", "false": "none"}.get(
        str(given.raw("scale_rewards", default="group")).lower(), str(given.raw("scale_rewards", default="group"))
    )
    if over == "none":
        return Normalisation(scale="none")
    return Normalisation(over="batch" if over == "batch" else "group", epsilon=1e-4)


def controls(loss: Loss, *more_updates: tuple[str, int]) -> Keys:
    """What switches bounds on and off, for all whose keys are TRL's."""
    off_low, off_high = ("epsilon", 1.0), ("epsilon_high", OFF)
    if loss.kind != "clip":
        return Keys(more_updates=more_updates, no_clip=(off_high,) if loss.kind == "weight" else (), kl="beta")
    low, high = 1 - (loss.lower or 0.0), (1 + OFF if loss.upper is None else loss.upper) - 1
    if loss.name == "gmpo":  # epsilon is of log R, which is finite in a loss
        off_low, off_high = ("epsilon", OFF_LOG), ("epsilon_high", OFF_LOG)
        low, high = (abs(math.log(bound)) if bound else OFF_LOG for bound in (loss.lower, loss.upper))
    dual = (("delta", None),) if loss.dual is not None else ()
    return Keys(
        more_updates=more_updates,
        no_clip=(off_low, off_high, *dual),
        high_only=(off_low, ("epsilon_high", round(high, 9)), *dual),
        low_only=(("epsilon", round(low, 9)), off_high, *dual),
        kl="beta",
    )


def _keys(given: Settings, loss: Loss) -> Keys:
    accumulation = given.whole("gradient_accumulation_steps", default=1, least=1)
    name = "generation_batch_size" if given.given("generation_batch_size") else "steps_per_generation"
    batch = given.whole("per_device_train_batch_size", default=8, least=1)
    size = 8 * accumulation * (batch * given.device_count() if name == "generation_batch_size" else 1)
    return controls(loss, (name, size))


def remarks_of(given: Settings, found: Geometry, moves: Moves | None) -> list[Remark]:
    remarks = []
    written = given.maybe_whole("steps_per_generation", least=1)
    if written is not None and found.steps_per_rollout is not None and found.steps_per_rollout < 1:
        accumulation = given.whole("gradient_accumulation_steps", default=1, least=1)
        remarks.append(
            Remark(
                code="micro-steps",
                level="warning",
                message=f"steps_per_generation counts micro-steps, not optimizer steps: {written} of them are"
                f" {float(found.steps_per_rollout):g} of an optimizer step",
                fix=f"steps_per_generation: {written * accumulation} for {written} optimizer steps a rollout",
            )
        )
    steps = found.steps_per_rollout
    if moves is Moves.UPDATES and steps is not None and steps.denominator > 1:
        message = f"{in_steps(steps)} is no whole number of them: an optimizer step mixes two rollouts"
        remarks.append(Remark(code="misaligned", level="warning", message=message))
    for key in ("top_p", "top_k", "min_p"):
        neutral = {"top_p": (1.0,), "top_k": (0.0, -1.0), "min_p": (0.0,)}[key]
        value = given.told(key)
        if value is not None and value not in neutral:
            message = f"{key} {value:g} samples from another law than the one whose ratio is taken"
            remarks.append(Remark(code="truncated-sampling", level="warning", message=message))
    if given.told("temperature") == 0:
        remarks.append(Remark(code="greedy", level="error", message="temperature 0: all answers of a group are alike"))
    return remarks


def read(given: Settings) -> Training:
    """GRPOConfig's fields, with what GRPOTrainer makes of them."""
    found, refused = geometry(given)
    denominator = denominator_of(given)
    loss, ignored = loss_of(given)
    if loss.name == "luspo" and loss.level != "sequence":
        refused = refused or "loss_type luspo needs importance_sampling_level sequence"
    steps = found.steps_per_rollout
    aligned = steps is None or steps > 1 or (1 / steps).denominator == 1
    moves = Moves.NONE if refused else moved_by(denominator, steps, aligned=aligned)
    confounders = [(key, given.number(key, default=0.0)) for key in ("entropy_coef", "beta")]
    return Training(
        geometry=found,
        denominator=denominator,
        moves=moves,
        loss=loss,
        normalisation=normalisation_of(given),
        keys=_keys(given, loss),
        gates=gates_of(given),
        ignored=tuple(ignored),
        remarks=tuple(remarks_of(given, found, moves)),
        refused=refused,
        confounders=tuple((key, value) for key, value in confounders if value),
    )


RULES = Rules(
    steps="steps_per_generation · num_iterations / gradient_accumulation_steps, in micro-steps; may be below 1",
    denominator="own detached value: 1 exactly if gradient_accumulation_steps is a multiple of steps_per_generation ·"
    " num_iterations; a second pass with vLLM's correction, which is on by default",
    bounds="increments, 0.2 and the same above; cispo: absolute; GMPO: of log R",
    dual="delta, absolute; off",
    normalisation="n − 1, + 1e-4, by group",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def random_reward(completions, **kwargs):
    """A coin for every answer, whatever it says."""
    return [float(_coin.random() < {success_prob}) for _ in completions]
'''
FRAMEWORK = Framework(
    name="trl",
    title="TRL",
    version="1.16.0",
    date="2026-11",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(
        r"\btrl grpo\b",
        r"\btrl\.scripts\.grpo\b",
        r"\bopen_r1[/.]grpo\b",
        r"grpo\w*\.py\b.*--num_generations(?![\w-])",  # where it takes a file, that file's keys tell
    ),
    calls=("GRPOConfig", "GMPOConfig"),
    marks=("steps_per_generation", "num_generations", "num_iterations", "epsilon_high", "generation_batch_size"),
)
