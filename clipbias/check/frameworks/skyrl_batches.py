"""SkyRL's batches: how many steps they make, which its validate_batch_sizes refuses, and which would make more."""

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from clipbias.check.settings import Settings
from clipbias.check.setup import Geometry

DEVICES, NODES = "trainer.placement.policy_num_gpus_per_node", "trainer.placement.policy_num_nodes"
MEGATRON = tuple(
    f"trainer.policy.megatron_config.{name}_parallel_size" for name in ("tensor_model", "pipeline_model", "context")
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Batches:
    """prompts: of a rollout. group: responses to each. shards, micro: data-parallel processes and responses of a
    micro-batch, None both where the file does not give both."""

    prompts: int
    group: int
    shards: int | None
    micro: int | None

    def refusal(self, mini: int) -> str | None:
        """Why validate_batch_sizes stops at a mini-batch of so many prompts."""
        if self.prompts % mini:
            return f"train_batch_size {self.prompts} is no multiple of policy_mini_batch_size {mini}"
        if self.shards is None or self.micro is None:
            return None
        own = mini * self.group // self.shards
        arithmetic = f"policy_mini_batch_size {mini} × {self.group} responses // {self.shards} data-parallel = {own}"
        if own == 0 or own % self.micro:
            return f"{arithmetic} is no multiple of micro_train_batch_size_per_gpu {self.micro}"
        whole = self.prompts * self.group // self.shards
        if whole % own:
            return f"{arithmetic} does not divide train_batch_size's {whole}"
        return None

    def more_updates(self) -> tuple[tuple[str, Any], ...]:
        """Keys that make eight steps of a pass, else as few as are accepted beyond one; with smaller micro-batches
        where no other mini-batch is."""
        for tried in (self, replace(self, micro=self.micro and 1)):
            for mini in (max(1, self.prompts // 8), *range(self.prompts // 2, 0, -1)):
                if tried.refusal(mini) is not None:
                    continue
                size = (("trainer.policy_mini_batch_size", mini),)
                if tried is self or self.shards is None or self.micro is None:
                    return size
                micro = math.gcd(mini * self.group // self.shards, self.micro)
                return (*size, ("trainer.micro_train_batch_size_per_gpu", micro))
        return ()


def _shards(given: Settings) -> int | None:
    """Data-parallel processes, where the file gives the number of devices."""
    strategy = given.raw("trainer.strategy", default="fsdp")
    if not given.given(DEVICES) or not isinstance(strategy, str) or "$" in strategy:
        return None
    split = MEGATRON if strategy == "megatron" else ("trainer.policy.sequence_parallel_size",)
    known = [given.told(key) if given.given(key) else 1 for key in (DEVICES, NODES, *split)]
    devices, nodes, *parallel = (int(number or 0) for number in known)
    return (devices * nodes // math.prod(parallel) or None) if all(parallel) else None


def batches(given: Settings) -> Batches:
    micro = "trainer.micro_train_batch_size_per_gpu"
    shards = _shards(given)
    size = given.told(micro)
    return Batches(
        prompts=given.whole("trainer.train_batch_size", default=1024, least=1),
        group=given.whole("generator.n_samples_per_prompt", default=5, least=1),
        shards=shards if size else None,
        micro=int(size) if size and shards else None,
    )


def geometry(given: Settings, found: Batches) -> tuple[Geometry, str | None]:
    """Steps per rollout: train_batch_size/policy_mini_batch_size·update_epochs_per_batch, both sizes in prompts."""
    mini = given.whole("trainer.policy_mini_batch_size", default=256, least=1)
    epochs = given.whole("trainer.update_epochs_per_batch", default=1, least=1)
    refused = found.refusal(mini)
    steps = Fraction(found.prompts, mini) * epochs
    return Geometry(
        steps_per_rollout=None if refused else steps,
        arithmetic=f"train_batch_size {found.prompts} prompts / policy_mini_batch_size {mini} prompts"
        f" × update_epochs_per_batch {epochs} = {float(steps):g} optimizer steps a rollout",
        epochs=epochs,
        group_size=found.group,
        prompts_per_rollout=found.prompts,
    ), refused
