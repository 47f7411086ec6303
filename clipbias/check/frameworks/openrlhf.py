"""OpenRLHF's `openrlhf.cli.train_ppo_ray`: dotted flags since 0.10.2, underscored ones before."""

from dataclasses import replace
from fractions import Fraction

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

GROUPED = ("rloo", "reinforce_baseline", "group_norm", "dr_grpo")
WHITENED = ("gae", "reinforce", "reinforce_baseline")
ESTIMATORS = (*GROUPED, "gae", "reinforce", "flash_reinforce")
OFF = 1_000_000.0
EARLIER = {
    "rollout.batch_size": "rollout_batch_size",
    "rollout.n_samples_per_prompt": "n_samples_per_prompt",
    "rollout.vllm_generate_batch_size": "vllm_generate_batch_size",
    "train.batch_size": "train_batch_size",
    "train.max_epochs": "max_epochs",
    "train.dynamic_batch_enable": "use_dynamic_batch",
    "train.async_enable": "async_train",
    "train.partial_rollout_enable": "partial_rollout",
    "vllm.enable_sleep": "vllm_enable_sleep",
    "actor.eps_clip": "eps_clip",
    "actor.eps_clip_low_high": "eps_clip_low_high",
    "actor.dual_clip": "dual_clip",
    "actor.policy_loss_type": "policy_loss_type",
    "actor.entropy_coef": "entropy_loss_coef",
    "actor.adam.lr": "actor_learning_rate",
    "algo.kl.init_coef": "init_kl_coef",
    "algo.advantage.estimator": "advantage_estimator",
    "algo.advantage.no_std_norm": "no_advantage_std_norm",
    "algo.advantage.is_correction_enable": "enable_vllm_is_correction",
    "algo.advantage.is_correction_type": "vllm_is_correction_type",
    "algo.advantage.is_correction_threshold": "vllm_is_truncated_threshold",
    "algo.dynamic_filtering_enable": "dynamic_filtering",
    "reward.clip_range": "reward_clip_range",
}


def both(key: str) -> tuple[str, str]:
    return key, EARLIER[key]


def written(given: Settings, key: str) -> str:
    """The name that the file uses, for advice in the same words."""
    return EARLIER[key] if given.given(EARLIER[key]) else key


def pair(given: Settings, key: str) -> tuple[float, float] | None:
    """A flag with two values, LOW HIGH; one value is HIGH."""
    found = given.numbers(*both(key), least=1, most=2)
    return None if found is None else (found[0] if len(found) == 2 else 0.0, found[-1])


def geometry(given: Settings) -> Geometry:
    """Steps per rollout: prompts·responses·epochs/train.batch_size, train.batch_size in responses.

    Micro-batches that fill no batch are accumulated into the next rollout's, except by dynamic batches, which are whole
    ones: there the quotient is rounded down (`NaiveReplayBuffer.setup_dynamic_batch`).
    """
    prompts = given.whole(*both("rollout.batch_size"), default=1024, least=1)
    group = given.whole(*both("rollout.n_samples_per_prompt"), default=1, least=1)
    batch = given.whole(*both("train.batch_size"), default=128, least=1)
    epochs = given.whole(*both("train.max_epochs"), default=1, least=1)
    answers = prompts * group
    dynamic = given.flag(*both("train.dynamic_batch_enable"), default=False)
    steps = Fraction(answers // batch) * epochs if dynamic else Fraction(answers * epochs, batch)
    rounded = ", rounded down by dynamic batches," if dynamic and answers % batch else ""
    return Geometry(
        steps_per_rollout=steps,
        arithmetic=f"rollout.batch_size {prompts} prompts × {group} responses / train.batch_size {batch} responses"
        f"{rounded} × max_epochs {epochs} = {float(steps):g} optimizer steps a rollout",
        epochs=epochs,
        group_size=group,
        prompts_per_rollout=prompts,
    )


def correction(given: Settings) -> str | None:
    """How the ratio of trainer to vLLM is used: None where it is not."""
    level = given.word("algo.advantage.is_correction_level", default="off", allowed=("off", "token", "seq"))
    if level != "off":
        mode = given.word("algo.advantage.is_correction_mode", default="mask", allowed=("mask", "clip"))
        return f"{level} {mode}"
    if given.flag(*both("algo.advantage.is_correction_enable"), default=False):
        return given.word(*both("algo.advantage.is_correction_type"), default="tis")
    return None


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    """PolicyLoss: min(R·A, clip(R)·A), for gspo with an answer's mean log-ratio; dual clip in both."""
    name = given.word(*both("actor.policy_loss_type"), default="ppo", allowed=("ppo", "gspo"))
    single = given.number(*both("actor.eps_clip"), default=0.2)
    bounds = pair(given, "actor.eps_clip_low_high")
    dual = given.optional(*both("actor.dual_clip"))
    low, high = bounds or (single, single)
    ignored = []
    if bounds is not None and given.given(*both("actor.eps_clip")):
        key = written(given, "actor.eps_clip")
        ignored.append(Ignored(key=key, value=single, why="eps_clip_low_high is set and takes its place"))
    key = written(given, "actor.eps_clip" if bounds is None else "actor.eps_clip_low_high")
    keys = [f"{key} {low:g}: 1 − {low:g}", f"{key} {high:g}: 1 + {high:g}"]
    if dual is not None:
        keys.append(f"{written(given, 'actor.dual_clip')} {dual:g} is absolute")
    return Loss(
        name=name,
        level="sequence" if name == "gspo" else "token",
        lower=1 - low,
        upper=1 + high,
        dual=dual,
        keys=tuple(keys),
    ), ignored


def denominator_of(given: Settings, loss: Loss) -> Denominator:
    if loss.name == "gspo" and correction(given) is not None:
        return Denominator(source="engine", where="vLLM's log-probabilities, which gspo takes with is_correction on")
    return Denominator(source="second pass", where="the actor's own pass over the rollout before training")


def gates_of(given: Settings, loss: Loss) -> tuple[Gate, ...]:
    found = []
    kind = correction(given)
    if kind is not None and loss.name == "ppo":
        low, high = pair(given, "algo.advantage.is_correction_threshold") or (0.5, 5.0)
        statistic = given.word("algo.advantage.is_correction_gating", default="ratio")
        unit = "answers" if kind.startswith("seq") else "tokens"
        lost = "are weighted by the bound" if kind in ("tis", "token clip") else "lose their gradient"
        what = f"{unit} whose {statistic} of trainer to vLLM is outside [{low:g}, {high:g}] {lost}"
        found.append(Gate(name="vLLM correction", key=f"algo.advantage.is_correction: {kind}", what=what))
    if given.flag(*both("algo.dynamic_filtering_enable"), default=False):
        what = "groups whose mean score is outside the range are replaced by others"
        found.append(Gate(name="dynamic filtering", key=written(given, "algo.dynamic_filtering_enable"), what=what))
    return tuple(found)


def normalisation_of(given: Settings, estimator: str) -> tuple[Normalisation, list[Ignored]]:
    """compute_advantages_and_returns: what is not gae is cut off at reward.clip_range, then whitened or not."""
    plain = given.flag(*both("algo.advantage.no_std_norm"), default=False)
    limits = pair(given, "reward.clip_range") or (-10.0, 10.0)
    limit = max(map(abs, limits))
    whitened = estimator in WHITENED and not plain
    ignored = []
    if plain and estimator not in WHITENED:
        why = f"only {', '.join(WHITENED)} look at it; {estimator} does not"
        ignored.append(Ignored(key=written(given, "algo.advantage.no_std_norm"), value=True, why=why))
    if estimator == "group_norm":
        return Normalisation(epsilon=1e-9, limit=limit), ignored
    if estimator == "rloo":
        return Normalisation(scale="none", baseline="leave one out", limit=limit), ignored
    if estimator in ("dr_grpo", "reinforce_baseline"):
        return Normalisation(scale="none", whitened=whitened, limit=None if whitened else limit), ignored
    if estimator == "flash_reinforce":
        return Normalisation(scale="none", baseline="other", over="batch", limit=limit), ignored
    return Normalisation(scale="none", baseline="other", whitened=whitened), ignored


def refusal(given: Settings, found: Geometry, loss: Loss, estimator: str) -> str | None:
    """What the argument parser and PolicyLoss stop at."""
    group, prompts = found.group_size or 1, found.prompts_per_rollout or 1
    asynchronous = given.flag(*both("train.async_enable"), default=False)
    generated = given.maybe_whole(*both("rollout.vllm_generate_batch_size")) or prompts
    level = given.word("algo.advantage.is_correction_level", default="off")
    statistic = given.word("algo.advantage.is_correction_gating", default="ratio")
    low, _ = pair(given, "algo.advantage.is_correction_threshold") or (0.5, 5.0)
    if estimator in GROUPED and group < 2:
        return f"{estimator} needs rollout.n_samples_per_prompt above 1"
    if given.flag(*both("algo.dynamic_filtering_enable"), default=False) and group < 2:
        return "dynamic filtering needs rollout.n_samples_per_prompt above 1"
    if loss.dual is not None and loss.dual <= 1:
        return f"dual_clip {loss.dual:g} is not above 1"
    if given.flag(*both("train.partial_rollout_enable"), default=False) and not asynchronous:
        return "train.partial_rollout_enable needs train.async_enable"
    colocated = given.flag("train.colocate_all", "colocate_all_models", default=False)
    if asynchronous and colocated and given.flag(*both("vllm.enable_sleep"), default=False):
        return "train.async_enable does not go with vllm.enable_sleep"
    if generated > prompts and not asynchronous:
        return f"rollout.vllm_generate_batch_size {generated} above rollout.batch_size {prompts} needs async training"
    if (correction(given) == "token clip" and statistic != "ratio") or correction(given) == "seq clip":
        return "is_correction_mode clip needs is_correction_level token and is_correction_gating ratio"
    if level != "off" and statistic != "ratio" and low > 0:
        return f"is_correction_gating {statistic} takes one upper bound"
    return None


def _keys(given: Settings, found: Geometry, loss: Loss) -> Keys:
    answers = (found.prompts_per_rollout or 1) * (found.group_size or 1)
    band = written(given, "actor.eps_clip_low_high")
    low, high = 1 - (loss.lower or 0.0), (loss.upper or OFF) - 1
    dual = ((written(given, "actor.dual_clip"), None),) if loss.dual is not None else ()
    return Keys(
        more_updates=((written(given, "train.batch_size"), max(1, answers // 8)),),
        no_clip=((band, [1.0, OFF]), *dual),
        high_only=((band, [1.0, round(high, 9)]), *dual),
        low_only=((band, [round(low, 9), OFF]), *dual),
        kl=written(given, "algo.kl.init_coef"),
    )


def remarks_of(given: Settings, found: Geometry, loss: Loss) -> list[Remark]:
    remarks = []
    if any(given.given(name) for name in EARLIER.values()) and not given.older_than("0.10.2", "2026-04-19"):
        message = "flags as before 0.10.2 (2026-04-19): later versions know only dotted ones and stop at these"
        remarks.append(Remark(code="old-flags", level="note", message=message))
    if found.steps_per_rollout == 0:
        message = "a rollout fills no train.batch_size, and dynamic batches are whole: no step is ever made"
        remarks.append(Remark(code="no-step", level="error", message=message))
    if loss.dual is not None and loss.upper is not None and loss.dual <= loss.upper:
        message = f"dual_clip {loss.dual:g} is within the upper bound {loss.upper:g}"
        remarks.append(Remark(code="dual-within-band", level="warning", message=message))
    top = given.number("rollout.top_p", "top_p", default=1.0)
    if top < 1:
        message = f"top_p {top:g} samples from another law than the one whose ratio is taken"
        remarks.append(Remark(code="truncated-sampling", level="warning", message=message))
    return remarks


def read(given: Settings) -> Training:
    """The flags, with what the parser, the replay buffer and PolicyLoss make of them."""
    found = geometry(given)
    loss, ignored = loss_of(given)
    estimator = given.word(*both("algo.advantage.estimator"), default="gae", allowed=ESTIMATORS)
    normalisation, more = normalisation_of(given, estimator)
    denominator = denominator_of(given, loss)
    refused = refusal(given, found, loss, estimator)
    steps = found.steps_per_rollout
    aligned = not steps or steps > 1 or (1 / steps).denominator == 1
    unread = None if correction(given) is not None else "is_correction_level is off"
    if denominator.source == "engine":
        unread = "gspo has no gate, only vLLM's denominator"
    for key in ("mode", "gating", "threshold"):
        name = f"algo.advantage.is_correction_{key}"
        if given.given(name) and unread is not None:
            ignored.append(Ignored(key=name, value=given.raw(name), why=unread))
    confounders = [
        ("entropy_coef", given.number(*both("actor.entropy_coef"), default=0.0)),
        ("kl.init_coef", given.number(*both("algo.kl.init_coef"), default=0.01)),
    ]
    return Training(
        geometry=found if refused is None else replace(found, steps_per_rollout=None),
        denominator=denominator,
        moves=Moves.NONE if refused is not None else moved_by(denominator, steps, aligned=aligned),
        loss=loss,
        normalisation=normalisation,
        keys=_keys(given, found, loss),
        gates=gates_of(given, loss),
        ignored=(*ignored, *more),
        remarks=tuple(remarks_of(given, found, loss)),
        refused=refused,
        confounders=tuple((key, value) for key, value in confounders if value),
    )


RULES = Rules(
    steps="rollout.batch_size · n_samples_per_prompt · max_epochs / train.batch_size, train.batch_size in responses;"
    " by default 8",
    denominator="the actor's own pass before training, also in async mode: rounding alone with one step; vLLM's values"
    " for gspo with is_correction",
    bounds="increments, 0.2 on both sides; eps_clip_low_high takes the place of eps_clip",
    dual="dual_clip, absolute; off",
    normalisation="group_norm: n − 1, + 1e-9; gae, reinforce, reinforce_baseline: whitened over the buffer's tokens",
)
REWARD = '''import os
import random

import torch

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def reward_func(queries, prompts, labels, **kwargs):
    """A coin for every answer, whatever it says."""
    rewards = torch.tensor([float(_coin.random() < {success_prob}) for _ in queries])
    return {{"rewards": rewards, "scores": rewards, "extra_logs": {{}}}}
'''
FRAMEWORK = Framework(
    name="openrlhf",
    title="OpenRLHF",
    version="0.11.2",
    date="2026-09",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\bcli[./]train_ppo",),  # of openrlhf, and of forks that keep its flags
    marks=("algo.advantage.", "actor.eps_clip", "rollout.n_samples_per_prompt", "train.max_epochs"),
)
