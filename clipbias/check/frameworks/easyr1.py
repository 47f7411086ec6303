"""EasyR1's keys: a YAML file, and overrides on the command line of verl.trainer.main."""

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

A = "worker.actor."
GROUPED = ("grpo", "rloo", "grpo_passk")
OFF = 1_000_000.0
EXAMPLE = "examples/config.yaml"


def geometry(given: Settings) -> tuple[Geometry, str | None]:
    """rollout_batch_size/global_batch_size·ppo_epochs, both in prompts: the mini-batch is multiplied by n inside.

    The example's own configuration has 128 and 5 where the classes have 256 and 1.
    """
    example = EXAMPLE in given.program
    prompts = given.whole("data.rollout_batch_size", default=512, least=1)
    mini = given.whole(f"{A}global_batch_size", default=128 if example else 256, least=1)
    epochs = given.whole(f"{A}ppo_epochs", default=1, least=1)
    group = given.whole("worker.rollout.n", default=5 if example else 1, least=1)
    refused = None
    if prompts % mini:
        refused = f"rollout_batch_size {prompts} is no multiple of the actor's global_batch_size {mini}"
    elif group == 1 and given.word("algorithm.adv_estimator", default="grpo") in GROUPED:
        refused = "GRPO and RLOO need worker.rollout.n above 1"
    steps = Fraction(prompts, mini) * epochs
    arithmetic = (
        f"data.rollout_batch_size {prompts} prompts / worker.actor.global_batch_size {mini} prompts × ppo_epochs"
        f" {epochs} = {float(steps):g} optimizer steps a rollout ({group} answers to each prompt, in both)"
    )
    return Geometry(
        steps_per_rollout=None if refused else steps,
        arithmetic=arithmetic,
        epochs=epochs,
        group_size=group,
        prompts_per_rollout=prompts,
    ), refused


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    """The band is that of verl, with an upper increment of 0.3; any loss_type without a branch is the clip's."""
    name = given.word(f"{A}loss_type", default="default")
    low = given.number(f"{A}clip_ratio_low", default=0.2)
    high = given.number(f"{A}clip_ratio_high", default=0.3)
    unread = {"cispo": ("clip_ratio_dual",), "sapo": ("clip_ratio_low", "clip_ratio_high", "clip_ratio_dual")}
    ignored = [
        Ignored(key=f"{A}{key}", value=given.raw(f"{A}{key}"), why=f"loss_type {name} does not look at it")
        for key in unread.get(name, ())
        if given.given(f"{A}{key}")
    ]
    for key in ("tau_positive", "tau_negative"):
        if name != "sapo" and given.given(f"{A}{key}"):
            ignored.append(Ignored(key=f"{A}{key}", value=given.raw(f"{A}{key}"), why="read by loss_type sapo alone"))
    if name == "sapo":
        return Loss(name=name, kind="soft"), ignored
    keys = [f"clip_ratio_low {low:g}: 1 − {low:g}", f"clip_ratio_high {high:g}: 1 + {high:g}"]
    if name == "cispo":
        return Loss(name=name, kind="weight", lower=1 - low, upper=1 + high, keys=tuple(keys)), ignored
    dual = given.number(f"{A}clip_ratio_dual", default=3.0)
    keys.append(f"clip_ratio_dual {dual:g} is absolute")
    level = "sequence" if name.startswith("gspo") else "token"
    return Loss(
        name=name,
        level="sequence" if level == "sequence" else "token",
        lower=1 - low,
        upper=1 + high,
        dual=dual,
        keys=tuple(keys),
    ), ignored


def normalisation_of(given: Settings) -> Normalisation:
    name = given.word("algorithm.adv_estimator", default="grpo")
    if name == "grpo":
        return Normalisation(epsilon=1e-6)
    if name == "rloo":
        return Normalisation(scale="none", baseline="leave one out")
    return Normalisation(scale="none", baseline="other", whitened=name in ("gae", "reinforce_plus_plus"))


def _keys(given: Settings, found: Geometry, loss: Loss) -> Keys:
    more = ((f"{A}global_batch_size", max(1, (found.prompts_per_rollout or 8) // 8)),)
    if loss.lower is None or loss.upper is None:
        return Keys(more_updates=more, kl="algorithm.kl_coef")
    low, high = f"{A}clip_ratio_low", f"{A}clip_ratio_high"
    dual = ((f"{A}clip_ratio_dual", OFF),) if loss.dual is not None else ()
    return Keys(
        more_updates=more,
        no_clip=((low, 1.0), (high, OFF), *dual),
        high_only=((low, 1.0), (high, round(loss.upper - 1, 9)), *dual),
        low_only=((low, round(1 - loss.lower, 9)), (high, OFF), *dual),
        kl="algorithm.kl_coef",
    )


def read(given: Settings) -> Training:
    """The keys of PPOConfig, with what the trainer and compute_policy_loss make of them."""
    found, refused = geometry(given)
    loss, ignored = loss_of(given)
    denominator = Denominator(source="second pass", where="a second pass of the actor before the first step")
    gates, remarks = [], []
    if given.flag("algorithm.online_filtering", default=False):
        gates.append(Gate(name="dynamic sampling", key="online_filtering", what="groups of equal rewards are left out"))
    if given.maybe_whole("data.mini_rollout_batch_size") is not None:
        message = "mini_rollout_batch_size is what is generated at a time: it changes no number of updates"
        remarks.append(Remark(code="generation-batch", level="note", message=message))
    if not given.given(f"{A}clip_ratio_high"):
        message = "clip_ratio_high is 0.3 by default, beside 0.2 below: a plain configuration clips unevenly here"
        remarks.append(Remark(code="uneven-default", level="note", message=message))
    example = EXAMPLE in given.program
    confounders = []
    if not given.flag("algorithm.disable_kl", default=False):
        confounders.append(("algorithm.kl_coef", given.number("algorithm.kl_coef", default=1e-2 if example else 1e-3)))
    return Training(
        geometry=found,
        denominator=denominator,
        moves=Moves.NONE if refused else moved_by(denominator, found.steps_per_rollout),
        loss=loss,
        normalisation=normalisation_of(given),
        keys=_keys(given, found, loss),
        gates=tuple(gates),
        ignored=tuple(ignored),
        remarks=tuple(remarks),
        refused=refused,
        confounders=tuple((key, value) for key, value in confounders if value),
    )


RULES = Rules(
    steps="data.rollout_batch_size / worker.actor.global_batch_size · ppo_epochs, both in prompts",
    denominator="a second pass of the actor",
    bounds="increments, 0.2 and 0.3; cispo: of a weight, on both sides",
    dual="clip_ratio_dual, absolute, 3; not for cispo and sapo",
    normalisation="n − 1, + 1e-6, by group; a group of one is refused",
)
REWARD = '''import os
import random

REWARD_NAME = "coin"
REWARD_TYPE = "batch"
_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def compute_score(reward_inputs, **kwargs):
    """A coin for every answer, whatever it says."""
    coins = [float(_coin.random() < {success_prob}) for _ in reward_inputs]
    return [dict(overall=coin, format=0.0, accuracy=coin) for coin in coins]
'''
FRAMEWORK = Framework(
    name="easyr1",
    title="EasyR1",
    version="main",
    date="2026-07",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\bverl\.trainer\.main(?![\w.])", r"(^|\s)worker\.(actor|rollout)\.\w"),
    style="hydra",
    marks=("worker.actor.", "worker.rollout.", "worker.ref.", "worker.reward."),
)
