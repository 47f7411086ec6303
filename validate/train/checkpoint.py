"""The state of a half-trained cell, in safetensors, written whole after every few phases.

The sampler and the prompts are re-seeded by (seed, phase), so weights, the optimizer's moments and what was recorded so
far (`record`) are the whole state: a resumed cell ends with the same numbers as one that was never stopped. Weights
that are not trained are the model's own, and are not written again.
"""

import shutil
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file, save_file

from clipbias.common.files import read_json, write_json, written_folder


def _trained(model: torch.nn.Module) -> list[tuple[str, torch.nn.Parameter]]:
    return [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]


def save_checkpoint(
    root: Path,
    phase: int,
    model: torch.nn.Module,
    optimizer: torch.optim.Optimizer,
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
        write_json(folder / "rows.json", {"metrics": metrics})
    for old in root.glob("phase-*"):
        if old != newest:
            shutil.rmtree(old)


def load_checkpoint(root: Path, model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> tuple[int, list[Any]]:
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
    return int(folder.name.removeprefix("phase-")), read_json(folder / "rows.json")["metrics"]
