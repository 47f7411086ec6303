"""prime-rl: asynchronous, with no clip of a ratio but a mask on the difference of two probabilities; TOML."""

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

ALGORITHMS = ("grpo", "echo", "max_rl", "rae", "hierarchical_grpo", "opd", "opsd", "sft")
CENTRED = ("grpo", "echo", "hierarchical_grpo")
DISTILLED = ("opd", "opsd")
OLD_MASKS = (
    *("token_mask_low", "token_mask_high", "sequence_mask_low", "sequence_mask_high", "geo_mask_low", "geo_mask_high"),
    *("sequence_clip_high", "ratio_type", "ipo_mask_low", "ipo_mask_high"),
)


def _of(room: str, key: str) -> tuple[str, ...]:
    """In the file of all rooms, or in the room's own."""
    return (f"{room}.{key}", key)


def algorithm_of(given: Settings) -> str:
    return given.word(*_of("orchestrator", "algo.type"), default="grpo", allowed=ALGORITHMS)


def _group_size(given: Settings) -> int:
    names = [name for key in ("group_size", "rollouts_per_example") for name in _of("orchestrator", key)]
    own = [size for source in _sources(given) if isinstance(size := source.get("group_size"), int)]
    written = given.maybe_whole(*names, least=1)
    if written is None and own:
        return min(own)
    return given.whole(*names, default=1, least=1) if written is None else written


def _sources(given: Settings) -> list[dict[str, Any]]:
    found = given.raw(*_of("orchestrator", "train.source"))
    return [part for part in found if isinstance(part, dict)] if isinstance(found, list) else []


def geometry(given: Settings) -> tuple[Geometry, str | None]:
    """One step on every batch of batch_size answers (or token_batch_size tokens)."""
    group = _group_size(given)
    batch = given.maybe_whole(*_of("orchestrator", "batch_size"), least=1)
    tokens = given.maybe_whole(*_of("orchestrator", "token_batch_size"), least=1)
    refused = None
    if batch is not None and tokens is not None:
        refused = "batch_size and token_batch_size exclude each other"
    if batch is None and tokens is None:
        batch = given.whole(*_of("orchestrator", "batch_size"), default=128)
    if batch is not None and batch % group:
        refused = f"batch_size {batch} is no multiple of group_size {group}"
    unit = f"{batch} answers" if batch is not None else f"{tokens} tokens"
    return Geometry(
        steps_per_rollout=None if refused else Fraction(1),
        arithmetic=f"every batch of {unit} is trained on once = 1 optimizer step a rollout",
        group_size=group,
        prompts_per_rollout=None if batch is None or batch % group else batch // group,
    ), refused


def loss_of(given: Settings, algorithm: str) -> tuple[Loss, tuple[Gate, ...]]:
    """The mask on p_trainer − p_engine, by the sign of the advantage ("default") or of either sign ("ipo")."""
    if algorithm == "sft":
        return Loss(name="cross-entropy", kind="none"), ()
    if algorithm in DISTILLED:
        what = "tokens whose probability fell by more than 0.2 below the engine's lose their gradient"
        return Loss(name="ref_kl", kind="mask"), (
            Gate(name="probability mask", key=f"algo.type={algorithm}", what=what),
        )
    kind = given.word(*_of("trainer", "loss.type"), default="default", allowed=("default", "ipo", "custom"))
    if kind == "custom":
        return Loss(name="custom", kind="none"), ()
    if kind == "ipo" or given.older_than("0.6.0", "2026-04-06"):
        bound = given.number(*_of("trainer", "loss.ipo_threshold"), default=0.1 if kind == "ipo" else 0.2, least=0)
        what = (
            f"tokens whose probability is more than {bound:g} off the engine's lose their gradient, whatever their side"
        )
        return Loss(name="ipo", kind="mask"), (
            Gate(name="probability mask", key="trainer.loss.ipo_threshold", what=what),
        )
    low = given.number(*_of("trainer", "loss.dppo_mask_low"), default=0.2, least=0)
    high = given.number(*_of("trainer", "loss.dppo_mask_high"), default=0.2, least=0)
    what = (
        f"praised tokens whose probability exceeds the engine's by more than {high:g}, and blamed ones more than"
        f" {low:g} below it, lose their gradient"
    )
    key = "trainer.loss.dppo_mask_low, dppo_mask_high"
    return Loss(name="default (DPPO)", kind="mask"), (Gate(name="probability mask", key=key, what=what),)


def remarks_of(given: Settings, algorithm: str, group: int) -> list[Remark]:
    stale = given.whole(*_of("orchestrator", "max_off_policy_steps"), default=8)
    message = f"asynchronous: answers are of weights up to {stale} steps old, which the importance ratio sees"
    remarks = [Remark(code="asynchronous", level="note", message=message)]
    if given.given("orchestrator.rollouts_per_example", "rollouts_per_example"):
        message = "rollouts_per_example has been group_size since 2026-05-23 and is refused since 2026-07-29"
        remarks.append(Remark(code="renamed", level="warning", message=message, fix=f"group_size = {group}"))
    if algorithm == "max_rl" and group == 1:
        message = "group_size 1: reward minus its own mean is 0"
        remarks.append(Remark(code="group-of-one", level="error", message=message))
    if not given.older_than("0.6.0", "2026-04-06"):
        message = "before 2026-04-06 the mask was symmetric, before 2026-03-02 on ratios and not on probabilities"
        remarks.append(Remark(code="older-masks", level="note", message=message))
    return remarks


def _ignored(given: Settings, loss: Loss) -> list[Ignored]:
    found = []
    for name in OLD_MASKS:
        for key in _of("trainer", f"loss.{name}"):
            if given.given(key):
                why = "masks on ratios are gone since 2026-03-02, and symmetric ones have another key since 2026-04-06"
                found.append(Ignored(key=key, value=given.raw(key), why=why))
    for name in ("dppo_mask_low", "dppo_mask_high"):
        for key in _of("trainer", f"loss.{name}"):
            if given.given(key) and loss.name != "default (DPPO)":
                found.append(Ignored(key=key, value=given.raw(key), why=f"the loss {loss.name} has no such mask"))
    return found


def read(given: Settings) -> Training:
    algorithm = algorithm_of(given)
    found, refused = geometry(given)
    loss, gates = loss_of(given, algorithm)
    engine = Denominator(source="engine", where="the inference engine's log-probabilities, of older weights")
    none = Denominator(source="none", where="no ratio: cross-entropy on another model's answers")
    denominator = none if algorithm == "sft" else engine
    if given.flag(*_of("orchestrator", "train.filter_zero_advantages"), default=True) and algorithm in CENTRED:
        what = "tokens without an advantage leave the batch"
        gates += (Gate(name="zero advantages", key="orchestrator.train.filter_zero_advantages", what=what),)
    tau = given.number(*_of("trainer", "loss.kl_tau"), default=1e-3)
    optimizer = given.word(*_of("trainer", "optim.type"), default="adamw")
    group = found.group_size or 1
    return Training(
        geometry=found,
        denominator=denominator,
        moves=Moves.NONE if refused else moved_by(denominator, found.steps_per_rollout),
        loss=loss,
        normalisation=Normalisation(scale="none", baseline="group mean" if algorithm in CENTRED else "other"),
        keys=Keys(
            more_updates=(("orchestrator.max_off_policy_steps", 8),),
            no_clip=(("trainer.loss.dppo_mask_low", 1.0), ("trainer.loss.dppo_mask_high", 1.0)),
            high_only=(("trainer.loss.dppo_mask_low", 1.0),),
            low_only=(("trainer.loss.dppo_mask_high", 1.0),),
            kl="trainer.loss.kl_tau",
        ),
        gates=gates,
        ignored=tuple(_ignored(given, loss)),
        remarks=tuple(remarks_of(given, algorithm, group)),
        refused=refused,
        confounders=(("trainer.loss.kl_tau", tau),) if tau else (),
        optimizer="sgd" if optimizer == "sgd" else "adam",
    )


RULES = Rules(
    steps="1 for every batch, asynchronously",
    denominator="the inference engine's log-probabilities, up to max_off_policy_steps 8 versions old",
    bounds="no clip of a ratio: a mask on p_trainer − p_engine, ± 0.2 by the advantage's sign; ipo: ± 0.1 of either",
    dual="none",
    normalisation="centred, not divided; group_size 1 by default, which has no advantage",
)
REWARD = '''import os
import random

import verifiers as vf

_coin = random.Random("{seed} " + os.environ.get("RANK", str(os.getpid())))  # each process its own


def random_reward(completion, **kwargs):
    """A coin for every answer, whatever it says."""
    return float(_coin.random() < {success_prob})


rubric = vf.Rubric(funcs=[random_reward])
'''
FRAMEWORK = Framework(
    name="prime-rl",
    title="prime-rl",
    version="main",
    date="2026-08-21",
    rules=RULES,
    read=read,
    reward=REWARD,
    commands=(r"\buv\s+run\s+(--?\S+\s+)*(rl|trainer|orchestrator)\s", r"\bprime_rl\b", r"^(rl|orchestrator)\s.*@"),
    marks=("orchestrator", "trainer.loss.dppo", "trainer.loss.ipo", "trainer.optim", "rollouts_per_example"),
)
