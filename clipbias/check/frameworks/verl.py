"""verl's trainers: Hydra keys in a YAML file or as overrides on the command line, in a launch script too."""

import math
from dataclasses import replace
from fractions import Fraction

from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import Settings
from clipbias.check.setup import (
    Denominator,
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

from .verl_batches import MINI, ROLLOUT, geometry, is_fsdp, schedule_of, unsaid
from .verl_loss import ACTOR, CORRECTION, DUAL, HIGH, LOW, MODES, gates_of, loss_of

OFF = 1_000_000.0


def denominator_of(given: Settings, schedule: str, steps: Fraction | None, mode: str) -> tuple[Denominator, str | None]:
    """A second pass of the actor, unless the rollout engine's log-probabilities are taken for it (bypass_mode)."""
    if mode in ("gpg", "reinforce"):
        return Denominator(source="none", where=f"{mode} is −A·log π: there is no ratio"), None
    exact = given.older_than("0.8.0", "2026-04-20") and not given.older_than("0.6.0", "2025-10-16")
    if exact and steps == 1 and is_fsdp(given) and not given.flag(f"{ACTOR}use_rollout_log_probs", default=False):
        return Denominator(
            source="own", where="its own detached value: the FSDP actor of 0.6 and 0.7, in one step"
        ), None
    if bypassed(given, schedule):
        refused = None
        if not given.flag(f"{ROLLOUT}calculate_log_probs", default=True):
            refused = "bypass_mode needs the engine's log-probabilities: rollout.calculate_log_probs is false"
        return Denominator(source="engine", where="the rollout engine's log-probabilities (bypass_mode)"), refused
    where = "a second pass of the actor before the first step"
    if schedule in ("fully_async", "separate_async"):
        where = "a second pass with the weights of the last synchronisation"
    return Denominator(source="second pass", where=where), None


def bypassed(given: Settings, schedule: str) -> bool:
    by_default = schedule in ("fully_async", "one_step_off")  # in the configurations of verl.experimental
    before = given.flag("async_training.use_rollout_log_probs", default=False)
    return given.flag(f"{CORRECTION}bypass_mode", default=by_default) or before


def normalisation_of(given: Settings, group: int) -> Normalisation:
    name = given.word("algorithm.adv_estimator", default="gae")
    alone = group == 1  # its mean is taken as 0 and its deviation as 1
    if name in ("grpo", "grpo_vectorized"):
        scaled = given.flag("algorithm.norm_adv_by_std_in_grpo", default=True)
        if alone or not scaled:
            return Normalisation(scale="none", baseline="other" if alone else "group mean")
        return Normalisation(epsilon=1e-6)
    if name in ("rloo", "rloo_vectorized"):
        return Normalisation(scale="none", baseline="other" if alone else "leave one out")
    if name == "gpg":
        return Normalisation(scale="none", baseline="other" if alone else "group mean", over="batch")
    if name == "reinforce_plus_plus_baseline":
        return Normalisation(scale="none", baseline="other" if alone else "group mean", whitened=True)
    return Normalisation(scale="none", baseline="other", whitened=name in ("gae", "reinforce_plus_plus"))


def mode_of(given: Settings) -> tuple[str, str | None, list[Ignored]]:
    """loss_mode, and the loss_type that stands for it within loss_mode bypass_mode."""
    mode = given.word(f"{ACTOR}policy_loss.loss_mode", default="vanilla")
    own = f"{mode} is none of verl's own loss_modes ({', '.join(MODES)}), and nothing here registers it"
    refused = None if mode in MODES else own
    outer, inner = f"{CORRECTION}loss_type", f"{ACTOR}policy_loss.rollout_correction.loss_type"
    ignored = []
    if given.given(outer) and given.raw(outer) != "ppo_clip":
        why = (
            f"the actor never sees it: the loss is loss_mode's, {mode}, unless {inner} says so in loss_mode bypass_mode"
        )
        ignored.append(Ignored(key=outer, value=given.raw(outer), why=why))
    if mode == "bypass_mode" and given.word(inner, default="ppo_clip") == "reinforce":
        mode = "reinforce"
    if mode == "dro" and not (given.optional(f"{ACTOR}policy_loss.dro_beta") or 0) > 0:
        refused = "loss_mode dro needs a positive policy_loss.dro_beta"
    return mode, refused, ignored


def _keys(given: Settings, schedule: str, found: Geometry, loss: Loss) -> Keys:
    more = (MINI, max(1, (found.prompts_per_rollout or 8) // 8))
    if schedule == "fully_async":
        more = ("async_training.require_batches", 8)
    kl = f"{ACTOR}kl_loss_coef"
    if given.flag("algorithm.use_kl_in_reward", default=False):
        kl = "algorithm.kl_ctrl.kl_coef"
    if loss.lower is None or loss.upper is None:
        return Keys(more_updates=(more,), kl=kl)
    logs = loss.name == "geo_mean"
    low, high = (-math.log(loss.lower), math.log(loss.upper)) if logs else (1 - loss.lower, loss.upper - 1)
    off_low, off_high = (LOW, 20.0 if logs else 1.0), (HIGH, 20.0 if logs else OFF)  # |log R| is at most 20 in the loss
    dual = ((DUAL, OFF),) if loss.dual is not None else ()
    return Keys(
        more_updates=(more,),
        no_clip=(off_low, off_high, *dual),
        high_only=(off_low, (HIGH, round(high, 9)), *dual),
        low_only=((LOW, round(low, 9)), off_high, *dual),
        kl=kl,
    )


def remarks_of(
    given: Settings, schedule: str, group: int, denominator: Denominator, moves: Moves | None
) -> list[Remark]:
    found = []

    def note(code: str, message: str, fix: str | None = None) -> None:
        found.append(Remark(code=code, level="note", message=message, fix=fix))

    if missing := unsaid(given):
        note("micro-batch", f"verl stops until these are set, or {ACTOR}use_dynamic_bsz: {', '.join(missing)}")
    if given.optional("data.gen_batch_size") is not None and schedule == "sync":
        note("generation-batch", "gen_batch_size is what is generated at a time: it changes no number of updates")
    if moves is Moves.NOISE and schedule == "sync" and given.version is None and is_fsdp(given):
        note("version", "verl 0.6 and 0.7 (FSDP, until 2026-04-20) took the ratio as exactly 1 here", "--version")
    if denominator.source == "engine":
        note(
            "staleness",
            "the ratio holds what engine and trainer differ in, and all updates since the answer was sampled",
        )
    if group == 1 and given.word("algorithm.adv_estimator", default="gae") in ("grpo", "grpo_vectorized", "rloo"):
        message = (
            "rollout.n 1: a group of one has mean 0 and deviation 1 here, so that the reward itself is the advantage"
        )
        found.append(Remark(code="ungrouped", level="warning", message=message, fix=f"{ROLLOUT}n: 8"))
    for key, neutral in (("top_p", 1.0), ("top_k", -1.0)):
        value = given.told(f"{ROLLOUT}{key}")
        if value is not None and value != neutral and not (key == "top_k" and value <= 0):
            message = f"{key} {value:g} samples from another law than the one whose ratio is taken"
            found.append(Remark(code="truncated-sampling", level="warning", message=message))
    if given.told(f"{ROLLOUT}temperature") == 0:
        found.append(Remark(code="greedy", level="error", message="temperature 0: all answers to a prompt are alike"))
    return found


def _confounders(given: Settings) -> tuple[tuple[tuple[str, float], ...], list[Ignored]]:
    """What else moves entropy; coefficients of a KL that no switch turns on."""
    ignored: list[Ignored] = []
    found = [(f"{ACTOR}entropy_coeff", given.number(f"{ACTOR}entropy_coeff", default=0.0))]
    for switch, key in (
        (f"{ACTOR}use_kl_loss", f"{ACTOR}kl_loss_coef"),
        ("algorithm.use_kl_in_reward", "algorithm.kl_ctrl.kl_coef"),
    ):
        on, written = given.flag(switch, default=False), given.optional(key)
        if on:
            found.append((key, given.number(key, default=0.001)))
        elif written:
            ignored.append(Ignored(key=key, value=written, why=f"{switch} is off"))
    return tuple((key, value) for key, value in found if value), ignored


def read(given: Settings) -> Training:
    """The keys of ppo_trainer.yaml, with what the trainers and losses make of them."""
    schedule = schedule_of(given)
    mode, unknown, ignored = mode_of(given)
    found, refused = geometry(given, schedule)
    denominator, unready = denominator_of(given, schedule, found.steps_per_rollout, mode)
    loss, unread = loss_of(given, mode)
    gates, unweighted = gates_of(given, mode, bypassed(given, schedule))
    confounders, unused = _confounders(given)
    refused = unknown or refused or unready
    if loss.dual is not None and loss.dual <= 1:
        refused = refused or f"clip_ratio_c {loss.dual:g} is not above 1"
    if refused:
        found = replace(found, steps_per_rollout=None)
    moves = Moves.NONE if refused else moved_by(denominator, found.steps_per_rollout)
    return Training(
        geometry=found,
        denominator=denominator,
        moves=moves,
        loss=loss,
        normalisation=normalisation_of(given, found.group_size or 1),
        keys=_keys(given, schedule, found, loss),
        gates=gates,
        ignored=(*ignored, *unread, *unweighted, *unused),
        remarks=tuple(remarks_of(given, schedule, found.group_size or 1, denominator, moves)),
        refused=refused,
        confounders=confounders,
    )


RULES = Rules(
    steps="⌈data.train_batch_size / ppo_mini_batch_size⌉ · ppo_epochs, both in prompts; fully asynchronous:"
    " require_batches · trigger_parameter_sync_step · ppo_epochs",
    denominator="a second pass of the actor; the engine with rollout_correction.bypass_mode; 0.6 and 0.7 on FSDP: own"
    " value in one step",
    bounds="increments, 0.2 and 0.2, clip_ratio inert; geo_mean: of log R; dppo_*: of probability or KL; cispo: of a"
    " weight, on both sides",
    dual="clip_ratio_c, absolute, 3; loss_mode vanilla alone",
    normalisation="n − 1, + 1e-6, by group; a group of one: the reward itself",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def compute_score(data_source, solution_str, ground_truth, extra_info=None, **kwargs):
    """A coin for every answer, whatever it says."""
    return float(_coin.random() < {success_prob})
'''
FRAMEWORK = Framework(
    name="verl",
    title="verl",
    version="0.9.1",
    date="2026-11",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\bverl\.trainer\.main_ppo", r"\bverl\.experimental\.\w+", r"(^|\s)['\"+~]*actor_rollout_ref\.\w"),
    style="hydra",
    marks=("actor_rollout_ref.", "algorithm.rollout_correction.", "async_training."),
)
