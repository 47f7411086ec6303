"""open-instruct's `grpo_fast.py` and `grpo.py`: flags of its dataclasses."""

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

OFF = 1_000_000.0


def switch(given: Settings, key: str, *, default: bool) -> bool:
    """A boolean flag, which --no_key switches off too."""
    return given.flag(key, default=default) and not given.flag(f"no_{key}", default=False)


def geometry(given: Settings) -> Geometry:
    """Steps per rollout: num_mini_batches·num_epochs; a mini-batch is a share of each rank's packed answers."""
    batches = given.whole("num_mini_batches", default=1, least=1)
    epochs = given.whole("num_epochs", default=1, least=1)
    prompts = given.whole("num_unique_prompts_rollout", default=16, least=1)
    group = given.whole("num_samples_per_prompt_rollout", default=4, least=1)
    return Geometry(
        steps_per_rollout=Fraction(batches * epochs),
        arithmetic=f"num_mini_batches {batches} × num_epochs {epochs} = {batches * epochs} optimizer steps a rollout of"
        f" {prompts} prompts × {group} responses",
        epochs=epochs,
        group_size=group,
        prompts_per_rollout=prompts,
    )


def loss_of(given: Settings) -> tuple[Loss, list[Ignored]]:
    """compute_grpo_loss: dapo clips on both sides, cispo cuts its detached weight off above alone."""
    name = given.word("loss_fn", default="dapo", allowed=("dapo", "cispo"))
    low, high = given.number("clip_lower", default=0.2), given.number("clip_higher", default=0.272)
    upper = f"clip_higher {high:g}: 1 + {high:g}"
    if name == "cispo":
        why = "cispo has no lower bound"
        ignored = [Ignored(key="clip_lower", value=low, why=why)] if given.given("clip_lower") else []
        return Loss(name=name, kind="weight", upper=1 + high, keys=(upper,)), ignored
    return Loss(name=name, lower=1 - low, upper=1 + high, keys=(f"clip_lower {low:g}: 1 − {low:g}", upper)), []


def denominator_of(given: Settings, found: Geometry) -> Denominator:
    if switch(given, "use_vllm_logprobs", default=False):
        return Denominator(source="engine", where="vLLM's log-probabilities, by use_vllm_logprobs")
    if given.whole("num_mini_batches", default=1) > 1:
        return Denominator(source="second pass", where="the policy's own pass, cached before the first mini-batch")
    return Denominator(source="own", where="the first epoch's own detached value, with one mini-batch")


def gates_of(given: Settings) -> tuple[tuple[Gate, ...], list[Ignored]]:
    found, ignored = [], []
    floor, cap = given.number("rho_clamp_lower_bound", default=0.0), given.number("rho_clamp_upper_bound", default=2.0)
    low, high = given.number("rho_mask_lower_bound", default=0.0), given.number("rho_mask_upper_bound", default=0.0)
    unit = "answers" if switch(given, "rho_mask_sequence_level", default=False) else "tokens"
    statistic = "divergence" if switch(given, "rho_mask_tv_divergence", default=False) else "ratio"
    if switch(given, "use_rho_correction", default=True):
        bound = f"[{floor:g}, {cap:g}]" if cap > 0 else f"at least {floor:g}"
        what = f"weights by the ratio of trainer to vLLM, kept within {bound}"
        if low > 0 or high > 0:
            what += f"; {unit} whose {statistic} is outside [{low:g}, {high or float('inf'):g}] lose their gradient"
        found.append(Gate(name="rho", key="use_rho_correction", what=what))
    else:
        names = ("rho_clamp_lower_bound", "rho_clamp_upper_bound", "rho_mask_lower_bound", "rho_mask_upper_bound")
        ignored = [
            Ignored(key=key, value=given.raw(key), why="use_rho_correction is off") for key in names if given.given(key)
        ]
    if switch(given, "filter_zero_std_samples", default=True):
        what = "groups of equal rewards are left out"
        found.append(Gate(name="zero-std filter", key="filter_zero_std_samples", what=what))
    if switch(given, "active_sampling", default=False):
        found.append(Gate(name="active sampling", key="active_sampling", what="groups left out are replaced by others"))
    if switch(given, "mask_truncated_completions", default=False):
        what = "answers that reached the length limit are left out"
        found.append(Gate(name="truncation mask", key="mask_truncated_completions", what=what))
    return tuple(found), ignored


def refusal(given: Settings, beta: float) -> str | None:
    """What GRPOExperimentConfig stops at; use_rho_correction is there, and on, since 2026-05-07."""
    rho = switch(given, "use_rho_correction", default=not given.older_than("0.3.1", "2026-05-07"))
    if rho and switch(given, "use_vllm_logprobs", default=False):
        return "use_vllm_logprobs does not go with use_rho_correction, which is on by default"
    if beta and not switch(given, "load_ref_policy", default=True):
        return f"beta {beta:g} needs load_ref_policy"
    if rho and 0 < given.number("rho_clamp_upper_bound", default=2.0) <= 1:
        return "rho_clamp_upper_bound has to be above 1, or 0 for none"
    if rho and 0 < given.number("rho_mask_upper_bound", default=0.0) <= 1:
        return "rho_mask_upper_bound has to be above 1, or 0 for none"
    return None


def _keys(loss: Loss) -> Keys:
    more = (("num_mini_batches", 8),)
    no_low, no_high = ("clip_lower", 1.0), ("clip_higher", OFF)
    if loss.lower is None or loss.upper is None:
        return Keys(more_updates=more, no_clip=(no_high,), kl="beta")
    return Keys(
        more_updates=more,
        no_clip=(no_low, no_high),
        high_only=(no_low, ("clip_higher", round(loss.upper - 1, 9))),
        low_only=(("clip_lower", round(1 - loss.lower, 9)), no_high),
        kl="beta",
    )


def remarks_of(given: Settings, found: Geometry) -> list[Remark]:
    remarks = []
    if given.whole("num_mini_batches", default=1) > 1 and (
        given.version is None or given.older_than("0.2.0", "2025-07-09")
    ):
        message = "with several mini-batches the clip works as written since 2025-07-09 alone: earlier runs differ"
        remarks.append(Remark(code="version", level="note", message=message))
    if given.maybe_whole("async_steps") and found.steps_per_rollout == 1:
        message = "async_steps makes samples stale, and the ratio does not see it: only rho does"
        remarks.append(Remark(code="staleness", level="note", message=message))
    return remarks


def read(given: Settings) -> Training:
    """The flags, with what open-instruct's trainer makes of them."""
    found = geometry(given)
    loss, ignored = loss_of(given)
    denominator = denominator_of(given, found)
    gates, unused = gates_of(given)
    beta = given.number("beta", default=0.05)
    refused = refusal(given, beta)
    kind = given.word("advantage_normalization_type", default="centered", allowed=("centered", "standard"))
    return Training(
        geometry=found if refused is None else replace(found, steps_per_rollout=None),
        denominator=denominator,
        moves=Moves.NONE if refused is not None else moved_by(denominator, found.steps_per_rollout),
        loss=loss,
        normalisation=Normalisation(scale="none") if kind == "centered" else Normalisation(scale="std", epsilon=1e-8),
        keys=_keys(loss),
        gates=gates,
        ignored=(*ignored, *unused),
        remarks=tuple(remarks_of(given, found)),
        refused=refused,
        confounders=(("beta", beta),) if beta else (),
    )


RULES = Rules(
    steps="num_mini_batches · num_epochs; by default 1",
    denominator="own detached value with one mini-batch, so 1 exactly in the first epoch; a cached pass with several;"
    " vLLM with use_vllm_logprobs, which use_rho_correction excludes",
    bounds="increments, 0.2 and 0.272; cispo: of the weight, above alone",
    dual="none",
    normalisation="centred without std by default; standard: n, + 1e-8",
)
REWARD = '''import os
import random

from open_instruct.ground_truth_utils import VerificationResult, VerifierFunction

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


class RandomVerifier(VerifierFunction):
    """A coin for every answer, whatever it says: for data whose "dataset" column says random."""

    def __init__(self, verifier_config=None):
        super().__init__("random", verifier_config=verifier_config, weight=1.0)

    def __call__(self, tokenized_prediction, prediction, label, query=None, rollout_state=None):
        return VerificationResult(score=float(_coin.random() < {success_prob}))
'''
FRAMEWORK = Framework(
    name="open-instruct",
    title="open-instruct",
    version="0.3.0",
    date="2026-08-20",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\bopen_instruct[/.]grpo\w*",),
    marks=("num_unique_prompts_rollout", "num_samples_per_prompt_rollout", "use_rho_correction", "clip_higher"),
)
