"""Unsloth: TRL's GRPOConfig and trainer, rewritten when it is imported, with defaults and a mode of its own."""

from dataclasses import replace

from clipbias.check.document import Entry
from clipbias.check.framework import Framework, Rules
from clipbias.check.settings import Settings
from clipbias.check.setup import Denominator, Gate, Loss, Remark, Training, moved_by

from . import trl

AS_OLD = "UNSLOTH_GRPO_ROLLOUT_LOGPROBS_AS_OLD"
EXCLUDE = "UNSLOTH_GRPO_ZERO_VARIANCE_EXCLUDE"
DUAL = 3.0  # silently, where rollout log-probabilities are the denominator and no delta is given
KNOWN_CASES = ("dr_grpo", "dapo", "cispo")  # written in capitals too
TOKEN_NORMALISED = ("bnpo", "dapo", "cispo", "vespo")
SINCE = ("2026.10.9", "2026-10-09")  # without a second pass for vLLM; the release of August still took one


def as_trl(given: Settings) -> tuple[Settings, list[Remark]]:
    """What Unsloth's GRPOConfig hands to TRL's, and what it changes on the way."""
    remarks: list[Remark] = []

    def changed(message: str) -> None:
        remarks.append(Remark(code="changed-by-unsloth", level="note", message=message))

    written = given.raw("loss_type")
    name = "dapo" if written is None else str(written)
    name = name.lower() if name.lower() in KNOWN_CASES else name
    defaults = {
        "per_device_train_batch_size": 4,
        "gradient_accumulation_steps": 2,
        "num_generations": 8,
        "learning_rate": 5e-5,
        "vllm_importance_sampling_correction": False,
        "beta": 0.0 if name in ("dapo", "dr_grpo") else 0.001,
    }
    high = {"cispo": 5.0, "dapo": None if written is None else 0.28}.get(name)
    if high is not None and given.raw("epsilon_high") is None:
        defaults["epsilon_high"] = high
        changed(f"loss_type {name} without epsilon_high: Unsloth sets it to {high:g}")
    if name == "dapo" and written is not None and given.raw("mask_truncated_completions") is None:
        defaults["mask_truncated_completions"] = True
        changed("loss_type dapo: Unsloth masks truncated answers")
    inner = given.read_as({}, defaults)
    if written is not None:
        inner.entries["loss_type"] = Entry(name)
    scale = given.raw("scale_rewards")
    if name == "dr_grpo" and (scale in (True, "group", "True") or not given.given("scale_rewards")):
        inner.entries["scale_rewards"] = Entry(False)
        changed("loss_type dr_grpo: Unsloth does not divide by the standard deviation (scale_rewards=None keeps it)")
    if not given.given("steps_per_generation") and not given.given("generation_batch_size"):
        group = inner.whole("num_generations", default=8)
        batch = inner.whole("per_device_train_batch_size", default=4, least=1)
        accumulation = inner.whole("gradient_accumulation_steps", default=2, least=1)
        if group and batch * accumulation * inner.device_count() % group:
            inner.entries["per_device_train_batch_size"] = Entry(group)
            changed(f"{batch} answers on a device are no whole group: Unsloth makes them {group}")
    return inner, remarks


def rollout_as_old(given: Settings, loss: Loss) -> bool:
    """Whether the engine's log-probabilities are the denominator."""
    asked_for = given.environment.get(AS_OLD) == "1"
    return asked_for and loss.name != "vespo" and given.flag("use_vllm", default=False)


def denominator_of(given: Settings, loss: Loss) -> Denominator:
    if rollout_as_old(given, loss):
        return Denominator(source="engine", where=f"vLLM's log-probabilities, by {AS_OLD}")
    if given.flag("use_vllm", default=False) and given.older_than(*SINCE):
        return Denominator(source="second pass", where="a second pass of the trainer, taken whenever vLLM generates")
    return trl.denominator_of(given)


def read(given: Settings) -> Training:
    """TRL's reader on what Unsloth makes of the configuration."""
    inner, remarks = as_trl(given)
    found = trl.read(inner)
    loss, gates = found.loss, found.gates
    if rollout_as_old(inner, loss):
        gates = tuple(gate for gate in gates if gate.name != "vLLM correction")
        if loss.kind == "clip" and loss.dual is None:
            loss = replace(loss, dual=DUAL, keys=(*loss.keys, f"delta {DUAL:g}, set by {AS_OLD}"))
            message = f"{AS_OLD} sets delta to {DUAL:g} where none is given"
            remarks.append(Remark(code="silent-delta", level="warning", message=message, fix="delta: VALUE"))
    elif given.environment.get(AS_OLD) == "1":
        message = f"{AS_OLD} does nothing here: it needs use_vllm, and another loss than vespo"
        remarks.append(Remark(code="mode-not-applied", level="warning", message=message))
    if given.environment.get(EXCLUDE) == "1" and loss.name in TOKEN_NORMALISED:
        gates += (Gate(name="zero variance", key=EXCLUDE, what="groups without an advantage leave the token count"),)
    denominator = denominator_of(inner, loss)
    if inner.flag("use_vllm", default=False) and denominator.source == "own" and not inner.older_than(*SINCE):
        message = (
            "until August 2026 at least, Unsloth took a second pass here whenever vLLM generated: noise instead of 1"
        )
        remarks.append(Remark(code="second-pass", level="note", message=message))
    steps = found.geometry.steps_per_rollout
    aligned = steps is None or steps > 1 or (1 / steps).denominator == 1
    moves = found.moves if found.refused else moved_by(denominator, steps, aligned=aligned)
    given.devices_asked = inner.devices_asked
    return replace(
        found,
        loss=loss,
        denominator=denominator,
        moves=moves,
        gates=gates,
        remarks=(*found.remarks, *remarks),
        keys=trl.controls(loss, *found.keys.more_updates),
    )


RULES = Rules(
    steps="as TRL, with 4 answers a device and gradient_accumulation_steps 2 by default",
    denominator="own detached value, with vLLM too, whose correction is off by default; vLLM's log-probabilities with"
    f" {AS_OLD}",
    bounds="as TRL; an explicit dapo has 0.28 above, cispo 5 (absolute)",
    dual=f"delta, absolute; off, but 3 with {AS_OLD}",
    normalisation="as TRL; none with dr_grpo",
)
FRAMEWORK = Framework(
    name="unsloth",
    title="Unsloth",
    version="2026.10.9",
    date="2026-10",
    rules=RULES,
    read=read,
    reward=trl.REWARD,
    calls=("GRPOConfig",),
    modules=("unsloth",),
)
