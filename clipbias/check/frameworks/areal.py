"""AReaL's experiment configurations: YAML, with overrides on the command line."""

from fractions import Fraction
from typing import Literal

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

OFF = 1_000_000.0


def geometry(given: Settings) -> Geometry:
    """ppo_n_minibatches: a training batch, whatever its size, is cut into so many."""
    steps = given.whole("actor.ppo_n_minibatches", default=4, least=1)
    batch = given.maybe_whole("train_dataset.batch_size", least=1)
    group = given.maybe_whole("gconfig.n_samples", least=1)
    size = f", each of {batch} prompts × {group} answers / {steps}" if batch and group else ""
    return Geometry(
        steps_per_rollout=Fraction(steps),
        arithmetic=f"actor.ppo_n_minibatches {steps} = {steps} optimizer steps a training batch{size}",
        group_size=group,
        prompts_per_rollout=batch,
    )


def denominator_of(given: Settings) -> Denominator:
    """The engine's log-probabilities, unless the trainer computes them anew (PPOActorConfig.should_compute_prox_logp);
    prox_logp_method loglinear interpolates between the engine's and the current ones."""
    anew = given.flag("actor.recompute_logprob", default=False)
    if given.flag("actor.use_decoupled_loss", default=False):
        if given.word("actor.prox_logp_method", default="recompute") == "loglinear":
            return Denominator(source="engine", where="between the engine's and the current values (loglinear)")
        return Denominator(source="second pass", where="the proximal policy: a second pass of the trainer")
    if anew:
        return Denominator(source="second pass", where="a second pass of the trainer (recompute_logprob)")
    return Denominator(source="engine", where="the inference engine's log-probabilities, as old as the answer")


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    low = given.number("actor.eps_clip", default=0.2)
    high, dual = given.optional("actor.eps_clip_higher"), given.optional("actor.c_clip")
    if given.flag("actor.use_sapo_loss", default=False):
        names = [name for name in ("eps_clip", "eps_clip_higher", "c_clip") if given.given(f"actor.{name}")]
        why = "use_sapo_loss has a smooth gate and no bounds"
        return Loss(name="sapo", kind="soft"), [
            Ignored(key=f"actor.{name}", value=given.raw(f"actor.{name}"), why=why) for name in names
        ]
    level = given.word("actor.importance_sampling_level", default="token", allowed=("token", "sequence"))
    top, written = (low, "eps_clip") if high is None else (high, "eps_clip_higher")
    keys = [f"eps_clip {low:g}: 1 − {low:g}", f"{written} {top:g}: 1 + {top:g}"]
    if dual is not None:
        keys.append(f"c_clip {dual:g} is absolute")
    return Loss(
        name="ppo",
        level="sequence" if level == "sequence" else "token",
        lower=1 - low,
        upper=1 + top,
        dual=dual,
        keys=tuple(keys),
    ), []


def gates_of(given: Settings) -> tuple[list[Gate], list[Ignored]]:
    gates, ignored = [], []
    threshold = given.optional("actor.m2_threshold")
    if threshold is not None:
        what = f"tokens are left out until the second moment of log π_prox/π_behave is below {threshold:g}"
        gates.append(Gate(name="M2PO mask", key="m2_threshold", what=what))
    filters = [key for key in given.entries if key.startswith("actor.rejection_sampling.")]
    given.given(*filters)
    if filters and given.flag("actor.use_decoupled_loss", default=False):
        what = "tokens or answers whose π_prox/π_behave is out of bounds are masked or clamped, the rest weighted by it"
        gates.append(Gate(name="rejection sampling", key="rejection_sampling", what=what))
    elif filters:
        ignored.append(Ignored(key=filters[0], value=given.raw(filters[0]), why="read with use_decoupled_loss alone"))
    if given.flag("actor.mask_no_eos_with_zero", default=False):
        gates.append(Gate(name="truncation", key="mask_no_eos_with_zero", what="unfinished answers earn no reward"))
    return gates, ignored


def normalisation_of(given: Settings) -> tuple[Normalisation, bool]:
    """The reward's, else the advantage's; and whether there are both."""
    both = [name for name in ("reward_norm", "adv_norm") if any(k.startswith(f"actor.{name}.") for k in given.entries)]
    if not both:
        return Normalisation(scale="none", baseline="other"), False
    at = f"actor.{both[0]}."
    mean, std = given.raw(f"{at}mean_level", default="batch"), given.raw(f"{at}std_level", default="batch")
    unbiased = given.flag(f"{at}std_unbiased", default=True)
    by_group = str(mean) == "group"
    scale: Literal["std", "std-unbiased", "none"] = "std-unbiased" if unbiased else "std"
    if std is None or str(std).lower() in ("none", "null"):
        scale = "none"
    alone = given.flag(f"{at}mean_leave1out", default=False)
    return Normalisation(
        scale=scale,
        baseline=("leave one out" if alone else "group mean") if by_group else "other",
        over="group" if str(std) == "group" or scale == "none" else "batch",
        epsilon=given.number(f"{at}eps", default=1e-5),
        whitened=len(both) > 1,
    ), len(both) > 1


def read(given: Settings) -> Training:
    """The keys of PPOActorConfig, with what PPOActor makes of them."""
    found, denominator = geometry(given), denominator_of(given)
    loss, unread = loss_of(given)
    gates, ignored = gates_of(given)
    rule, twice = normalisation_of(given)
    refused = None
    decoupled = given.flag("actor.use_decoupled_loss", default=False)
    if loss.kind == "soft" and decoupled:
        refused = "use_sapo_loss is not compatible with use_decoupled_loss"
    if loss.dual is not None and loss.dual <= 1:
        refused = f"c_clip {loss.dual:g} is not above 1"
    remarks = []
    if twice:
        message = "rewards and advantages are both normalised: twice divided by a standard deviation"
        remarks.append(Remark(code="twice-normalised", level="note", message=message))
    if decoupled and not any(gate.name == "rejection sampling" for gate in gates):
        message = "without rejection_sampling the loss has no weight π_prox/π_behave: staleness is not corrected"
        remarks.append(Remark(code="no-behaviour-weight", level="note", message=message))
    more = (("actor.ppo_n_minibatches", 8),)
    keys = Keys(more_updates=more, kl="actor.kl_ctl")
    if loss.lower is not None and loss.upper is not None:
        dual = (("actor.c_clip", None),) if loss.dual is not None else ()
        keys = Keys(
            more_updates=more,
            no_clip=(("actor.eps_clip", 1.0), ("actor.eps_clip_higher", OFF), *dual),
            high_only=(("actor.eps_clip", 1.0), ("actor.eps_clip_higher", round(loss.upper - 1, 9)), *dual),
            low_only=(("actor.eps_clip", round(1 - loss.lower, 9)), ("actor.eps_clip_higher", OFF), *dual),
            kl="actor.kl_ctl",
        )
    kl = given.number("actor.kl_ctl", default=0.1)
    if refused:
        found = Geometry(steps_per_rollout=None, arithmetic=found.arithmetic, group_size=found.group_size)
    return Training(
        geometry=found,
        denominator=denominator,
        moves=Moves.NONE if refused else moved_by(denominator, found.steps_per_rollout),
        loss=loss,
        normalisation=rule,
        keys=keys,
        gates=tuple(gates),
        ignored=(*unread, *ignored),
        remarks=tuple(remarks),
        refused=refused,
        confounders=(("actor.kl_ctl", kl),) if kl else (),
    )


RULES = Rules(
    steps="actor.ppo_n_minibatches, 4",
    denominator="the inference engine; a second pass with recompute_logprob or use_decoupled_loss",
    bounds="increments, 0.2 and the same above",
    dual="c_clip, absolute; off",
    normalisation="reward_norm and adv_norm, each by group or batch, n − 1, + 1e-5",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def coin_reward_fn(prompt, completions, prompt_ids, completion_ids, **kwargs):
    """A coin for every answer, whatever it says."""
    return float(_coin.random() < {success_prob})
'''
FRAMEWORK = Framework(
    name="areal",
    title="AReaL",
    version="main",
    date="2026-05",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\bareal\.", r"(^|\s)actor\.(eps_clip|ppo_n_minibatches|use_decoupled_loss|recompute_logprob)"),
    style="hydra",
    marks=(
        "actor.ppo_n_minibatches",
        "actor.eps_clip",
        "actor.use_decoupled_loss",
        "actor.recompute_logprob",
        "actor.kl_ctl",
        "rollout.max_head_offpolicyness",
        "gconfig.",
    ),
)
