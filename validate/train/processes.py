"""One phase trained by W processes at once, each with a W-th of its rollouts, as one process would train it.

TRL gives each process a contiguous part of a phase's rollouts and shuffles each part by itself, so that a mini-batch
holds a W-th of every part. Here all parts are put together, shuffled as one process shuffles them, and dealt out
again: mini-batch m is the same answers however many processes there are. That is to the number where a process draws
its rollouts in the same batches as one alone: where they are a multiple of the subject's batch.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator, PartialState
from accelerate.utils import broadcast, gather_object, pad_across_processes

from .record import Block, Record

LEFT = ("prompt_ids", "prompt_mask")  # padded on the left


def dealt(outputs: Mapping[str, Any], accelerator: Accelerator, steps: int) -> dict[str, Any]:
    """outputs: of TRL's rollout, of this process. steps: micro-batches of a phase, of b answers; number s of process w
    has places (s·W + w)·b … of the shuffled phase."""
    count, rank = accelerator.num_processes, accelerator.process_index
    mine = len(outputs["advantages"])
    order = torch.randperm(count * mine)  # one process alone draws it after its last batch, as the last of many does
    order = broadcast(order.to(accelerator.device), from_process=count - 1).cpu()
    places = order.reshape(steps, count, -1)[:, rank].reshape(-1)
    state = torch.get_rng_state()
    back = torch.randperm(mine).argsort()  # TRL's own shuffle of the part comes next, and is undone beforehand
    torch.set_rng_state(state)

    def part(name: str, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or value.dim() == 0:
            return value
        wide = pad_across_processes(value, dim=1, pad_first=name in LEFT) if value.dim() > 1 else value
        return accelerator.gather(wide)[places[back].to(value.device)]

    return {name: part(name, value) for name, value in outputs.items()}


def pooled(record: Record, minibatches: int) -> Record:
    """What all processes recorded of a phase, in each of them, as one would have recorded it: a block a mini-batch, its
    rows in order. Sums are added up where they are taken."""
    if PartialState().num_processes == 1:
        return record
    tokens, samples, entropy = (gather_object(rows) for rows in (record.tokens, record.samples, record.entropy))
    blocks = [[block for block in tokens if block["minibatch"][0] == m] for m in range(minibatches)]
    return Record([_joined(of) for of in blocks], samples, entropy, record.sketch)


def _joined(blocks: Sequence[Block]) -> Block:
    whole = {name: np.concatenate([block[name] for block in blocks]) for name in blocks[0]}
    order = np.argsort(whole["row"], kind="stable")
    return {name: values[order] for name, values in whole.items()}
