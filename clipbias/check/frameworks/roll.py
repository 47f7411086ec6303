"""ROLL's pipelines: flat YAML keys, with a section for each worker."""

import re
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

TRAIN = "actor_train."
PARALLEL = ("tensor_model_parallel_size", "pipeline_model_parallel_size", "context_parallel_size")
REWARD_NORM = "reward_normalization."
SCALED = ("mean_std", "asym_clip")  # methods that divide by the standard deviation
OFF = 1_000_000.0


def _devices(given: Settings) -> int:
    """Of actor_train's device_mapping: a list, or the text list(range(a,b))."""
    mapping: Any = given.raw(f"{TRAIN}device_mapping")
    if isinstance(mapping, list):
        return max(1, len(mapping))
    span = re.fullmatch(r"\s*list\(range\((?:(\d+)\s*,\s*)?(\d+)\)\)\s*", str(mapping))
    return max(1, int(span[2]) - int(span[1] or 0)) if span else given.device_count()


def agentic(given: Settings) -> bool:
    """Whether it is an AgenticConfig, whose rollouts are trajectories in environments."""
    own = any(key.startswith(("train_env_manager.", REWARD_NORM)) for key in given.entries)
    return own or "agentic" in f"{given.raw(f'{TRAIN}worker_cls')} {given.program}"


def grouped(given: Settings) -> bool:
    """Whether trajectories of an AgenticConfig are compared within train_env_manager's groups."""
    return given.word(f"{REWARD_NORM}grouping", default="batch") == "traj_group_id"


def geometry(given: Settings) -> tuple[Geometry, bool]:
    """Steps per rollout, and whether one pass over it has several.

    ⌊rollout_batch_size·num_return_sequences_in_group·ppo_epochs/(dp·per_device·accumulation)⌋ (ActorWorker.train_step);
    of AgenticConfig, rollout_batch_size counts trajectories, and a group is train_env_manager.group_size of them.
    """
    size = given.whole("rollout_batch_size", default=128, least=1)
    in_environments = agentic(given)
    key = "train_env_manager.group_size" if in_environments else "num_return_sequences_in_group"
    group = given.whole(key, default=1, least=1)
    answers = size if in_environments else size * group
    rollout = f"{size} trajectories" if in_environments else f"{size} prompts × {group} responses"
    epochs = given.whole("ppo_epochs", default=1, least=1)
    each = given.whole(f"{TRAIN}training_args.per_device_train_batch_size", default=8, least=1)
    accumulation = given.whole(f"{TRAIN}training_args.gradient_accumulation_steps", default=1, least=1)
    parallel = 1
    for name in PARALLEL:
        parallel *= given.maybe_whole(f"{TRAIN}strategy_args.strategy_config.{name}", least=1) or 1
    shards = max(1, _devices(given) // parallel)
    own = answers // shards
    steps = own * epochs // (each * accumulation)
    arithmetic = (
        f"rollout_batch_size {rollout} × ppo_epochs {epochs} / (per_device_train_batch_size"
        f" {each} × gradient_accumulation_steps {accumulation} × {shards} data-parallel) = {steps} optimizer steps"
    )
    return Geometry(
        steps_per_rollout=Fraction(steps),
        arithmetic=arithmetic,
        epochs=epochs,
        group_size=None if in_environments and not grouped(given) else group,
        prompts_per_rollout=max(1, answers // group),
    ), own // (each * accumulation) > 1


def denominator_of(given: Settings, several: bool, loss: Loss) -> Denominator:
    """Its own value of the first pass, cached over epochs, unless a pass has several steps or init_kl_coef, 0.2 by
    default, asks for a pass before (PPOConfig.set_old_logprobs_status)."""
    forced = given.flag("force_disable_old_logprobs_recompute", default=False)
    asked = given.flag("enable_old_logprobs_recompute", default=False)
    held = given.number("init_kl_coef", default=0.2) > 0
    by_step = given.raw("adv_estimator") in ("step_reinforce", "gigpo")
    before = several or asked or held or by_step
    if loss.name == "vanilla":
        return Denominator(source="none", where="pg_variant vanilla is −A·log π: there is no ratio")
    if before and not forced:
        return Denominator(source="second pass", where="a second pass of the trainer before the first step")
    return Denominator(source="own", where="the training pass's own value, kept from the first epoch")


def loss_of(given: Settings) -> tuple[Loss, list[Gate], list[Ignored]]:
    """Of ActorWorker, or of pg_variant where the worker is of an actor_pg_worker module (or is not told)."""
    variant = given.raw(f"{TRAIN}pg_variant", "pg_variant")
    worker = given.raw(f"{TRAIN}worker_cls")
    of_pg = "actor_pg_worker" in str(worker) or "ActorPGWorker" in str(worker)
    ignored, gates = [], []
    if variant is not None and worker is not None and not of_pg:
        ignored.append(Ignored(key="pg_variant", value=variant, why=f"worker_cls {worker} does not look at it"))
        variant = None
    name = str(variant) if variant is not None else "vanilla" if of_pg else "ppo"
    clip = given.number("pg_clip", default=0.2)
    ranged = given.flag("use_pg_clip_range", default=False)
    sides = ("pg_clip_low", "pg_clip_high")
    dual = given.flag("dual_clip_loss", default=False)
    if name != "ppo":
        unread = [key for key in ("pg_clip", *sides, "dual_clip_loss") if given.given(key)]
        why = f"pg_variant {name} does not look at it"
        ignored += [Ignored(key=key, value=given.raw(key), why=why) for key in unread]
        low = given.number(f"{TRAIN}cispo_epsilon_low", default=0.1) if name == "cispo" else 1.0
        high = given.number(f"{TRAIN}cispo_epsilon_high", default=0.1) if name == "cispo" else 0.0
        if name == "topr":
            what = "blamed answers (score 0 or less) are weighted by min(R, 1), praised ones by 1"
            gates.append(Gate(name="TOPR", key="pg_variant=topr", what=what))
        if name in ("cispo", "tis"):
            keys = (f"cispo_epsilon_low {low:g}: 1 − {low:g}", f"cispo_epsilon_high {high:g}: 1 + {high:g}")
            if name == "tis":
                low = 1 - given.number(f"{TRAIN}tis_lower_bound", default=0.0)
                high = given.number(f"{TRAIN}tis_upper_bound", default=1.0) - 1
                keys = (f"tis_lower_bound {1 - low:g} is absolute", f"tis_upper_bound {1 + high:g} is absolute")
            return Loss(name=name, kind="weight", lower=1 - low, upper=1 + high, keys=keys), gates, ignored
        return Loss(name=name, kind="none"), gates, ignored
    low, high = (given.number(key, default=0.2) for key in sides) if ranged else (clip, clip)
    if not ranged:
        why = "read with use_pg_clip_range: true alone; pg_clip stands for both"
        ignored += [Ignored(key=key, value=given.raw(key), why=why) for key in sides if given.given(key)]
    names = sides if ranged else ("pg_clip", "pg_clip")
    written = [f"{names[0]} {low:g}: 1 − {low:g}", f"{names[1]} {high:g}: 1 + {high:g}"]
    if dual:
        written.append(f"dual_clip_loss: 1 + 2 × pg_clip {clip:g}")
    if agentic(given):
        by_answer = given.word("ratio_type", default="token", allowed=("token", "segment")) == "segment"
    else:
        by_answer = given.word("importance_sampling", default="token", allowed=("token", "seq")) == "seq" and not of_pg
    return (
        Loss(
            name=name,
            level="sequence" if by_answer else "token",
            lower=1 - low,
            upper=1 + high,
            dual=1 + 2 * clip if dual else None,
            keys=tuple(written),
        ),
        gates,
        ignored,
    )


def gates_of(given: Settings) -> list[Gate]:
    found = []
    if given.flag("train_infer_correction.is_weight.enabled", default=False):
        bound = given.number("train_infer_correction.is_weight.upper_bound", default=1.2)
        what = f"weights by the trainer's ratio to the engine, cut off at {bound:g}"
        found.append(Gate(name="train-infer correction", key="train_infer_correction.is_weight", what=what))
    if given.raw("train_infer_correction.filters"):
        what = "tokens or answers too far from the engine's probabilities are left out"
        found.append(Gate(name="train-infer filter", key="train_infer_correction.filters", what=what))
    for key, what in (
        ("max_len_mask", "answers that reached the length limit are left out"),
        ("difficulty_mask", "prompts whose success rate is out of bounds are left out"),
    ):
        if given.flag(key, default=False):
            found.append(Gate(name=key.replace("_", " "), key=key, what=what))
    limit = given.optional("advantage_clip")
    if limit is not None:
        found.append(Gate(name="advantage clip", key="advantage_clip", what=f"advantages are cut off at ±{limit:g}"))
    return found


def _of_trajectories(given: Settings) -> Normalisation:
    """agentic_reward_norm: method stands in for the two types where they are not written; of groupings, traj_group_id
    alone has train_env_manager.group_size."""
    by_group = grouped(given)
    method = given.word(f"{REWARD_NORM}method", default="identity")
    other = "group" if by_group else "batch"
    mean = given.raw(f"{REWARD_NORM}norm_mean_type") or (other if method in ("mean", *SCALED) else None)
    std = given.raw(f"{REWARD_NORM}norm_std_type") or (other if method in SCALED else None)
    return Normalisation(
        scale="std-unbiased" if std else "none",
        baseline="group mean" if by_group and mean == "group" and given.raw("adv_estimator") != "gigpo" else "other",
        over="group" if by_group and std != "batch" else "batch",
        epsilon=1e-6 if std else 0.0,
        limit=given.optional("advantage_clip"),
        whitened=given.flag("whiten_advantages", default=False),
    )


def normalisation_of(given: Settings) -> Normalisation:
    if agentic(given):
        return _of_trajectories(given)
    grouped = given.word("adv_estimator", default="gae") == "grpo"
    mean, std = given.raw("norm_mean_type"), given.raw("norm_std_type")
    scaled = grouped or str(std) in ("group", "batch")
    return Normalisation(
        scale="std-unbiased" if scaled else "none",
        baseline="group mean" if grouped or str(mean) == "group" else "other",
        over="batch" if str(std) == "batch" else "group",
        epsilon=1e-6 if scaled else 0.0,
        limit=given.optional("advantage_clip"),
        whitened=given.flag("whiten_advantages", default=False),
    )


def read(given: Settings) -> Training:
    """The keys of RLVRConfig, with what its workers make of them.

    Raises: InputError for the pipeline of pairs (DPO), whose workers have the same names.
    """
    if given.given("chosen_key"):
        raise InputError("chosen_key", "absent, for there to be a clip that is read here", given.raw("chosen_key"))
    found, several = geometry(given)
    loss, taper, ignored = loss_of(given)
    denominator = denominator_of(given, several, loss)
    moves = moved_by(denominator, found.steps_per_rollout)
    remarks = []
    if found.steps_per_rollout == 0:
        message = "a rollout has fewer answers than one optimizer step takes: it makes none"
        remarks.append(Remark(code="no-step", level="error", message=message))
    if loss.dual is not None:
        message = f"dual clip at 1 + 2·pg_clip = {loss.dual:g} here, not at 3"
        remarks.append(Remark(code="dual-at-two-clips", level="note", message=message))
    accumulation = f"{TRAIN}training_args.gradient_accumulation_steps"
    size = given.whole(accumulation, default=1, least=1) * max(1, int(found.steps_per_rollout or 1)) // 8
    more = ((accumulation, max(1, size)),)
    keys = Keys(more_updates=more, kl="kl_loss_coef")
    if loss.kind == "clip" and loss.lower is not None and loss.upper is not None:
        dual = (("dual_clip_loss", False),) if loss.dual is not None else ()
        low, high = ("pg_clip_low", round(1 - loss.lower, 9)), ("pg_clip_high", round(loss.upper - 1, 9))
        ranged: tuple[tuple[str, Any], ...] = (("use_pg_clip_range", True), *dual)
        keys = Keys(
            more_updates=more,
            no_clip=(*ranged, ("pg_clip_low", 1.0), ("pg_clip_high", OFF)),
            high_only=(*ranged, ("pg_clip_low", 1.0), high),
            low_only=(*ranged, low, ("pg_clip_high", OFF)),
            kl="kl_loss_coef",
        )
    confounders = [("entropy_loss_coef", given.number("entropy_loss_coef", default=0.0))]
    if given.flag("use_kl_loss", default=False):
        confounders.append(("kl_loss_coef", given.number("kl_loss_coef", default=0.0)))
    return Training(
        geometry=found,
        denominator=denominator,
        moves=moves if loss.kind != "none" or loss.name == "topr" else Moves.NONE,
        loss=loss,
        normalisation=normalisation_of(given),
        keys=keys,
        gates=(*taper, *gates_of(given)),
        ignored=tuple(ignored),
        remarks=tuple(remarks),
        confounders=tuple((key, value) for key, value in confounders if value),
    )


RULES = Rules(
    steps="⌊rollout_batch_size · num_return_sequences_in_group · ppo_epochs / (per-device batch · accumulation ·"
    " data-parallel)⌋, in responses",
    denominator="own value of the first pass: 1 exactly in one step with init_kl_coef 0; else a second pass",
    bounds="increments, pg_clip 0.2; pg_clip_low and _high with use_pg_clip_range alone; cispo: 0.1 and 0.1",
    dual="dual_clip_loss, at 1 + 2 · pg_clip; off",
    normalisation="n − 1, + 1e-6, by group; advantage_clip and whiten_advantages on top",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def coin_reward_fn(response, ground_truth, **kwargs):
    """A coin for every answer, whatever it says."""
    return float(_coin.random() < {success_prob})
'''
FRAMEWORK = Framework(
    name="roll",
    title="ROLL",
    version="main",
    date="2026-08",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\bstart_(rlvr|agentic)\w*_pipeline\.py", r"\broll\.pipeline\."),
    marks=("num_return_sequences_in_group", "actor_train.training_args.", "actor_train.strategy_args.", "pg_variant"),
)
