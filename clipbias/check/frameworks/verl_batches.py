"""verl's batches: how many steps they make, and which of them validate_config, the trainers and workers refuse."""

import math
from fractions import Fraction

from clipbias.check.settings import Settings
from clipbias.check.setup import Geometry

from .verl_loss import ACTOR

ROLLOUT = "actor_rollout_ref.rollout."
MINI = f"{ACTOR}ppo_mini_batch_size"
MICRO, EACH = f"{ACTOR}ppo_micro_batch_size", f"{ACTOR}ppo_micro_batch_size_per_gpu"
DYNAMIC = f"{ACTOR}use_dynamic_bsz"
ULYSSES = f"{ACTOR}ulysses_sequence_parallel_size"
PADDING = "actor_rollout_ref.model.use_remove_padding"
MEGATRON = tuple(f"{ACTOR}megatron.{name}_parallel_size" for name in ("tensor_model", "pipeline_model", "context"))
V1 = "trainer.use_v1"


def schedule_of(given: Settings) -> str:
    """sync; fully_async and one_step_off of verl.experimental; separate_async of the v1 trainer."""
    if "fully_async" in given.program or any(key.startswith("async_training.") for key in given.entries):
        return "fully_async"
    if "one_step_off" in given.program:
        return "one_step_off"
    return "separate_async" if given.raw("trainer.v1.trainer_mode") == "separate_async" else "sync"


def geometry(given: Settings, schedule: str) -> tuple[Geometry, str | None]:
    """Steps per rollout, and why verl would refuse them. Batch and mini-batch are both prompts: rollout.n cancels.

    ⌈train_batch_size/ppo_mini_batch_size⌉·ppo_epochs: the v1 trainer fills the batch up to whole mini-batches, older
    ones left the last smaller. With a critic of other mini-batches, up to whole ones of both. Fully asynchronous:
    require_batches·trigger_parameter_sync_step mini-batches share a denominator.
    """
    mini = given.whole(MINI, default=256, least=1)
    epochs = given.whole(f"{ACTOR}ppo_epochs", default=1, least=1)
    group = given.whole(f"{ROLLOUT}n", default=1, least=1)
    if schedule == "fully_async":
        return _async_geometry(given, mini, epochs, group), None
    prompts = given.whole("data.train_batch_size", default=1024, least=0)
    refused = _refusal(given, schedule, prompts, mini, group)
    whole = math.lcm(mini, _critics(given, mini) if schedule in ("sync", "separate_async") else mini)
    parts = max(1, prompts // mini) if schedule == "separate_async" else 1  # each filled up by itself
    steps = Fraction(math.ceil(prompts / parts / whole) * parts * (whole // mini) * epochs)
    padded = "" if prompts % mini == 0 else ", rounded up"
    if whole > mini:
        padded = f", filled up to a multiple of {whole} for the critic's mini-batches"
    arithmetic = (
        f"data.train_batch_size {prompts} prompts / ppo_mini_batch_size {mini} prompts{padded} × ppo_epochs {epochs}"
        f" = {steps} optimizer steps a rollout ({group} answers to each prompt, in both)"
    )
    return Geometry(
        steps_per_rollout=None if refused else steps,
        arithmetic=arithmetic,
        epochs=epochs,
        group_size=group,
        prompts_per_rollout=prompts,
    ), refused


def _has_critic(given: Settings) -> bool:
    if given.given("critic.enable") and given.raw("critic.enable") is not None:
        return given.flag("critic.enable", default=True)
    return given.word("algorithm.adv_estimator", default="gae") == "gae"


def _critics(given: Settings, mini: int) -> int:
    """The critic's mini-batch where the v1 trainer heeds it: the actor's unless written."""
    if _version_0(given) or not given.given("critic.ppo_mini_batch_size") or not _has_critic(given):
        return mini
    return given.whole("critic.ppo_mini_batch_size", default=mini, least=1)


def _version_0(given: Settings) -> bool:
    return "main_ppo_v0" in given.program or (given.given(V1) and not given.flag(V1, default=True))


def _async_geometry(given: Settings, mini: int, epochs: int, group: int) -> Geometry:
    """Between two synchronisations; which answers fall between them is not the file's to say where it gives neither."""
    required, trigger = "async_training.require_batches", "async_training.trigger_parameter_sync_step"
    told = given.given(required, trigger)
    given.given("data.train_batch_size", "data.gen_batch_size")  # 0 and 1 here, by the design of the trainer
    batches = given.whole(required, default=1, least=1)
    syncs = given.whole(trigger, default=4, least=1)
    steps = batches * syncs * epochs
    return Geometry(
        steps_per_rollout=Fraction(steps) if told else None,
        arithmetic=f"require_batches {batches} mini-batches of {mini} prompts × trigger_parameter_sync_step {syncs} ×"
        f" ppo_epochs {epochs} = {steps} optimizer steps between two synchronisations",
        epochs=epochs,
        group_size=group,
        prompts_per_rollout=batches * syncs * mini,
    )


def _refusal(given: Settings, schedule: str, prompts: int, mini: int, group: int) -> str | None:
    """What validate_config, the trainers and the workers assert."""
    if schedule == "separate_async":
        syncs = given.whole("trainer.v1.separate_async.parameter_sync_step", default=4, least=1)
        if prompts != syncs * mini:
            return f"train_batch_size {prompts} is not parameter_sync_step {syncs} × ppo_mini_batch_size {mini}"
    if prompts < 1:
        return "train_batch_size 0 leaves nothing to train on outside fully asynchronous training"
    if _version_0(given) and prompts % mini:
        return f"train_batch_size {prompts} is no multiple of ppo_mini_batch_size {mini}, which only use_v1 fills up"
    if not _dynamic(given) and prompts < mini:
        return f"train_batch_size {prompts} is below ppo_mini_batch_size {mini}, without use_dynamic_bsz"
    return _micro_refusal(given, mini) or _devices_refusal(given, prompts * group, mini * group)


def _dynamic(given: Settings) -> bool:
    return given.given(DYNAMIC) and given.flag(DYNAMIC, default=False)


def _micro_refusal(given: Settings, mini: int) -> str | None:
    """ActorConfig's own checks, all of them without use_dynamic_bsz."""
    if _dynamic(given):
        return None
    micro, each = given.maybe_whole(MICRO), given.maybe_whole(EACH)
    if micro and each:
        return "ppo_micro_batch_size and ppo_micro_batch_size_per_gpu are both set"
    if micro and mini % micro:
        return f"ppo_mini_batch_size {mini} is no multiple of ppo_micro_batch_size {micro}"
    return None


def _devices_refusal(given: Settings, answers: int, mini: int) -> str | None:
    """Devices that a model or an answer is split over, and answers that are split over the rest."""
    nodes, each = given.raw("trainer.nnodes", default=1), given.raw("trainer.n_gpus_per_node", default=8)
    if not isinstance(nodes, int) or not isinstance(each, int):
        return None
    devices = max(1, nodes * each)
    if is_fsdp(given):
        split, kept = _split(given, ULYSSES), 1
        if split > 1 and given.given(PADDING) and not given.flag(PADDING, default=True):
            return f"ulysses_sequence_parallel_size {split} needs model.use_remove_padding"
        micro = None if _dynamic(given) else given.maybe_whole(MICRO)
        if micro and micro * split < devices:
            return f"ppo_micro_batch_size {micro} × ulysses_sequence_parallel_size {split} is below {devices} devices"
        least = devices
    elif _is_megatron(given):
        split, kept = math.prod(_split(given, key) for key in MEGATRON), given.maybe_whole(EACH) or 1
        least = devices // split * kept
    else:
        return None
    if devices % split:
        return f"{devices} devices are no multiple of the {split} that share a model"
    if not _dynamic(given) and answers % least:
        of = f"{devices} devices" if kept == 1 else f"{devices // split} copies × micro-batch {kept}"
        return f"a rollout of {answers} answers (train_batch_size × rollout.n) is no multiple of {of}"
    before = given.older_than("0.8.0", "2026-04-20")  # until then a mini-batch was rounded down to whole devices
    if mini % (devices // split) and not before:
        return (
            f"a mini-batch of {mini} answers (ppo_mini_batch_size × rollout.n) cannot be split over"
            f" {devices // split} data-parallel devices"
        )
    return None


def _split(given: Settings, key: str) -> int:
    return given.whole(key, default=1, least=1) if given.given(key) else 1


def unsaid(given: Settings) -> list[str]:
    """Sizes of a pass that have no default, and that a launch command must give."""
    if not given.program or _dynamic(given):
        return []
    passes = [(EACH, EACH if _is_megatron(given) else MICRO)]
    rooms = [ROLLOUT]
    for switch in (f"{ACTOR}use_kl_loss", "algorithm.use_kl_in_reward"):
        if given.given(switch) and given.flag(switch, default=False) and len(rooms) == 1:
            rooms.append("actor_rollout_ref.ref.")
    passes += [(f"{room}log_prob_micro_batch_size_per_gpu", f"{room}log_prob_micro_batch_size") for room in rooms]
    dynamic = "critic.use_dynamic_bsz"
    if _has_critic(given) and not (given.given(dynamic) and given.flag(dynamic, default=False)):
        passes.append(("critic.ppo_micro_batch_size_per_gpu", "critic.ppo_micro_batch_size"))
    return [key for key, other in passes if not given.given(key, other)]


def is_fsdp(given: Settings) -> bool:
    """By the actor's key, the choice of Hydra's group model_engine, or the name of the configuration."""
    return _engine(given) == "fsdp"


def _is_megatron(given: Settings) -> bool:
    return _engine(given) == "megatron"


def _engine(given: Settings) -> str:
    if given.given(f"{ACTOR}strategy"):
        return given.word(f"{ACTOR}strategy", default="fsdp").removesuffix("2")
    if "megatron_trainer" in given.program:
        return "megatron"
    name = given.word("model_engine", default="dp")
    return "fsdp" if name == "dp" else name
