"""Axolotl's GRPO: keys under `trl:` go to TRL, if Axolotl knows them; batch sizes stand above."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import Settings
from clipbias.check.setup import Ignored, Keys, Moves, Remark, Training
from clipbias.common.errors import InputError

from . import trl

TAKEN = (
    "num_generations",
    "num_iterations",
    "generation_batch_size",
    "epsilon",
    "epsilon_high",
    "loss_type",
    "importance_sampling_level",
    "scale_rewards",
    "use_vllm",
    "mask_truncated_completions",
    "temperature",
    "top_p",
    "top_k",
    "min_p",
    "entropy_coef",
    "vllm_importance_sampling_correction",
    "vllm_importance_sampling_mode",
    "vllm_importance_sampling_clip_max",
    "vllm_importance_sampling_cap",
    "off_policy_mask_threshold",
)
NOT_TAKEN = ("steps_per_generation", "delta", "top_entropy_quantile")
ASYNCHRONOUS = ("trl.use_data_producer", "trl.async_prefetch")


def spelling(given: Settings) -> dict[str, str]:
    """TRL's keys as Axolotl's files write them; those that it does not hand on are spelled as nobody can write them."""
    found = {name: f"trl.{name}" for name in TAKEN} | {name: f"({name})" for name in NOT_TAKEN}
    return found | {
        "per_device_train_batch_size": "micro_batch_size",
        "beta": "trl.beta" if given.given("trl.beta") else "rl_beta",
    }


def refusal(given: Settings) -> str | None:
    """What Axolotl's own validation stops at before TRL does, where trl.num_generations is written.

    generation_batch_size, or micro_batch_size·gradient_accumulation_steps whatever the devices, is a multiple of
    num_generations, and at least num_generations on every device.
    """
    group = given.maybe_whole("trl.num_generations")
    if group is None or group < 2 or given.word("rl", default="grpo") != "grpo":
        return None  # too small a group is TRL's refusal too
    micro = given.whole("micro_batch_size", default=1, least=1)
    accumulation = given.whole("gradient_accumulation_steps", default=1, least=1)
    answers = given.maybe_whole("trl.generation_batch_size", least=1) or micro * accumulation
    devices = given.device_count()
    if answers % group:
        return (
            f"{answers} answers ({micro} × {accumulation}, devices not counted) are no multiple of {group} generations"
        )
    if devices > 1 and answers < group * devices:
        return (
            f"{answers} answers, devices not counted, are fewer than {group} generations on each of {devices} devices"
        )
    return None


def _renamed(pairs: tuple[tuple[str, Any], ...], spelled: Mapping[str, str]) -> tuple[tuple[str, Any], ...]:
    return tuple((spelled.get(key, key), value) for key, value in pairs)


def _in_our_words(found: Training, given: Settings, inner: Settings, spelled: Mapping[str, str]) -> Training:
    """Keys as Axolotl writes them, wherever the answer names one."""
    step = inner.whole("per_device_train_batch_size", default=1) * inner.whole("gradient_accumulation_steps", default=1)
    keys = trl.controls(found.loss, ("generation_batch_size", 8 * step * inner.device_count()))
    return replace(
        found,
        keys=Keys(
            more_updates=_renamed(keys.more_updates, spelled),
            no_clip=_renamed(keys.no_clip, spelled),
            high_only=_renamed(keys.high_only, spelled),
            low_only=_renamed(keys.low_only, spelled),
            kl="trl.beta",
        ),
        gates=tuple(replace(gate, key=f"trl.{gate.key}") for gate in found.gates),
        confounders=_renamed(found.confounders, spelled),
        ignored=tuple(replace(i, key=spelled.get(i.key, i.key)) for i in found.ignored)
        + tuple(
            Ignored(
                key=f"trl.{name}", value=given.raw(f"trl.{name}"), why="Axolotl has no such key and hands nothing on"
            )
            for name in NOT_TAKEN
            if given.given(f"trl.{name}")
        ),
    )


def read(given: Settings) -> Training:
    kind = given.word("rl", default="grpo")
    if kind not in ("grpo", "gdpo"):
        raise InputError("rl", "grpo or gdpo, for there to be a clip", kind)
    spelled = spelling(given)
    defaults: dict[str, Any] = {"per_device_train_batch_size": 1, "gradient_accumulation_steps": 1}
    remarks = []
    if any(given.flag(key, default=False) for key in ASYNCHRONOUS if given.given(key)):
        defaults["vllm_importance_sampling_mode"] = "token_truncate"
        message = (
            "answers are of weights some steps old; the ratio's denominator is of the current ones and cannot see it"
        )
        remarks.append(Remark(code="stale-rollouts", level="warning", message=message))
    inner = given.read_as(spelled, defaults)
    found = trl.read(inner)
    refused = found.refused or refusal(given)
    if refused is not None:
        geometry = replace(found.geometry, steps_per_rollout=None)
        found = replace(found, refused=refused, moves=Moves.NONE, geometry=geometry)
    found = _in_our_words(found, given, inner, spelled)
    given.devices_asked = given.devices_asked or inner.devices_asked
    return replace(found, remarks=(*found.remarks, *remarks))


RULES = Rules(
    steps="trl.generation_batch_size · trl.num_iterations / (micro_batch_size · gradient_accumulation_steps · devices);"
    " 1 by default, for trl.steps_per_generation is not handed on",
    denominator="as TRL",
    bounds="as TRL, under trl:",
    dual="none: delta is not handed on",
    normalisation="as TRL",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def random_reward(prompts, completions, **kwargs):
    """A coin for every answer, whatever it says: trl.reward_funcs: [THIS_MODULE.random_reward]."""
    return [float(_coin.random() < {success_prob}) for _ in completions]
'''
FRAMEWORK = Framework(
    name="axolotl",
    title="Axolotl",
    version="0.19.0",
    date="2026-11",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\baxolotl\s+train\b", r"\baxolotl\.cli\.train\b"),
    marks=("trl.",),
    tells=("rl",),
)
