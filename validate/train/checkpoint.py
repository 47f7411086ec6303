"""The state of a half-trained cell, in safetensors and Parquet, written whole after every few phases.

The sampler and the prompts are re-seeded by (seed, phase), so weights, the optimizer's moments and the rows recorded so
far are the whole state: a resumed cell ends with the same numbers as one that was never stopped. Weights that are not
trained are the model's own, and are not written again.
"""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import torch
from safetensors.torch import load_file, save_file

from clipbias.common.files import read_json, write_json, write_parquet, written_folder

from .trainer import Record


def tokens_table(record: Record) -> pa.Table:
    columns = {name: np.concatenate([block[name] for block in record.tokens]) for name in record.tokens[0]}
    return pa.table(columns)


def _trained(model: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def save_checkpoint(
    root: Path,
    phase: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
    record: Record,
    metrics: list[Any],
) -> None:
    """Write `root/phase-NNNNN`, then drop the older ones."""
    moments = {
        f"{i}.{name}": value.contiguous()
        for i, state in optimizer.state_dict()["state"].items()
        for name, value in state.items()
    }
    weights = {name: value.detach().contiguous() for name, value in _trained(model)}
    newest = root / f"phase-{phase:05d}"
    with written_folder(newest) as folder:
        save_file(weights, folder / "weights.safetensors")
        save_file(moments, folder / "moments.safetensors")
        write_parquet(folder / "tokens.parquet", tokens_table(record), {})
        write_parquet(folder / "samples.parquet", record.samples, {})
        write_json(folder / "rows.json", {"metrics": metrics, "entropy": record.entropy})
    for old in root.iterdir():
        if old != newest:
            shutil.rmtree(old)


def load_checkpoint(
    root: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer, record: Record
) -> tuple[int, list[Any]]:
    """Restore the newest checkpoint in place; returns (phases done, metric rows), or (0, []) where there is none."""
    found = sorted(root.glob("phase-*")) if root.is_dir() else []
    if not found:
        return 0, []
    folder = found[-1]
    weights = load_file(folder / "weights.safetensors")
    with torch.no_grad():
        for name, parameter in _trained(model):
            parameter.copy_(weights[name])
    states: dict[int, dict[str, torch.Tensor]] = {}
    for key, value in load_file(folder / "moments.safetensors").items():
        index, name = key.split(".")
        states.setdefault(int(index), {})[name] = value
    optimizer.load_state_dict({"state": states, "param_groups": optimizer.state_dict()["param_groups"]})
    tokens = pq.read_table(folder / "tokens.parquet")
    record.tokens.append({name: tokens[name].to_numpy() for name in tokens.column_names})
    record.samples.extend(pq.read_table(folder / "samples.parquet").to_pylist())
    rows = read_json(folder / "rows.json")
    record.entropy.extend(tuple(row) for row in rows["entropy"])
    return int(folder.name.removeprefix("phase-")), rows["metrics"]
