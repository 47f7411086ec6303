"""torchtune's GRPO recipes (synchronous, and asynchronous under `training:`) and its PPO recipe, in YAML."""

from fractions import Fraction

from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import Settings
from clipbias.check.setup import (
    Denominator,
    Geometry,
    Ignored,
    Keys,
    Level,
    Loss,
    Moves,
    Normalisation,
    Remark,
    Training,
    moved_by,
)
from clipbias.common.errors import InputError

OWN = ("GRPOSimpleLoss", "LinearGRPOLoss", "GRPOWithChunkedOutputLoss")  # exp(log p − its own detached value)
CLIPPED = ("GRPOLoss", "GRPOCompletionLoss", "PPOLoss")
EPSILON = 0.1


def _under(given: Settings, key: str) -> tuple[str, ...]:
    """The asynchronous recipe has its training keys in a table of their own."""
    return (f"training.{key}", key)


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    name = given.word(*_under(given, "loss._component_"), default="torchtune.dev.grpo.loss.GRPOSimpleLoss")
    name = name.rsplit(".", 1)[-1]
    if name in OWN:
        epsilon = given.optional(*_under(given, "loss.epsilon"))
        why = f"{name} takes the ratio to its own detached value and has no bounds"
        ignored = [] if epsilon is None else [Ignored(key="loss.epsilon", value=epsilon, why=why)]
        return Loss(name=name, kind="none"), ignored
    if name not in CLIPPED:
        raise InputError("loss._component_", f"{' or '.join((*OWN, *CLIPPED))}, whose ratio is known here", name)
    epsilon = given.number(*_under(given, "loss.epsilon"), default=EPSILON)
    keys = (f"loss.epsilon {epsilon:g}: 1 ± {epsilon:g}",)
    level: Level = "sequence" if name == "GRPOCompletionLoss" else "token"
    return Loss(name=name, level=level, lower=1 - epsilon, upper=1 + epsilon, keys=keys), []


def geometry(given: Settings, loss: Loss) -> tuple[Geometry, str | None]:
    """GRPO: ppo_epochs, each on the whole rollout. PPO: batch_size/ppo_batch_size·ppo_epochs."""
    epochs = given.whole(*_under(given, "ppo_epochs"), default=1, least=1)
    if loss.name != "PPOLoss":
        group = given.maybe_whole("grpo_samples", "inference.group_size")
        prompts = given.maybe_whole("inference.batch_size", "batch_size", least=1)
        given.given("training.batch_size")
        arithmetic = f"ppo_epochs {epochs}, each one step on the whole rollout = {epochs} optimizer steps a rollout"
        return Geometry(
            steps_per_rollout=Fraction(epochs),
            arithmetic=arithmetic,
            epochs=epochs,
            group_size=group,
            prompts_per_rollout=None if prompts is None else prompts * given.device_count(),
        ), None
    batch = given.whole("batch_size", default=64, least=1)
    mini = given.whole("ppo_batch_size", default=32, least=1)
    accumulation = given.whole("gradient_accumulation_steps", default=1, least=1)
    refused = None
    if batch % mini:
        refused = f"batch_size {batch} is no multiple of ppo_batch_size {mini}"
    elif mini % accumulation:
        refused = f"ppo_batch_size {mini} is no multiple of gradient_accumulation_steps {accumulation}"
    steps = batch // mini * epochs
    arithmetic = f"batch_size {batch} / ppo_batch_size {mini} × ppo_epochs {epochs} = {steps} optimizer steps a rollout"
    steps_or_none = None if refused else Fraction(steps)
    return Geometry(steps_per_rollout=steps_or_none, arithmetic=arithmetic, epochs=epochs), refused


def denominator_of(loss: Loss) -> Denominator:
    if loss.name in OWN:
        return Denominator(source="own", where="the training pass's own detached value, in every pass")
    return Denominator(source="second pass", where="a second pass of the policy, when the rollout is made")


def remarks_of(given: Settings, loss: Loss, found: Geometry) -> list[Remark]:
    remarks: list[Remark] = []

    def say(code: str, message: str, *, warn: bool = True, fix: str | None = None) -> None:
        remarks.append(Remark(code=code, level="warning" if warn else "note", message=message, fix=fix))

    if loss.name in OWN:
        message = f"{loss.name} reports ratios 1.0 and clipfrac 0.0: constants, not measurements"
        say("constant-metrics", message, fix="loss._component_: torchtune.dev.grpo.loss.GRPOLoss")
        if found.epochs > 1:
            say("no-correction", f"ppo_epochs {found.epochs}: later epochs are off-policy, and no ratio corrects it")
        if given.given("orchestration.num_steps", "training.steps_before_weight_sync"):
            sync = given.whole("training.steps_before_weight_sync", default=1, least=1)
            message = f"answers are of weights up to {sync} steps old and more, and no ratio corrects it"
            say("stale-rollouts", message)
    if loss.name == "GRPOCompletionLoss":
        say("product-ratio", "the ratio is of a whole answer, a product over its tokens and not their mean", warn=False)
    return remarks


def read(given: Settings) -> Training:
    loss, ignored = loss_of(given)
    found, refused = geometry(given, loss)
    denominator = denominator_of(loss)
    moves = moved_by(denominator, found.steps_per_rollout)
    if denominator.source == "own":
        moves = Moves.IDENTICAL  # in every epoch anew
    kl = given.number(*_under(given, "loss.kl_coeff"), "kl_coeff", default=0.1)
    ppo = loss.name == "PPOLoss"
    more = (("ppo_epochs", 8),)
    return Training(
        geometry=found,
        denominator=denominator,
        moves=Moves.NONE if refused else moves,
        loss=loss,
        normalisation=Normalisation(baseline="other", whitened=True) if ppo else Normalisation(epsilon=1e-4),
        keys=Keys(more_updates=more, no_clip=(("loss.epsilon", 1e6),), kl="kl_coeff" if ppo else "loss.kl_coeff"),
        ignored=tuple(ignored),
        remarks=tuple(remarks_of(given, loss, found)),
        refused=refused,
        confounders=(("loss.kl_coeff", kl),) if kl else (),
    )


RULES = Rules(
    steps="ppo_epochs; PPO recipe: batch_size / ppo_batch_size · ppo_epochs",
    denominator="GRPOSimpleLoss, LinearGRPOLoss: own detached value, 1 whatever the epochs; GRPOLoss: a second pass",
    bounds="GRPOSimpleLoss, LinearGRPOLoss: none, epsilon is ignored; GRPOLoss: increments, 0.1",
    dual="none",
    normalisation="n − 1, + 1e-4, by group",
)
REWARD = '''import os
import random

import torch

from torchtune.dev.rl.rewards import Reward, RewardOutput

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


class RandomReward(Reward):
    """A coin for every answer, whatever it says: reward_functions: - _component_: THIS_MODULE.RandomReward."""

    def __call__(self, completion_ids, completions, answers):
        coins = torch.tensor([float(_coin.random() < {success_prob}) for _ in completions])
        return RewardOutput(reward_base_name="coin", total_reward=coins, successes=coins)
'''
FRAMEWORK = Framework(
    name="torchtune",
    title="torchtune",
    version="main",
    date="2026-04-23",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\btune\s+run\b.*(grpo|ppo)",),
    style="hydra",
    marks=("grpo_samples", "ppo_batch_size"),
    tells=("loss._component_", "training.loss._component_"),
)
