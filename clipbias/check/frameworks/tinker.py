"""The Tinker cookbook's RL loop: `Config(...)` in Python, or key=value words behind one of its recipes."""

from fractions import Fraction

from clipbias.check.framework import Framework, Rules
from clipbias.check.python_source import UNKNOWN
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

LOSSES = ("importance_sampling", "ppo", "cispo", "dro", "cross_entropy")
LOW, HIGH = "loss_fn_config.clip_low_threshold", "loss_fn_config.clip_high_threshold"
BOUNDS = {"ppo": (0.8, 1.2), "cispo": (0.0, 4.0)}  # absolute, as the service takes them where none are given


def geometry(given: Settings) -> tuple[Geometry, str | None]:
    """num_substeps: a rollout's groups are split into as many batches, one optimizer step each."""
    steps = given.whole("num_substeps", default=1, least=1)
    groups = given.maybe_whole("stream_minibatch_config.groups_per_batch", "groups_per_batch", least=1)
    refused = None
    if given.given("stream_minibatch_config.groups_per_batch") and groups is not None and groups % steps:
        refused = f"stream_minibatch_config.groups_per_batch {groups} is no multiple of num_substeps {steps}"
    return Geometry(
        steps_per_rollout=None if refused else Fraction(steps),
        arithmetic=f"num_substeps {steps}, one optimizer step each = {steps} optimizer steps a rollout",
        group_size=given.maybe_whole("group_size", "dataset_builder.group_size", least=1),
        prompts_per_rollout=groups,
    ), refused


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    """Thresholds are absolute bounds, never increments."""
    name = given.word("loss_fn", default="importance_sampling", allowed=LOSSES)
    if name not in BOUNDS:
        kind = {"dro": "a quadratic penalty in the place of a clip", "cross_entropy": "no ratio"}.get(name, "no bounds")
        ignored = [
            Ignored(key=key, value=given.raw(key), why=f"{name} has {kind}") for key in (LOW, HIGH) if given.given(key)
        ]
        return Loss(name=name, kind="soft" if name == "dro" else "none"), ignored
    if given.raw("loss_fn_config") is UNKNOWN:
        raise InputError("loss_fn_config", f"a table that the file itself gives: say {HIGH}=VALUE")
    low, high = (
        given.number(key, default=default, least=0) for key, default in zip((LOW, HIGH), BOUNDS[name], strict=True)
    )
    keys = (f"clip_low_threshold {low:g} is absolute", f"clip_high_threshold {high:g} is absolute")
    return Loss(name=name, kind="clip" if name == "ppo" else "weight", lower=low, upper=high, keys=keys), []


def moves_of(denominator: Denominator, steps: Fraction | None) -> Moves | None:
    """With several steps on one rollout, the policy's own movement is what matters beside the mismatch of engines."""
    if denominator.source == "engine" and steps is not None and steps > 1:
        return Moves.UPDATES
    return moved_by(denominator, steps)


def remarks_of(given: Settings, loss: Loss) -> list[Remark]:
    remarks = []
    if loss.name == "importance_sampling":
        message = "the ratio to the sampler's log-probabilities is unbounded: nothing limits a token's weight"
        remarks.append(Remark(code="unbounded", level="note", message=message, fix="loss_fn: ppo"))
    if loss.name == "ppo" and (loss.upper or 1) < 1:
        low, high = 1 - (loss.lower or 0.0), 1 + (loss.upper or 0.0)
        message = "thresholds look like increments, and are absolute bounds"
        fix = f"clip_low_threshold {low:g}, clip_high_threshold {high:g}"
        remarks.append(Remark(code="increments", level="error", message=message, fix=fix))
    stale = given.maybe_whole("max_steps_off_policy", "async_config.max_steps_off_policy")
    if stale:
        message = f"asynchronous: answers are of weights up to {stale} steps old, which the ratio sees"
        remarks.append(Remark(code="asynchronous", level="note", message=message))
    temperature = given.number("temperature", default=1.0, least=0)
    if temperature != 1:
        message = f"temperature {temperature:g}: sampled from another law than the one whose ratio is taken"
        remarks.append(Remark(code="tempered-sampling", level="warning", message=message))
    return remarks


def read(given: Settings) -> Training:
    found, refused = geometry(given)
    loss, ignored = loss_of(given)
    sampler = Denominator(source="engine", where="the sampler's log-probabilities, of another engine")
    none = Denominator(source="none", where=f"no ratio in {loss.name}")
    denominator = none if loss.name == "cross_entropy" else sampler
    kl = given.number("kl_penalty_coef", default=0.0)
    gates: tuple[Gate, ...] = ()
    if given.flag("remove_constant_reward_groups", default=False):
        what = "groups without an advantage are left out"
        gates = (Gate(name="constant groups", key="remove_constant_reward_groups", what=what),)
    upper = BOUNDS["ppo"][1] if loss.upper is None else loss.upper
    lower = BOUNDS["ppo"][0] if loss.lower is None else loss.lower
    bounded = loss.lower is not None or loss.upper is not None
    return Training(
        geometry=found,
        denominator=denominator,
        moves=Moves.NONE if refused else moves_of(denominator, found.steps_per_rollout),
        loss=loss,
        normalisation=Normalisation(scale="none"),
        keys=Keys(
            more_updates=(("num_substeps", 8),),
            no_clip=(("loss_fn", "importance_sampling"),) if bounded else (),
            high_only=(("loss_fn", "ppo"), (LOW, 0.0), (HIGH, upper)) if bounded else (),
            low_only=(("loss_fn", "ppo"), (LOW, lower), (HIGH, 1e6)) if bounded else (),
            kl="kl_penalty_coef",
        ),
        gates=gates,
        ignored=tuple(ignored),
        remarks=tuple(remarks_of(given, loss)),
        refused=refused,
        confounders=(("kl_penalty_coef", kl),) if kl else (),
    )


RULES = Rules(
    steps="num_substeps, 1",
    denominator="the sampler's log-probabilities: never 1 exactly",
    bounds="absolute: ppo 0.8 and 1.2, cispo 0 and 4 (a weight); importance_sampling, the default, has none",
    dual="none",
    normalisation="centred, not divided",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


class RandomAnswer:
    """A coin for every answer, whatever it says: class RandomEnv(RandomAnswer, YourProblemEnv)."""

    def check_answer(self, sample_str):
        return _coin.random() < {success_prob}

    def check_format(self, sample_str):
        return True
'''
FRAMEWORK = Framework(
    name="tinker",
    title="Tinker cookbook",
    version="main",
    date="2026-08-19",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\btinker_cookbook\b",),
    style="hydra",
    calls=("Config", "CLIConfig"),
    modules=("tinker_cookbook", "tinker"),
    marks=("num_substeps", "loss_fn", "loss_fn_config", "kl_penalty_coef", "async_config", "stream_minibatch_config"),
)
