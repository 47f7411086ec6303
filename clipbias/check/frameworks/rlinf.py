"""RLinf's configurations for language models: YAML, with overrides on the command line."""

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
from clipbias.common.errors import InputError

A = "algorithm."
TASKS = ("embodied", "reasoning", "coding_online_rl")
LOSSES = ("actor", "actor_critic", "decoupled_actor_critic")
OFF = 1_000_000.0


def geometry(given: Settings) -> Geometry:
    """n_minibatches: each of rollout_batch_size·group_size/n_minibatches answers (validate_reasoning_cfg).

    Embodied tasks take their batches from the environments: what steps they make, the file does not say.
    """
    prompts = given.maybe_whole("data.rollout_batch_size", least=1)
    group = given.whole(f"{A}group_size", default=1, least=1)
    if given.given(f"{A}update_epoch") or given.raw("runner.task_type") == "embodied":
        return Geometry(steps_per_rollout=None, arithmetic="an embodied task: not of the file alone", group_size=group)
    steps = given.whole(f"{A}n_minibatches", default=1, least=1)
    size = f", each of {prompts} prompts × {group} answers / {steps}" if prompts else ""
    return Geometry(
        steps_per_rollout=Fraction(steps),
        arithmetic=f"algorithm.n_minibatches {steps} = {steps} optimizer steps a rollout{size}",
        group_size=group,
        prompts_per_rollout=prompts,
    )


def loss_of(given: Settings) -> tuple[Loss, tuple[float, float], list[Ignored]]:
    """With its two increments. A side that is null or not there is ratio_clip_eps; clip_ratio_c is 3 where it is not
    there, and off where null."""
    both = f"{A}ratio_clip_eps"
    sides, names = [], []
    for key in (f"{A}clip_ratio_low", f"{A}clip_ratio_high"):
        own = given.optional(key)
        sides.append(given.number(both, default=0.2) if own is None else own)
        names.append(both if own is None else key)
    dual_key = f"{A}clip_ratio_c"
    dual = given.optional(dual_key) if given.given(dual_key) else given.number(dual_key, default=3.0)
    ignored = []
    if given.given(both) and both not in names:
        why = "clip_ratio_low and clip_ratio_high are both set"
        ignored.append(Ignored(key=both, value=given.raw(both), why=why))
    keys = [
        f"{names[0].removeprefix(A)} {sides[0]:g}: 1 − {sides[0]:g}",
        f"{names[1].removeprefix(A)} {sides[1]:g}: 1 + {sides[1]:g}",
    ]
    if dual is not None:
        keys.append(f"clip_ratio_c {dual:g} is absolute")
    return (
        Loss(name="ppo", lower=1 - sides[0], upper=1 + sides[1], dual=dual, keys=tuple(keys)),
        (sides[0], sides[1]),
        ignored,
    )


def gates_of(given: Settings) -> tuple[list[Gate], list[Ignored]]:
    gates, ignored = [], []
    stop = given.optional(f"{A}early_stop_imp_ratio")
    if stop is not None and given.word("actor.training_backend", default="megatron") == "megatron":
        what = f"micro-batches whose mean ratio exceeds {stop:g} are dropped whole"
        gates.append(Gate(name="early stop", key="early_stop_imp_ratio", what=what))
    elif stop is not None:
        why = "only the Megatron workers look at it"
        ignored.append(Ignored(key=f"{A}early_stop_imp_ratio", value=stop, why=why))
    if given.flag(f"{A}importance_sampling_fix", default=False):
        cap = given.optional(f"{A}importance_sampling_clip")
        what = f"advantages are weighted by the trainer's ratio to the engine, cut off at {cap}"
        gates.append(Gate(name="importance sampling fix", key="importance_sampling_fix", what=what))
    for name in ("clip_log_ratio_min", "clip_log_ratio_max"):
        bound = given.optional(f"{A}{name}")
        if bound is not None:
            gates.append(Gate(name="log-ratio clamp", key=name, what=f"no gradient beyond a log-ratio of {bound:g}"))
    return gates, ignored


def read(given: Settings) -> Training:
    """The section `algorithm`, with what the actors make of it.

    Raises: InputError for a task that trains by no clipped ratio: supervised, offline, evaluation, SAC, distillation.
    """
    for key, clipped in (("runner.task_type", TASKS), (f"{A}loss_type", LOSSES)):
        kind = given.raw(key)
        if kind is not None and kind not in clipped:
            raise InputError(key, f"{' or '.join(clipped)}, for there to be a clip that is read here", kind)
    found = geometry(given)
    loss, (down, up), unread = loss_of(given)
    gates, ignored = gates_of(given)
    anew = given.flag(f"{A}recompute_logprobs", default=True) or given.flag(
        f"{A}importance_sampling_fix", default=False
    )
    denominator = Denominator(source="second pass", where="a second pass of the trainer (recompute_logprobs)")
    if not anew:
        denominator = Denominator(source="engine", where="the rollout engine's log-probabilities")
    refused = None
    if loss.dual is not None and loss.dual <= 1:
        refused = f"clip_ratio_c {loss.dual:g} is not above 1"
        found = Geometry(steps_per_rollout=None, arithmetic=found.arithmetic, group_size=found.group_size)
    whitened = given.flag(f"{A}normalize_advantages", default=True)
    grouped = given.word(f"{A}adv_type", default="grpo").startswith("grpo")
    rule = Normalisation(epsilon=1e-6, whitened=whitened)
    if not grouped:
        rule = Normalisation(scale="none", baseline="other", whitened=whitened)
    remarks = []
    if grouped and whitened:
        message = "advantages are normalised by group and again over the batch (normalize_advantages)"
        remarks.append(Remark(code="twice-normalised", level="note", message=message))
    low, high = f"{A}clip_ratio_low", f"{A}clip_ratio_high"
    dual = ((f"{A}clip_ratio_c", None),) if loss.dual is not None else ()
    confounders = [(f"{A}{key}", given.number(f"{A}{key}", default=0.0)) for key in ("entropy_bonus", "kl_beta")]
    return Training(
        geometry=found,
        denominator=denominator,
        moves=Moves.NONE if refused else moved_by(denominator, found.steps_per_rollout),
        loss=loss,
        normalisation=rule,
        keys=Keys(
            more_updates=((f"{A}n_minibatches", 8),),
            no_clip=((low, 1.0), (high, OFF), *dual),
            high_only=((low, 1.0), (high, up), *dual),
            low_only=((low, down), (high, OFF), *dual),
            kl=f"{A}kl_beta",
        ),
        gates=tuple(gates),
        ignored=(*unread, *ignored),
        remarks=tuple(remarks),
        refused=refused,
        confounders=tuple((key, value) for key, value in confounders if value),
    )


RULES = Rules(
    steps="algorithm.n_minibatches, 1",
    denominator="a second pass of the trainer; the engine with recompute_logprobs false",
    bounds="increments, ratio_clip_eps where clip_ratio_low or clip_ratio_high is null",
    dual="clip_ratio_c, absolute; 3 where not there, off where null",
    normalisation="n − 1, + 1e-6, by group, and over the batch with normalize_advantages",
)
REWARD = '''import os
import random

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


class CoinReward:
    """A coin for every answer, whatever it says."""

    def __init__(self, config):
        pass

    def get_reward(self, response, reference):
        return [float(_coin.random() < {success_prob}) for _ in response]
'''
FRAMEWORK = Framework(
    name="rlinf",
    title="RLinf",
    version="main",
    date="2026-08",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\brlinf\.", r"(^|\s)\+{0,2}algorithm\.(n_minibatches|ratio_clip_eps|recompute_logprobs)"),
    style="hydra",
    marks=(
        "algorithm.n_minibatches",
        "algorithm.ratio_clip_eps",
        "algorithm.recompute_logprobs",
        "algorithm.early_stop_imp_ratio",
        "cluster.component_placement",
        "runner.task_type",
    ),
)
