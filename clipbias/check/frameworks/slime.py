"""slime's `train.py` and `train_async.py`: flags, mostly from arrays of a launch script."""

import math
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

GROUPED = ("grpo", "gspo", "cispo")
ESTIMATORS = (*GROUPED, "reinforce_plus_plus", "reinforce_plus_plus_baseline", "ppo")
WHITENED = ("reinforce_plus_plus", "reinforce_plus_plus_baseline")
OFF = 1_000_000.0


def data_parallel(given: Settings) -> int:
    """Replicas of the actor: its GPUs over those that share one model."""
    nodes = given.whole("actor_num_nodes", default=1, least=1)
    gpus = given.whole("actor_num_gpus_per_node", default=8, least=1)
    shared = math.prod(
        given.whole(f"{kind}_parallel_size", default=1, least=1)
        for kind in ("tensor_model", "pipeline_model", "context")
    )
    return max(1, nodes * gpus // shared)


def geometry(given: Settings) -> tuple[Geometry, str | None]:
    """Steps per rollout: whole global batches of responses that a rollout fills (`build_dp_schedule`).

    num_steps_per_rollout only sets global_batch_size to prompts·responses // it, and contradicts any other. Without
    both, Megatron takes one micro-batch for each data-parallel rank.
    """
    prompts = given.whole("rollout_batch_size", default=32, least=1)
    group = given.whole("n_samples_per_prompt", default=1, least=1)
    batch = given.maybe_whole("global_batch_size", least=1)
    asked = given.maybe_whole("num_steps_per_rollout", least=1)
    answers = prompts * group
    refused, written = None, f"global_batch_size {batch}"
    if asked is not None:
        implied = answers // asked
        if batch is not None and batch != implied:
            refused = (
                f"global_batch_size {batch} is not {prompts} × {group} // num_steps_per_rollout {asked} = {implied}"
            )
        batch, written = implied, f"global batch {implied}, from num_steps_per_rollout {asked},"
    elif batch is None:
        micro, ranks = given.whole("micro_batch_size", default=1, least=1), data_parallel(given)
        batch, written = micro * ranks, f"global batch of {micro} × {ranks} data-parallel ranks, as none is set,"
    steps = answers // batch if batch else 0
    if refused is None and steps < 1:
        refused = f"a rollout of {answers} responses fills no global batch of {batch}"
    dropped = "" if batch == 0 or answers % batch == 0 else f"; {answers % batch} responses are dropped"
    found = Geometry(
        steps_per_rollout=None if refused else Fraction(steps),
        arithmetic=f"rollout_batch_size {prompts} prompts × {group} responses / {written} responses = {steps} optimizer"
        f" steps a rollout{dropped}",
        group_size=group,
        prompts_per_rollout=prompts,
    )
    return found, refused


def loss_of(given: Settings, estimator: str) -> tuple[Loss, list[Ignored]]:
    """compute_policy_loss, and compute_cispo_loss whose two-sided bounds are of a detached weight."""
    low = given.number("eps_clip", default=0.2)
    high = given.optional("eps_clip_high")
    dual = given.optional("eps_clip_c")
    top = low if high is None else high
    upper = "eps_clip" if high is None else "eps_clip_high"
    keys = [f"eps_clip {low:g}: 1 − {low:g}", f"{upper} {top:g}: 1 + {top:g}"]
    ignored = []
    if dual is not None:
        why = None
        if estimator == "cispo":
            why = "cispo has no dual clip"
        elif given.older_than("0.3.2", "2026-08-12"):
            why = "parsed but not handed to the loss before 2026-08-12"
        if why is None:
            keys.append(f"eps_clip_c {dual:g} is absolute")
        else:
            ignored.append(Ignored(key="eps_clip_c", value=dual, why=why))
            dual = None
    return Loss(
        name=estimator,
        kind="weight" if estimator == "cispo" else "clip",
        level="sequence" if estimator == "gspo" else "token",
        lower=1 - low,
        upper=1 + top,
        dual=dual,
        keys=tuple(keys),
    ), ignored


def denominator_of(given: Settings, estimator: str, steps: Fraction | None) -> Denominator:
    """The training pass's own value where nothing else needs log-probabilities (`can_reuse_log_probs_in_loss`)."""
    if given.flag("use_rollout_logprobs", default=False):
        return Denominator(source="engine", where="SGLang's log-probabilities, by use_rollout_logprobs")
    needs = {
        "the critic": estimator == "ppo",
        "gspo": estimator == "gspo",
        "kl_coef": given.number("kl_coef", default=0.0) != 0,
        "get_mismatch_metrics": given.flag("get_mismatch_metrics", default=False),
        "use_opd": given.flag("use_opd", default=False),
        "use_routing_replay": given.flag("use_routing_replay", default=False)
        and not given.flag("use_rollout_routing_replay", default=False),
        "slime before 2026-05-09": given.older_than("0.3.0", "2026-05-09"),
        "keep_old_actor": given.flag("keep_old_actor", default=False),
    }
    reasons = [name for name, needed in needs.items() if needed]
    if reasons == [] and steps == 1:
        return Denominator(source="own", where="the training pass's own detached value, with one step a rollout")
    why = "several steps a rollout" if not reasons else reasons[-1]
    return Denominator(source="second pass", where=f"the trainer's pass before training, for {why}")


def gates_of(given: Settings) -> tuple[tuple[Gate, ...], list[Ignored]]:
    found, ignored = [], []
    low, cap = given.number("tis_clip_low", default=0.0), given.number("tis_clip", default=2.0)
    custom = given.raw("custom_tis_function_path")
    used = given.flag("use_tis", default=False) or given.flag("get_mismatch_metrics", default=False)
    if used:
        what = f"tokens are weighted by the ratio of trainer to SGLang, kept within [{low:g}, {cap:g}]"
        if custom is not None:
            what = f"{custom} weights or masks by the ratio of trainer to SGLang"
        found.append(Gate(name="TIS", key="use_tis", what=what))
    else:
        for key in ("tis_clip", "tis_clip_low", "custom_tis_function_path"):
            if given.given(key):
                ignored.append(Ignored(key=key, value=given.raw(key), why="use_tis is not set"))
    delta = given.number("opsm_delta", default=1e-4)
    if given.flag("use_opsm", default=False):
        what = f"blamed answers whose mean log-ratio has fallen by more than {delta:g} lose their gradient"
        found.append(Gate(name="off-policy sequence mask", key="use_opsm", what=what))
    if given.given("dynamic_sampling_filter_path"):
        what = "groups that the filter drops are replaced by others"
        found.append(Gate(name="dynamic sampling", key="dynamic_sampling_filter_path", what=what))
    partial = given.flag("partial_rollout", default=False)
    if given.flag("mask_offpolicy_in_partial_rollout", default=False) and partial:
        what = "tokens of earlier weights in resumed answers are left out"
        found.append(Gate(name="partial rollout mask", key="mask_offpolicy_in_partial_rollout", what=what))
    return tuple(found), ignored


def normalisation_of(given: Settings, estimator: str, group: int) -> Normalisation:
    """_post_process_rewards by group, then normalize_advantages over the buffer's tokens."""
    whitened = given.flag("normalize_advantages", default=False)
    centred = not given.flag("disable_rewards_normalization", default=False)
    scaled = not given.flag("disable_grpo_std_normalization", default=False) and group > 1
    if not centred or estimator in ("ppo", "reinforce_plus_plus"):
        return Normalisation(scale="none", baseline="other", whitened=whitened)
    if estimator in GROUPED and scaled:
        return Normalisation(epsilon=1e-6, whitened=whitened)
    return Normalisation(scale="none", whitened=whitened)


def refusal(given: Settings, estimator: str, loss: Loss) -> str | None:
    """What slime_validate_args and the losses stop at."""
    engine, metrics = given.flag("use_rollout_logprobs", default=False), given.given("custom_tis_function_path")
    prompts = given.whole("rollout_batch_size", default=32)
    sampled = given.whole("over_sampling_batch_size", default=prompts)
    if given.number("kl_coef", default=0.0) and given.number("kl_loss_coef", default=0.0):
        return "only one of kl_coef and kl_loss_coef can be set"
    if estimator in WHITENED and not given.flag("normalize_advantages", default=False):
        return f"{estimator} needs normalize_advantages"
    if engine and given.flag("use_tis", default=False):
        return "use_rollout_logprobs and use_tis cannot be set at the same time"
    if given.flag("get_mismatch_metrics", default=False) and not metrics:
        return "get_mismatch_metrics needs custom_tis_function_path"
    if loss.dual is not None and loss.dual <= 1:
        return f"eps_clip_c {loss.dual:g} is not above 1"
    if sampled < prompts:
        return f"over_sampling_batch_size {sampled} is below rollout_batch_size {prompts}"
    if given.number("rollout_temperature", default=1.0) <= 0:
        return "rollout_temperature has to be above 0"
    return None


def _keys(given: Settings, found: Geometry, loss: Loss) -> Keys:
    answers = (found.prompts_per_rollout or 1) * (found.group_size or 1)
    steps = "num_steps_per_rollout"
    more = (steps, 8) if given.given(steps) else ("global_batch_size", max(1, answers // 8))
    low, high = ("eps_clip", round(1 - (loss.lower or 0.0), 9)), ("eps_clip_high", round((loss.upper or OFF) - 1, 9))
    no_low, no_high = ("eps_clip", 1.0), ("eps_clip_high", OFF)
    dual = (("eps_clip_c", None),) if loss.dual is not None else ()
    return Keys(
        more_updates=(more,),
        no_clip=(no_low, no_high, *dual),
        high_only=(no_low, high, *dual),
        low_only=(low, no_high, *dual),
        kl="kl_loss_coef",
    )


def remarks_of(given: Settings, loss: Loss) -> list[Remark]:
    found = []

    def note(code: str, message: str) -> None:
        found.append(Remark(code=code, level="note", message=message))

    if loss.dual is not None and given.version is None:
        note("version", "eps_clip_c is handed to the loss since 2026-08-12 alone: before, no dual clip acts")
    if given.word("loss_type", default="policy_loss") == "custom_loss":
        note("custom", "loss_type custom_loss: what it does with the ratio is not known here")
    for key in ("custom_config_path", "custom_advantage_function_path", "custom_reward_post_process_path"):
        if given.given(key):
            note("custom", f"{key} can change what is said here, and is not read")
    if loss.kind == "weight" and loss.lower_bound is not None:
        note("two-sided-weight", f"cispo keeps its lower bound {loss.lower_bound:g} here: eps_clip 1.0 switches it off")
    if not given.given("rollout_batch_size"):
        note("required", "rollout_batch_size has no default in slime: 32 stands in for it")
    return found


def read(given: Settings) -> Training:
    """The flags, with what slime's validation, its schedule and policy_loss_function make of them."""
    estimator = given.word("advantage_estimator", default="grpo", allowed=ESTIMATORS)
    found, refused = geometry(given)
    loss, ignored = loss_of(given, estimator)
    refused = refused or refusal(given, estimator, loss)
    if refused is not None:
        found = replace(found, steps_per_rollout=None)
    denominator = denominator_of(given, estimator, found.steps_per_rollout)
    moves = moved_by(denominator, found.steps_per_rollout)
    if given.flag("keep_old_actor", default=False) and denominator.source == "second pass":
        moves = Moves.MISMATCH  # the pass is of the weights before the last update
    kind = given.word("loss_type", default="policy_loss", allowed=("policy_loss", "sft_loss", "custom_loss"))
    if kind == "sft_loss":
        loss, denominator = Loss(name=kind, kind="none"), Denominator(source="none", where="sft_loss has no ratio")
    if kind != "policy_loss":
        moves = Moves.NONE if kind == "sft_loss" else None
    gates, unused = gates_of(given)
    confounders = {key: given.number(key, default=0.0) for key in ("entropy_coef", "kl_coef", "kl_loss_coef")}
    if not given.flag("use_kl_loss", default=False):
        kl = confounders.pop("kl_loss_coef")
        unused += [Ignored(key="kl_loss_coef", value=kl, why="use_kl_loss is not set")] if kl else []
    return Training(
        geometry=found,
        denominator=denominator,
        moves=Moves.NONE if refused is not None else moves,
        loss=loss,
        normalisation=normalisation_of(given, estimator, found.group_size or 1),
        keys=_keys(given, found, loss),
        gates=gates,
        ignored=(*ignored, *unused),
        remarks=tuple(remarks_of(given, loss)),
        refused=refused,
        confounders=tuple((key, value) for key, value in confounders.items() if value),
    )


RULES = Rules(
    steps="rollout_batch_size · n_samples_per_prompt // global_batch_size, in responses; num_steps_per_rollout sets"
    " global_batch_size, and stops the run where they disagree",
    denominator="own detached value with one step (since 2026-05-09), so 1 exactly; a second pass for gspo, a critic,"
    " kl_coef, or several steps; SGLang with use_rollout_logprobs",
    bounds="increments, 0.2 and the same above; cispo: of the weight, on both sides",
    dual="eps_clip_c, absolute; off; not handed on before 2026-08-12",
    normalisation="n − 1, + 1e-6, by group",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


async def random_reward(args, sample, **kwargs):
    """A coin for every answer, whatever it says: --custom-rm-path FILE.random_reward"""
    return float(_coin.random() < {success_prob})
'''
FRAMEWORK = Framework(
    name="slime",
    title="slime",
    version="0.3.1",
    date="2026-08-21",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\btrain(_async)?\.py\b.*--(rollout-batch-size|num-rollout|advantage-estimator|n-samples-per-prompt)",),
    marks=("num_steps_per_rollout", "eps_clip_c", "tis_clip", "use_rollout_logprobs"),
)
