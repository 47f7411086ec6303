"""NeMo-RL's GRPO: YAML that inherits by `defaults`, and keys on the command line over it."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import Settings
from clipbias.check.setup import (
    Denominator,
    Gate,
    Geometry,
    Ignored,
    Keys,
    Loss,
    Moves,
    Normalisation,
    Remark,
    Training,
    moved_by,
)
from clipbias.common.errors import InputError

OFF = 1_000_000.0
TIS = "loss_fn.truncated_importance_sampling_"


def geometry(given: Settings) -> tuple[Geometry, str | None]:
    """Steps per rollout: num_prompts_per_step·num_generations_per_prompt/train_global_batch_size, that in responses."""
    prompts = given.whole("grpo.num_prompts_per_step", default=32, least=1)
    group = given.whole("grpo.num_generations_per_prompt", default=16, least=1)
    batch = given.whole("policy.train_global_batch_size", default=512, least=1)
    answers = prompts * group
    steps = Fraction(answers, batch)
    refused = f"a rollout of {answers} responses is no multiple of train_global_batch_size {batch}"
    found = Geometry(
        steps_per_rollout=steps if answers % batch == 0 else None,
        arithmetic=f"num_prompts_per_step {prompts} × num_generations_per_prompt {group} / train_global_batch_size"
        f" {batch} responses = {float(steps):g} optimizer steps a rollout",
        group_size=group,
        prompts_per_rollout=prompts,
    )
    return found, refused if answers % batch else None


def _flag(given: Settings, key: str, *, default: bool = False) -> bool:
    return given.flag(f"loss_fn.{key}", default=default)


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    """ClippedPGLossFn: clip(R), of an answer's mean log-ratio with sequence_level_importance_ratios, or cispo."""
    low, high = given.number("loss_fn.ratio_clip_min", default=0.2), given.number("loss_fn.ratio_clip_max", default=0.2)
    dual = given.optional("loss_fn.ratio_clip_c")
    if _flag(given, "disable_ppo_ratio"):
        pairs = (("ratio_clip_min", low), ("ratio_clip_max", high))
        why = "disable_ppo_ratio takes the ratio out of the loss"
        written = [Ignored(key=f"loss_fn.{k}", value=v, why=why) for k, v in pairs if given.given(f"loss_fn.{k}")]
        return Loss(name="reinforce", kind="none"), written
    cispo, sequence = _flag(given, "use_cispo"), _flag(given, "sequence_level_importance_ratios")
    keys = [f"ratio_clip_min {low:g}: 1 − {low:g}", f"ratio_clip_max {high:g}: 1 + {high:g}"]
    if dual is not None:
        keys.append(f"ratio_clip_c {dual:g} is absolute")
    return Loss(
        name="cispo" if cispo else "gspo" if sequence else "ppo",
        kind="weight" if cispo else "clip",
        level="sequence" if sequence else "token",
        lower=1 - low,
        upper=1 + high,
        dual=dual,
        keys=tuple(keys),
    ), []


def denominator_of(given: Settings) -> Denominator:
    if _flag(given, "force_on_policy_ratio"):
        return Denominator(source="own", where="the training pass's own detached value, by force_on_policy_ratio")
    if _flag(given, "disable_ppo_ratio"):
        return Denominator(source="none", where="disable_ppo_ratio: no ratio")
    return Denominator(source="second pass", where="prev_logprobs, a pass of the policy before training")


def gates_of(given: Settings) -> tuple[Gate, ...]:
    found = []
    kind = given.raw(f"{TIS}type")
    cap, floor = given.optional(f"{TIS}ratio"), given.optional(f"{TIS}ratio_min")
    if _flag(given, "use_importance_sampling_correction"):
        what = "weights by the ratio of trainer to generator"
        if kind is not None and cap is not None:
            low = floor or 0.0
            what = {
                "icepop": f"tokens whose ratio to the generator is outside [{low:g}, {cap:g}] lose their gradient",
                "seq-mask-tis": f"answers whose mean ratio is outside [{low:g}, {cap:g}] lose their gradient",
            }.get(str(kind), f"weights by the ratio of trainer to generator, kept within [{low:g}, {cap:g}]")
        key = "loss_fn.use_importance_sampling_correction"
        found.append(Gate(name="importance sampling correction", key=key, what=what))
    threshold = given.optional("grpo.seq_logprob_error_threshold")
    if threshold is not None:
        what = f"answers whose log-probabilities differ from the generator's by more than {threshold:g} are left out"
        found.append(Gate(name="log-probability error mask", key="grpo.seq_logprob_error_threshold", what=what))
    for key, what in (
        ("use_dynamic_sampling", "groups of equal rewards are replaced by others"),
        ("overlong_filtering", "answers that reached the length limit are left out"),
    ):
        if given.flag(f"grpo.{key}", default=False):
            found.append(Gate(name=key.replace("_", " "), key=f"grpo.{key}", what=what))
    for side in ("low", "high"):
        value = given.optional(f"grpo.advantage_clip_{side}")
        if value is not None:
            what = f"advantages are cut off at {value:g}"
            found.append(Gate(name="advantage clip", key=f"grpo.advantage_clip_{side}", what=what))
    return tuple(found)


def normalisation_of(given: Settings) -> Normalisation:
    """GRPOAdvantageEstimator: mean and std of the others by default, the std left out where it is 0."""
    estimator = given.word("grpo.adv_estimator.name", default="grpo")
    own = "grpo.adv_estimator."
    scaled = given.flag(f"{own}normalize_rewards", "grpo.normalize_rewards", default=True)
    alone = given.flag(f"{own}use_leave_one_out_baseline", "grpo.use_leave_one_out_baseline", default=True)
    if estimator == "reinforce_plus_plus":
        centred = given.flag(f"{own}minus_baseline", default=True)
        return Normalisation(scale="none", baseline="group mean" if centred else "other", whitened=True)
    if estimator != "grpo":
        return Normalisation(scale="none", baseline="other", whitened=estimator == "gdpo")
    low, high = given.optional("grpo.advantage_clip_low"), given.optional("grpo.advantage_clip_high")
    return Normalisation(
        scale="std-unbiased" if scaled else "none",
        baseline="leave one out" if alone else "group mean",
        epsilon=1e-6,
        limit=None if low is None or high is None else max(abs(low), abs(high)),
    )


def refusal(given: Settings, found: Geometry, loss: Loss) -> str | None:
    """What ClippedPGLossFn and the set-up stop at."""
    sequence, tokens = _flag(given, "sequence_level_importance_ratios"), _flag(given, "token_level_loss", default=True)
    forced, corrected = _flag(given, "force_on_policy_ratio"), _flag(given, "use_importance_sampling_correction")
    dual, kind, cap = loss.dual, given.raw(f"{TIS}type"), given.optional(f"{TIS}ratio")
    asynchronous = given.flag("grpo.async_grpo.enabled", default=False)
    if sequence and tokens:
        return "sequence_level_importance_ratios needs token_level_loss false"
    if forced and found.steps_per_rollout != 1:
        return "force_on_policy_ratio needs train_global_batch_size to be the whole rollout"
    if _flag(given, "use_cispo") and (_flag(given, "disable_ppo_ratio") or forced or sequence or dual or not tokens):
        return "use_cispo goes with none of disable_ppo_ratio, force_on_policy_ratio, sequence ratios and ratio_clip_c"
    if dual is not None and dual <= 1:
        return f"ratio_clip_c {dual:g} is not above 1"
    if kind is not None and not corrected:
        return "truncated_importance_sampling_type needs use_importance_sampling_correction"
    if (kind is None) != (cap is None):
        return "truncated_importance_sampling_type and _ratio go together"
    if kind in ("icepop", "seq-mask-tis") and given.optional(f"{TIS}ratio_min") is None:
        return f"{kind} needs truncated_importance_sampling_ratio_min"
    if asynchronous and not corrected and given.given("loss_fn.use_importance_sampling_correction"):
        return "async_grpo needs use_importance_sampling_correction"
    return None


def _keys(found: Geometry, loss: Loss) -> Keys:
    answers = (found.prompts_per_rollout or 1) * (found.group_size or 1)
    more: tuple[tuple[str, Any], ...] = (("policy.train_global_batch_size", max(1, answers // 8)),)
    kl = "loss_fn.reference_policy_kl_penalty"
    if loss.lower is None or loss.upper is None:
        return Keys(more_updates=more, kl=kl)
    no_low, no_high = ("loss_fn.ratio_clip_min", 1.0), ("loss_fn.ratio_clip_max", OFF)
    return Keys(
        more_updates=more,
        no_clip=(no_low, no_high),
        high_only=(no_low, ("loss_fn.ratio_clip_max", round(loss.upper - 1, 9))),
        low_only=(("loss_fn.ratio_clip_min", round(1 - loss.lower, 9)), no_high),
        kl=kl,
    )


def remarks_of(given: Settings, loss: Loss) -> list[Remark]:
    found = []
    if given.flag("grpo.async_grpo.enabled", default=False) and loss.kind != "none":
        message = "prev_logprobs are of the current weights: the clip does not see how stale the samples are"
        found.append(Remark(code="staleness", level="note", message=message))
    message = "NeMo-RL logs no clip fraction: compare probs_ratio_max with probs_ratio_clamped_max"
    if loss.kind != "none":
        found.append(Remark(code="not-logged", level="note", message=message))
    return found


def read(given: Settings) -> Training:
    """grpo.*, policy.* and loss_fn.*, with what NeMo-RL makes of them.

    Raises: InputError for a distillation, which has a loss_fn too.
    """
    sections = {key.partition(".")[0] for key in given.entries}
    if "distillation" in sections and "grpo" not in sections:
        raise InputError("distillation", "absent or beside grpo, for there to be a clip that is read here")
    found, refused = geometry(given)
    loss, ignored = loss_of(given)
    refused = refused or refusal(given, found, loss)
    denominator = denominator_of(given)
    kl = given.number("loss_fn.reference_policy_kl_penalty", default=0.01)
    return Training(
        geometry=found if refused is None else replace(found, steps_per_rollout=None),
        denominator=denominator,
        moves=Moves.NONE if refused is not None else moved_by(denominator, found.steps_per_rollout),
        loss=loss,
        normalisation=normalisation_of(given),
        keys=_keys(found, loss),
        gates=gates_of(given),
        ignored=tuple(ignored),
        remarks=tuple(remarks_of(given, loss)),
        refused=refused,
        confounders=(("reference_policy_kl_penalty", kl),) if kl else (),
    )


RULES = Rules(
    steps="num_prompts_per_step · num_generations_per_prompt / train_global_batch_size, in responses; by default 1",
    denominator="a second pass, so rounding with one step; 1 exactly with force_on_policy_ratio; none with"
    " disable_ppo_ratio",
    bounds="increments, 0.2 on both sides, also for cispo",
    dual="ratio_clip_c, absolute; off",
    normalisation="of the others (leave one out), n − 1, + 1e-6, by group; the std left out where it is 0",
)
REWARD = '''import os
import random

import ray
import torch

from nemo_rl.environments.interfaces import EnvironmentInterface, EnvironmentReturn

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


@ray.remote
class RandomRewardEnvironment(EnvironmentInterface):
    """A coin for every answer, whatever it says."""

    def step(self, message_log_batch, metadata):
        size = len(message_log_batch)
        return EnvironmentReturn(
            observations=[{{"role": "environment", "content": ""}}] * size,
            metadata=metadata,
            next_stop_strings=[None] * size,
            rewards=torch.tensor([float(_coin.random() < {success_prob}) for _ in range(size)]),
            terminateds=torch.ones(size),
            answers=None,
        )

    def global_post_process_and_metrics(self, batch):
        return batch, {{}}
'''
FRAMEWORK = Framework(
    name="nemo-rl",
    title="NeMo-RL",
    version="0.7.0",
    date="2026-08-22",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(
        r"\bexamples/(\w+/)*run_(vlm_)?grpo\w*\.py\b",
        r"\b(loss_fn\.ratio_clip_\w+|grpo\.num_prompts_per_step)=",
    ),
    style="hydra",
    marks=("grpo.num_prompts_per_step", "grpo.num_generations_per_prompt", "loss_fn.ratio_clip", "grpo.", "loss_fn."),
)
