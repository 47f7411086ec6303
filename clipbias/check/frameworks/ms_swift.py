"""ms-swift's GRPO, by `swift rlhf` (steps_per_generation in micro-steps) and `megatron rlhf` (in optimizer steps)."""

from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import NOTHING, Settings, shown
from clipbias.check.setup import (
    Denominator,
    Gate,
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

from . import trl
from .ms_swift_batches import geometry, on_megatron
from .trl import controls, with_delta

LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo", "fipo", "cispo", "sapo", "real")
LEVELS = ("token", "sequence", "sequence_token")
ESTIMATORS = {"grpo": "group", "rloo": "none", "reinforce_plus_plus": "batch"}


def denominator_of(given: Settings) -> Denominator:
    """A second pass, always, since 3.11; until then only where a rollout lasts more than one step."""
    first = Denominator(source="own", where="the training pass's own detached value while a rollout lasts one step")
    second = Denominator(source="second pass", where="a second pass of the trainer, taken before every rollout's steps")
    if on_megatron(given) or not given.older_than("3.11.0", "2025-11-26"):
        return second
    return second if given.whole("num_iterations", default=1, least=1) > 1 else first


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    name = given.word("loss_type", default="grpo", allowed=LOSSES)
    level = given.word("importance_sampling_level", default="token", allowed=LEVELS)
    low, high, delta = given.number("epsilon", default=0.2), given.optional("epsilon_high"), given.optional("delta")
    top = low if high is None else high
    of: Level = "token" if level == "token" else "sequence"
    ignored: list[Ignored] = []

    def unused(why: str, *keys: tuple[str, float | None]) -> None:
        written = [(key, value) for key, value in keys if given.given(key) and value is not None]
        ignored.extend(Ignored(key=key, value=value, why=why) for key, value in written)

    if name in ("sapo", "real"):
        gate = "has a smooth gate" if name == "sapo" else "ranks answers of a group"
        unused(f"loss_type {name} {gate} and no bounds", ("epsilon", low), ("epsilon_high", high), ("delta", delta))
        return Loss(name=name, kind="soft", level=of), ignored
    if name == "cispo":
        if high is not None:
            unused("cispo has no lower bound", ("epsilon", low))
        unused("cispo bounds the weight by epsilon_high alone", ("delta", delta))
        source = "epsilon_high" if high is not None else "epsilon, in the place of epsilon_high,"
        written = f"{source} {top:g} is an absolute bound for cispo"
        return Loss(name=name, kind="weight", level=of, upper=top, keys=(written,)), ignored
    keys = (f"epsilon {low:g}: 1 − {low:g}", f"{'epsilon' if high is None else 'epsilon_high'} {top:g}: 1 + {top:g}")
    above, dual, capped = with_delta(1 + top, delta)
    return Loss(name=name, level=of, lower=1 - low, upper=above, dual=dual, keys=keys + capped), ignored


def gates_of(given: Settings, loss: Loss) -> tuple[Gate, ...]:
    found = []
    mode = given.word("rollout_importance_sampling_mode", default="none")
    if mode not in ("none", "None", ""):
        bound = given.number("rollout_importance_sampling_threshold", default=2.0)
        what = {
            "token_mask": f"tokens whose ratio to vLLM exceeds {bound:g} lose their gradient",
            "sequence_mask": f"answers whose ratio to vLLM exceeds {bound:g} lose their gradient",
        }.get(mode, f"weights by the ratio to vLLM, cut off at {bound:g}")
        found.append(Gate(name="rollout correction", key=f"rollout_importance_sampling_mode={mode}", what=what))
    limit = given.optional("off_policy_sequence_mask_delta")
    if limit is not None:
        what = f"blamed answers whose mean log-ratio fell by more than {limit:g} lose their gradient"
        found.append(Gate(name="off-policy mask", key="off_policy_sequence_mask_delta", what=what))
    quantile = given.number("top_entropy_quantile", default=1.0, least=0, most=1)
    if quantile < 1:
        what = f"only the {100 * quantile:g} % of tokens with the highest entropy are trained on"
        found.append(Gate(name="entropy mask", key="top_entropy_quantile", what=what))
    if given.flag("overlong_filter", default=False):
        found.append(Gate(name="truncation mask", key="overlong_filter", what="truncated answers are left out"))
    if given.flag("dynamic_sample", default=False):
        what = "groups without an advantage are drawn again"
        found.append(Gate(name="dynamic sampling", key="dynamic_sample", what=what))
    if loss.name == "fipo":
        what = "tokens are weighted by the later tokens' log-ratios"
        found.append(Gate(name="future KL", key="loss_type=fipo", what=what))
    if given.given("advantage_reweight"):
        what = "advantages are weighted, token by token, by a teacher's log-ratio"
        found.append(Gate(name="teacher", key=f"advantage_reweight={given.raw('advantage_reweight')}", what=what))
    return tuple(found)


def normalisation_of(given: Settings, loss: Loss) -> Normalisation:
    estimator = given.word("advantage_estimator", default="grpo", allowed=ESTIMATORS)
    text = str(given.raw("scale_rewards", default=ESTIMATORS[estimator])).lower()
    scale = "none" if loss.name == "real" else {"true": "group", "false": "none"}.get(text, text)
    if scale == "gdpo":
        return Normalisation(over="batch", epsilon=1e-8, whitened=True)
    if estimator == "rloo":
        return (
            Normalisation(scale="none", baseline="leave one out")
            if scale == "none"
            else Normalisation(baseline="other", over="batch" if scale == "batch" else "group")
        )
    if scale == "none":
        return Normalisation(scale="none")
    return Normalisation(over="batch" if scale == "batch" else "group", epsilon=1e-4)


def _keys(given: Settings, loss: Loss) -> Keys:
    """Eight optimizer steps a rollout, by whichever of the two keys is written, or both."""
    if on_megatron(given):
        steps, answers = 8, given.whole("global_batch_size", default=16, least=1)
    else:
        steps = 8 * given.whole("gradient_accumulation_steps", default=1, least=1)
        answers = given.whole("per_device_train_batch_size", default=1, least=1) * given.device_count()
    sizes = {"steps_per_generation": steps, "generation_batch_size": steps * answers}
    written = [(key, value) for key, value in sizes.items() if given.given(key)]
    return controls(loss, *(written or [("steps_per_generation", steps)]))


def _on(given: Settings, key: str) -> bool:
    return given.given(key) and given.flag(key, default=False)


def refusals(given: Settings, level: str) -> str | None:
    """What RLHFArguments stops at beside batch sizes."""
    cut = given.raw("truncation_strategy")
    if cut is not None and str(cut).lower() not in ("left", "delete", *NOTHING):
        return f"truncation_strategy {shown(cut)}: GRPO takes left or delete"
    if not on_megatron(given) and _on(given, "use_liger_kernel"):
        lacking = {
            "delta": given.optional("delta") is not None,
            "sequence_parallel_size above 1": (given.maybe_whole("sequence_parallel_size") or 1) > 1,
            "padding_free": _on(given, "padding_free"),
            "entropy mask": given.number("top_entropy_quantile", default=1.0) < 1,
            "log_entropy": _on(given, "log_entropy"),
            "off_policy_sequence_mask_delta": given.optional("off_policy_sequence_mask_delta") is not None,
            "importance_sampling_level sequence_token": level == "sequence_token",
            "advantage_estimator but grpo": given.word("advantage_estimator", default="grpo") != "grpo",
        }
        return next((f"the Liger loss has no {what}" for what, asked in lacking.items() if asked), None)
    if not on_megatron(given) and (_on(given, "padding_free") or _on(given, "packing")):
        written = str(given.raw("attn_impl", "attn_implementation"))
        if not written.startswith("flash_att"):
            return "padding_free and packing need a flash attention, as attn_impl flash_attention_2"
    return None


def remarks_of(given: Settings, found: Geometry, moves: Moves | None) -> list[Remark]:
    remarks = trl.remarks_of(given, found, moves)

    def say(code: str, message: str, *, warn: bool = False) -> None:
        remarks.append(Remark(code=code, level="warning" if warn else "note", message=message))

    if on_megatron(given):
        if given.given("steps_per_generation"):
            say("optimizer-steps", "steps_per_generation counts optimizer steps here, and micro-steps in `swift rlhf`")
        return remarks
    if found.steps_per_rollout is not None and found.steps_per_rollout > 1:
        message = (
            "before 4.2.0 (May 2026) micro-steps counted twice beside some versions of TRL: half the steps a rollout"
        )
        say("half-the-steps", message, warn=given.older_than("4.2.0", "2026-05-07"))
    if moves is Moves.NOISE:
        say("second-pass", "before 3.11 (November 2025) no second pass was taken here: the ratio was exactly 1")
    if given.flag("async_generate", default=False):
        message = (
            "async_generate: answers are of the weights one step before, which the ratio's denominator does not see"
        )
        say("stale-rollouts", message, warn=True)
    return remarks


def read(given: Settings) -> Training:
    kind = given.word("rlhf_type", default="grpo")
    if kind != "grpo":
        raise InputError("rlhf_type", "grpo, for there to be a clip that is read here", kind)
    inherited = {key.removeprefix("ENV."): str(e.value) for key, e in given.entries.items() if key.startswith("ENV.")}
    given.environment = {**given.environment, **inherited}
    found, refused = geometry(given)
    loss, ignored = loss_of(given)
    refused = refused or refusals(given, given.word("importance_sampling_level", default="token"))
    denominator = denominator_of(given)
    steps = found.steps_per_rollout
    aligned = steps is None or steps > 1 or (1 / steps).denominator == 1
    moves = Moves.NONE if refused else moved_by(denominator, steps, aligned=aligned)
    beta = given.number("beta", default=0.04)
    return Training(
        geometry=found
        if refused is None
        else Geometry(
            steps_per_rollout=None, arithmetic=found.arithmetic, epochs=found.epochs, group_size=found.group_size
        ),
        denominator=denominator,
        moves=moves,
        loss=loss,
        normalisation=normalisation_of(given, loss),
        keys=_keys(given, loss),
        gates=gates_of(given, loss),
        ignored=tuple(ignored),
        remarks=tuple(remarks_of(given, found, moves)),
        refused=refused,
        confounders=(("beta", beta),) if beta else (),
    )


RULES = Rules(
    steps="swift rlhf: as TRL, in micro-steps, gradient_accumulation_steps 1 by default; megatron rlhf:"
    " steps_per_generation itself, in optimizer steps of global_batch_size answers, 1 by default",
    denominator="a second pass, always; before 3.11, on the HF path: own detached value, 1 exactly with one step",
    bounds="increments, 0.2 and the same above; cispo: absolute",
    dual="delta, absolute; off",
    normalisation="n − 1, + 1e-4, by group; rloo: leave one out, no division",
)
REWARD = '''import os
import random

from swift.rewards import ORM, orms

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


class RandomReward(ORM):
    """A coin for every answer, whatever it says: --external_plugins THIS_FILE --reward_funcs random."""

    def __call__(self, completions, **kwargs):
        return [float(_coin.random() < {success_prob}) for _ in completions]


orms["random"] = RandomReward
'''
FRAMEWORK = Framework(
    name="ms-swift",
    title="ms-swift",
    version="4.6.0",
    date="2026-11",
    rules=RULES,
    read=read,
    reward=REWARD,
    calls=("RLHFArguments", "MegatronRLHFArguments"),
    commands=(r"\b(swift|megatron)\s+rlhf\b", r"\bcli[/.](_megatron[/.])?rlhf\b"),
    marks=("rollout_importance_sampling", "off_policy_sequence_mask", "advantage_estimator", "dynamic_sample"),
    tells=("rlhf_type", "external_plugins", "overlong_filter", "soft_cache_length"),
)
