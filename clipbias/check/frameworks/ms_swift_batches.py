"""ms-swift's batches: how many steps they make on either path, and which of them it refuses."""

import re
from fractions import Fraction

from clipbias.check.settings import Settings
from clipbias.check.setup import Geometry

MEGATRON = ("micro_batch_size", "global_batch_size", "tensor_model_parallel_size", "pipeline_model_parallel_size")


def on_megatron(given: Settings) -> bool:
    """By the command; for a file of keys alone, by keys that only Megatron has."""
    if re.search(r"\bmegatron\s+rlhf\b|_megatron[/.]rlhf|MegatronRLHF", given.program):
        return True
    return not given.program and not given.entries.keys().isdisjoint(MEGATRON)


def _rollout(given: Settings, batch: int, unit: str, default: int) -> tuple[int, str, str | None]:
    """(steps_per_generation, how it came out, why it is refused): itself, or generation_batch_size over one step's."""
    per_rollout = given.maybe_whole("steps_per_generation", least=1)
    generation = given.maybe_whole("generation_batch_size", least=1)
    if generation is None:
        if per_rollout is None:
            return default, f"steps_per_generation not set: {default}", None
        return per_rollout, f"steps_per_generation {per_rollout}", None
    found = max(1, generation // batch)
    written = f"generation_batch_size {generation} / {batch} answers a {unit} = {found}"
    if generation % batch:
        return found, written, f"generation_batch_size {generation} is no multiple of {batch} answers a {unit}"
    if per_rollout not in (None, found):
        return found, written, f"generation_batch_size {generation} is not {batch} × steps_per_generation {per_rollout}"
    return found, written, None


def geometry(given: Settings) -> tuple[Geometry, str | None]:
    """Steps per rollout, and why swift would refuse them.

    HF: steps_per_generation·sequence_parallel_size·num_iterations/gradient_accumulation_steps, the first in micro-steps
    of per_device_train_batch_size answers on every device. Megatron: steps_per_generation, on global_batch_size each.
    """
    group = given.whole("num_generations", default=8)
    devices = given.device_count()
    if on_megatron(given):
        batch = given.whole("global_batch_size", default=16, least=1)
        per_rollout, written, refused = _rollout(given, batch, "step", 1)
        steps, epochs = Fraction(per_rollout), 1
        arithmetic = f"{written}, each an optimizer step on {batch} answers = {per_rollout} optimizer steps a rollout"
        refused = refused or _megatron_refuses(given, batch * per_rollout, group, devices)
    else:
        batch = given.whole("per_device_train_batch_size", default=1, least=1) * devices
        accumulation = given.whole("gradient_accumulation_steps", default=1, least=1)
        epochs = given.whole("num_iterations", default=1, least=1)
        parallel = given.maybe_whole("sequence_parallel_size", least=1) or 1
        per_rollout, written, refused = _rollout(given, batch, "micro-step", accumulation)
        steps = Fraction(per_rollout * parallel * epochs, accumulation)
        over = f" × sequence_parallel_size {parallel}" if parallel > 1 else ""
        arithmetic = (
            f"{written} micro-steps a rollout{over} × num_iterations {epochs} / gradient_accumulation_steps"
            f" {accumulation} = {float(steps):g} optimizer steps a rollout"
        )
    answers = batch * per_rollout
    if group < 2:
        refused = f"num_generations {group}: a group needs at least 2"
    elif refused is None and answers % group:
        refused = f"a rollout of {answers} answers is no multiple of num_generations {group}"
    return Geometry(
        steps_per_rollout=None if refused else steps,
        arithmetic=arithmetic,
        epochs=epochs,
        group_size=group,
        prompts_per_rollout=None if group < 1 or answers % group else answers // group,
    ), refused


def _megatron_refuses(given: Settings, answers: int, group: int, devices: int) -> str | None:
    for key in ("async_generate", "sync_ref_model"):
        if given.given(key) and given.flag(key, default=False):
            return f"{key} is not there on the Megatron path"
    if given.given("num_iterations") and given.whole("num_iterations", default=1) > 1:
        return "num_iterations above 1 is not there on the Megatron path"
    if given.given("use_vllm") and not given.flag("use_vllm", default=True):
        return "the Megatron path generates by vLLM alone"
    sizes = ("tensor_model_parallel_size", "pipeline_model_parallel_size", "context_parallel_size")
    model = 1
    for key in sizes:
        model *= given.whole(key, default=1, least=1) if given.given(key) else 1
    copies, micro = max(1, devices // model), given.whole("micro_batch_size", default=1, least=1)
    if given.word("loss_type", default="grpo") == "real" and group and micro % group:
        return f"loss_type real needs whole groups: micro_batch_size {micro} is no multiple of num_generations {group}"
    prompts = answers // group if group else 0
    if prompts % copies or prompts // copies % micro:
        return (
            f"{prompts} prompts a rollout cannot be split over {copies} data-parallel ranks in micro-batches of {micro}"
        )
    return None
