"""SkyRL's configuration, as keys on the command line or in YAML."""

from dataclasses import replace
from fractions import Fraction
from typing import Any

from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import Settings
from clipbias.check.setup import (
    Denominator,
    Gate,
    Ignored,
    Keys,
    Loss,
    Moves,
    Normalisation,
    Remark,
    Training,
    moved_by,
)

from .skyrl_batches import batches, geometry

A = "trainer.algorithm."
BANDED = ("regular", "dual_clip", "gspo", "clip_cov", "rollout_is")
LOSSES = (*BANDED, "cispo", "dppo", "kl_cov", "sapo", "cross_entropy", "importance_sampling")
OFF = 1_000_000.0


def loss_of(given: Settings, name: str) -> tuple[Loss, list[Ignored]]:
    """Each policy_loss_type's bounds, and keys that it does not look at."""
    low, high = given.number(f"{A}eps_clip_low", default=0.2), given.number(f"{A}eps_clip_high", default=0.2)
    dual = given.number(f"{A}clip_ratio_c", default=3.0)
    before = given.older_than("0.3.1", "2026-07-18")
    floor = given.number(f"{A}cispo.cispo_eps_clip_low", default=0.0 if before else 1.0)
    cap = given.number(f"{A}cispo.cispo_eps_clip_high", default=5.0 if before else 4.0)
    banded = name in BANDED or name not in LOSSES
    ignored = []
    for key, value, used in (
        ("eps_clip_low", low, banded),
        ("eps_clip_high", high, banded),
        ("clip_ratio_c", dual, name == "dual_clip"),
        ("cispo.cispo_eps_clip_low", floor, name == "cispo"),
        ("cispo.cispo_eps_clip_high", cap, name == "cispo"),
    ):
        if not used and given.given(A + key):
            ignored.append(Ignored(key=A + key, value=value, why=f"policy_loss_type {name} does not look at it"))
    if name == "cispo":
        keys = (f"cispo_eps_clip_low {floor:g}: 1 − {floor:g}", f"cispo_eps_clip_high {cap:g}: 1 + {cap:g}")
        return Loss(name=name, kind="weight", lower=1 - floor, upper=1 + cap, keys=keys), ignored
    if not banded:
        return Loss(name=name, kind="soft" if name == "sapo" else "mask" if name == "dppo" else "none"), ignored
    keys = (f"eps_clip_low {low:g}: 1 − {low:g}", f"eps_clip_high {high:g}: 1 + {high:g}")
    return Loss(
        name=name,
        level="sequence" if name == "gspo" else "token",
        lower=1 - low,
        upper=1 + high,
        dual=dual if name == "dual_clip" else None,
        keys=(*keys, f"clip_ratio_c {dual:g} is absolute") if name == "dual_clip" else keys,
    ), ignored


def denominator_of(given: Settings, name: str) -> Denominator:
    anchor = given.word(f"{A}cispo.cispo_anchor", default="old", allowed=("old", "rollout"))
    if name in ("rollout_is", "dppo") or (name == "cispo" and anchor == "rollout"):
        return Denominator(source="engine", where="the sampler's log-probabilities of the rollout")
    if name == "cross_entropy":
        return Denominator(source="none", where="cross_entropy has no ratio")
    return Denominator(source="second pass", where="a pass of the current policy before training, also in async mode")


def moves_of(given: Settings, denominator: Denominator, steps: Fraction | None) -> Moves | None:
    """A pass in the training step's own micro-batches repeats its numbers (recompute_old_logprobs_per_minibatch, there
    since 2026-06-12 and on by default): exact where it is written or --version says so, since no other version has it.
    """
    key = "trainer.recompute_old_logprobs_per_minibatch"
    new = given.version is not None and not given.older_than("0.3.0", "2026-06-12")
    moves = moved_by(denominator, steps)
    return Moves.IDENTICAL if moves is Moves.NOISE and given.flag(key, default=new) else moves


def gates_of(given: Settings, name: str) -> tuple[Gate, ...]:
    found = []
    off = f"{A}off_policy_correction."
    kind = given.raw(f"{off}tis_ratio_type")
    if given.flag(f"{A}use_tis", default=False):
        kind = "token"
    cap = {
        "token": given.number(f"{off}token_tis_ratio_clip_high", f"{A}tis_imp_ratio_cap", default=2.0),
        "sequence": given.number(f"{off}sequence_tis_ratio_clip_high", default=5.0),
    }
    if kind in cap:
        what = f"weights by the ratio of trainer to sampler, cut off at {cap[kind]:g}"
        found.append(Gate(name="TIS", key=f"{off}tis_ratio_type={kind}", what=what))
    metric = given.raw(f"{off}sequence_mask_metric")
    if metric is not None:
        what = f"answers whose {metric} ratio of trainer to sampler is out of bounds lose their gradient"
        found.append(Gate(name="sequence mask", key=f"{off}sequence_mask_metric", what=what))
    for side in ("low", "high"):
        for key, unit in (
            ("token_mask_is_threshold", "tokens"),
            ("outlier_token_is_threshold", "answers with a token"),
        ):
            value = given.optional(f"{off}{key}_{side}")
            if value is not None:
                relation = "below" if side == "low" else "above"
                what = f"{unit} whose ratio of trainer to sampler is {relation} {value:g} lose their gradient"
                found.append(Gate(name="outlier mask", key=f"{off}{key}_{side}", what=what))
    if name == "dppo":
        low, high = given.number(f"{A}dppo.delta_low", default=0.2), given.number(f"{A}dppo.delta_high", default=0.2)
        measure = given.word(f"{A}dppo.dppo_type", default="binary_tv")
        what = f"tokens pushed beyond a {measure} of {low:g} down or {high:g} up lose their gradient"
        found.append(Gate(name="DPPO mask", key=f"{A}policy_loss_type=dppo", what=what))
    if name == "clip_cov":
        share = given.number(f"{A}clip_cov.clip_ratio", default=0.0002)
        what = f"a share {share:g} of tokens, of high covariance of advantage and log-probability, loses its gradient"
        found.append(Gate(name="covariance selection", key=f"{A}policy_loss_type=clip_cov", what=what))
    if name == "kl_cov":
        found.append(Gate(name="covariance selection", key=f"{A}policy_loss_type=kl_cov", what="|log R| is penalised"))
    if given.flag(f"{A}zero_variance_filter", default=False):
        found.append(Gate(name="zero-variance filter", key=f"{A}zero_variance_filter", what="equal rewards: left out"))
    sampling = given.raw(f"{A}dynamic_sampling.type")
    if sampling is not None:
        what = "groups without advantage are resampled or replaced"
        found.append(Gate(name="dynamic sampling", key=f"{A}dynamic_sampling.type={sampling}", what=what))
    return tuple(found)


def normalisation_of(given: Settings, group: int) -> Normalisation:
    """compute_grpo_outcome_advantage and its fellows; a group of one keeps its reward under grpo, 0 under rloo."""
    estimator = given.word(f"{A}advantage_estimator", default="grpo")
    whitened = given.flag(f"{A}advantage_batch_normalize", default=False)
    scaled = given.flag(f"{A}grpo_norm_by_std", default=True)
    if estimator == "rloo":
        return Normalisation(scale="none", baseline="leave one out", whitened=whitened)
    if estimator != "grpo" or group == 1:
        return Normalisation(scale="none", baseline="other", whitened=whitened or estimator in ("gae", "reinforce++"))
    return Normalisation(epsilon=1e-6, whitened=whitened) if scaled else Normalisation(scale="none", whitened=whitened)


def refusal(given: Settings, name: str, denominator: Denominator) -> str | None:
    """What validate_cfg, the losses and FullyAsyncRayPPOTrainer stop at."""
    off = f"{A}off_policy_correction."
    corrected = given.raw(f"{off}tis_ratio_type") is not None or given.flag(f"{A}use_tis", default=False)
    masked = given.raw(f"{off}sequence_mask_metric") is not None
    asynchronous = given.flag("trainer.fully_async.enabled", default=False)
    if name in ("clip_cov", "kl_cov") and (corrected or masked):
        return f"off_policy_correction does not go with {name}"
    if name == "cispo" and denominator.source == "engine" and corrected:
        return "cispo_anchor rollout is a correction already: tis_ratio_type has to be null"
    if given.flag(f"{A}use_kl_in_reward", default=False) and given.flag(f"{A}use_kl_loss", default=True):
        return "use_kl_in_reward and use_kl_loss exclude each other, and use_kl_loss is on by default"
    if asynchronous and given.raw("trainer.train_batch_size") != given.raw("trainer.policy_mini_batch_size"):
        return "fully async training needs train_batch_size and policy_mini_batch_size to be equal"
    if asynchronous and denominator.source != "engine" and not given.older_than("0.3.0", "2026-06-29"):
        return f"fully async training needs a loss with the sampler's log-probabilities, which {name} has not"
    return None


def _keys(more: tuple[tuple[str, Any], ...], loss: Loss) -> Keys:
    names = ("cispo.cispo_eps_clip_low", "cispo.cispo_eps_clip_high")
    names = names if loss.kind == "weight" else ("eps_clip_low", "eps_clip_high")
    no_low, no_high = (A + names[0], 1.0), (A + names[1], OFF)
    if loss.lower is None or loss.upper is None:
        return Keys(more_updates=more, kl=f"{A}kl_loss_coef")
    dual = ((f"{A}clip_ratio_c", OFF),) if loss.dual is not None else ()
    return Keys(
        more_updates=more,
        no_clip=(no_low, no_high, *dual),
        high_only=(no_low, (A + names[1], round(loss.upper - 1, 9)), *dual),
        low_only=((A + names[0], round(1 - loss.lower, 9)), no_high, *dual),
        kl=f"{A}kl_loss_coef",
    )


def remarks_of(given: Settings, loss: Loss, denominator: Denominator) -> list[Remark]:
    found = []
    staleness = given.given("trainer.fully_async.max_staleness_steps", "trainer.fully_async.enabled")
    if staleness and denominator.source == "second pass":
        message = "old log-probabilities are of the current weights: the clip does not see how stale the samples are"
        fix = "policy_loss_type rollout_is, or cispo with cispo_anchor rollout"
        found.append(Remark(code="staleness", level="warning", message=message, fix=fix))
    if loss.kind == "weight" and given.version is None and not given.given(f"{A}cispo.cispo_eps_clip_low"):
        message = "cispo's defaults are 1.0 and 4.0 since 2026-07-18, 0.0 and 5.0 before"
        found.append(Remark(code="version", level="note", message=message))
    if loss.name == "rollout_is":
        message = "rollout_is drops tokens outside its band whatever the sign of their advantage"
        found.append(Remark(code="both-signs", level="note", message=message))
    if loss.name not in LOSSES:
        message = f"policy_loss_type {loss.name} is not SkyRL's own: what it does with the ratio is not known here"
        found.append(Remark(code="custom", level="note", message=message))
    cap = given.number(f"{A}tis_imp_ratio_cap", default=-1.0)
    if given.flag(f"{A}use_tis", default=False) and cap <= 0:
        message = f"use_tis with tis_imp_ratio_cap {cap:g}: every weight is cut off there, and none is positive"
        found.append(Remark(code="negative-cap", level="error", message=message, fix=f"{A}tis_imp_ratio_cap: 2.0"))
    return found


def read(given: Settings) -> Training:
    """trainer.* and generator.*, with what SkyRL's validation, trainer and losses make of them."""
    name = given.word(f"{A}policy_loss_type", default="regular")
    sizes = batches(given)
    found, refused = geometry(given, sizes)
    loss, ignored = loss_of(given, name)
    denominator = denominator_of(given, name)
    refused = refused or refusal(given, name, denominator)
    moves = moves_of(given, denominator, found.steps_per_rollout) if name in LOSSES else None
    kl = given.number(f"{A}kl_loss_coef", default=0.001)
    in_loss = given.flag(f"{A}use_kl_loss", default=True) or given.flag(f"{A}use_kl_in_reward", default=False)
    entropy = given.number(f"{A}entropy_loss_coef", default=0.01)
    bonus = given.flag(f"{A}use_entropy_loss", default=False)
    confounders = (("kl_loss_coef", kl if in_loss else 0.0), ("entropy_loss_coef", entropy if bonus else 0.0))
    return Training(
        geometry=found if refused is None else replace(found, steps_per_rollout=None),
        denominator=denominator,
        moves=Moves.NONE if refused is not None else moves,
        loss=loss,
        normalisation=normalisation_of(given, found.group_size or 1),
        keys=_keys(sizes.more_updates(), loss),
        gates=gates_of(given, name),
        ignored=tuple(ignored),
        remarks=tuple(remarks_of(given, loss, denominator)),
        refused=refused,
        confounders=tuple((key, value) for key, value in confounders if value),
    )


RULES = Rules(
    steps="train_batch_size / policy_mini_batch_size · update_epochs_per_batch, in prompts; by default 4",
    denominator="a second pass: rounding with one step, exact with recompute_old_logprobs_per_minibatch; the sampler"
    " for rollout_is, dppo and cispo with cispo_anchor rollout",
    bounds="increments, 0.2 on both sides; cispo has its own, 1.0 and 4.0 (0.0 and 5.0 before 2026-07-18)",
    dual="clip_ratio_c, absolute, 3.0, with policy_loss_type dual_clip alone",
    normalisation="n − 1, + 1e-6, by group",
)
REWARD = '''import os
import random

from skyrl_gym.envs.base_text_env import BaseTextEnv, BaseTextEnvStepOutput

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


class RandomRewardEnv(BaseTextEnv):
    """A coin for every answer, whatever it says."""

    def __init__(self, env_config=None, extras=None):
        super().__init__()

    def step(self, action):
        reward = float(_coin.random() < {success_prob})
        return BaseTextEnvStepOutput(observations=[], reward=reward, done=True, metadata={{}})
'''
FRAMEWORK = Framework(
    name="skyrl",
    title="SkyRL",
    version="0.3.0",
    date="2026-08-21",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(
        r"\bskyrl(_train)?\.(train\.)?entrypoints\.main",
        r"\btrainer\.(algorithm\.|policy_mini_batch_size|update_epochs_per_batch)",
    ),
    style="hydra",
    marks=(A, "trainer.policy_mini_batch_size", "trainer.update_epochs_per_batch", "trainer.fully_async"),
)
