"""Gradients of log-probabilities of parts of answers, many at a time, at chosen coordinates of the parameters.

They are put together from what the layers take in and what flows back to their outputs, so that a batch costs one pass
forward and one back, and no row's whole gradient is ever held. That holds for models of linear layers, embeddings and
norms that scale; `check_model` compares with autograd and refuses the others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.func import functional_call
from transformers import PreTrainedModel

from clipbias.common.errors import InputError

BATCH_NUMBERS = 1 << 24  # of activations that a batch may hold: 64 MB of each kind
_TOLERANCE = 1e-3
_KNOWN = "made of linear layers, embeddings and norms that scale"


@dataclass(frozen=True, slots=True)
class Row:
    """Tokens, of which those from `start` on are the part whose log-probability is meant, given all before."""

    tokens: tuple[int, ...]
    start: int


@dataclass(slots=True, eq=False)
class _Pass:
    """One layer in one pass: what it took in, what it gave, and what flowed back to that."""

    layer: nn.Module
    taken: Tensor
    given: Tensor
    back: Tensor | None = None


def _layers(model: PreTrainedModel) -> list[nn.Module]:
    """Those that own parameters."""
    return [layer for layer in model.modules() if next(layer.parameters(recurse=False), None) is not None]


@contextmanager
def _watched(model: PreTrainedModel) -> Iterator[list[_Pass]]:
    """The passes of all layers that own parameters, while no parameter asks for a gradient of its own."""
    passes: list[_Pass] = []

    def note(layer: nn.Module, taken: tuple[Any, ...], given: Tensor) -> Tensor:
        if isinstance(layer, nn.Embedding):  # the first of all: nothing before it needs a gradient
            given = given.detach().requires_grad_(True)
        seen = _Pass(layer, taken[0].detach(), given.detach())  # with its graph it would hold itself, by the hook below
        given.register_hook(lambda gradient: setattr(seen, "back", gradient.detach()))
        passes.append(seen)
        return given

    wanted = [(p, p.requires_grad) for p in model.parameters()]
    hooks = [layer.register_forward_hook(note) for layer in _layers(model)]
    try:
        for parameter, _ in wanted:
            parameter.requires_grad_(False)
        yield passes
    finally:
        for hook in hooks:
            hook.remove()
        for parameter, before in wanted:
            parameter.requires_grad_(before)


def offsets(model: PreTrainedModel) -> dict[int, int]:
    """Where each parameter, by its id, begins when all stand in a row."""
    parameters = list(model.parameters())
    ends = np.cumsum([0, *(p.numel() for p in parameters)])
    return {id(p): int(first) for p, (first, _) in zip(parameters, pairwise(ends), strict=True)}


def total_size(model: PreTrainedModel) -> int:
    return sum(p.numel() for p in model.parameters())


def _batch(rows: Sequence[Row], device: torch.device) -> tuple[Tensor, Tensor, Tensor]:
    """(ids, attention mask, which tokens are meant), padded on the right to [B, L]."""
    width = max(len(row.tokens) for row in rows)
    ids, mask, meant = (torch.zeros(len(rows), width, dtype=torch.long) for _ in range(3))
    for i, row in enumerate(rows):
        length = len(row.tokens)
        ids[i, :length] = torch.tensor(row.tokens)
        mask[i, :length] = 1
        meant[i, row.start : length] = 1
    return ids.to(device), mask.to(device), meant.to(device)


def _log_probs(model: PreTrainedModel, ids: Tensor, mask: Tensor) -> Tensor:
    """[B, L − 1]: log p of each token but the first."""
    logits: Tensor = model(input_ids=ids, attention_mask=mask, use_cache=False).logits[:, :-1].float()
    return logits.log_softmax(-1).gather(-1, ids[:, 1:, None]).squeeze(-1)


@torch.no_grad()
def token_log_probs(model: PreTrainedModel, rows: Sequence[Row]) -> list[NDArray[np.float64]]:
    """log p of each token that a row means."""
    found: dict[int, NDArray[np.float64]] = {}
    for batch in _batches(model, rows):
        ids, mask, _ = _batch([rows[i] for i in batch], model.device)
        values = _log_probs(model, ids, mask).cpu().double().numpy()
        for i, line in zip(batch, values, strict=True):
            found[i] = line[rows[i].start - 1 : len(rows[i].tokens) - 1]
    return [found[i] for i in range(len(rows))]


def _at(layer: _Pass, parameter: Tensor, places: Tensor, added: float) -> Tensor:
    """[B, k]: gradients of one parameter at `places` of its numbers in a row. added: to a norm's weight."""
    kind, taken, back = layer.layer, layer.taken, layer.back
    assert back is not None
    if isinstance(kind, nn.Linear) and parameter is kind.weight:
        row, column = places // taken.shape[-1], places % taken.shape[-1]
        if taken.shape[1] * len(places) > 2 * parameter.numel():
            whole = torch.einsum("bto,bti->boi", back, taken)
            return whole.flatten(1)[:, places]
        return torch.einsum("btk,btk->bk", back[..., row], taken[..., column])
    if isinstance(kind, nn.Embedding):
        row, column = places // parameter.shape[1], places % parameter.shape[1]
        hit = (taken[..., None] == row) & (row != (-1 if kind.padding_idx is None else kind.padding_idx))
        scale = getattr(kind, "embed_scale", 1.0)  # Gemma's, by which it multiplies what it looks up
        return torch.einsum("btk,btk->bk", hit.to(back.dtype), back[..., column] * scale)
    if parameter is getattr(kind, "bias", None):
        return back.sum(1)[:, places]
    offset = getattr(kind, "bias", None)
    normed = layer.given - (0.0 if offset is None else offset.detach())
    return (back * normed / (parameter.detach() + added)).sum(1)[:, places]


def _is_norm(layer: nn.Module) -> bool:
    return type(layer).__name__.endswith("Norm") and all(p.dim() == 1 for p in layer.parameters(recurse=False))


def _added(layer: nn.Module) -> float:
    """What a norm adds to its weight before it scales by that: 1 in Gemma's, which give something at weight 0."""
    if not _is_norm(layer):
        return 0.0
    zero = {name: torch.zeros_like(p) for name, p in layer.named_parameters(recurse=False)}
    some = next(iter(zero.values()))
    with torch.no_grad():
        given = functional_call(layer, zero, (torch.linspace(1.0, 2.0, len(some)).to(some),))
    return float(bool(given.any()))


def _batches(model: PreTrainedModel, rows: Sequence[Row]) -> Iterator[list[int]]:
    """Places of rows that go together: of like length, and no more than memory bears."""
    widths = sum(p.shape[0] for p in model.parameters() if p.dim() == 2)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i].tokens))
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * len(rows[i].tokens) * widths > BATCH_NUMBERS:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def gradients(
    model: PreTrainedModel, rows: Sequence[Row], coordinates: NDArray[np.int64], progress: Any = None
) -> tuple[Tensor, Tensor]:
    """(∂/∂θ_d log p(row) [rows, D], log p(row) [rows]); coordinates: sorted places in all parameters in a row.

    progress is called with the number of rows done.
    """
    first, added = offsets(model), {id(layer): _added(layer) for layer in _layers(model)}
    found, log_probs, done = torch.zeros(len(rows), len(coordinates)), torch.zeros(len(rows)), 0
    with _watched(model) as passes, torch.enable_grad():
        for batch in _batches(model, rows):
            passes.clear()
            ids, mask, meant = _batch([rows[i] for i in batch], model.device)
            log_prob = (_log_probs(model, ids, mask) * meant[:, 1:]).sum(1)
            log_prob.sum().backward()
            here = torch.zeros(len(batch), len(coordinates))
            for layer in passes:
                for parameter in layer.layer.parameters(recurse=False):
                    begin = first[id(parameter)]
                    low, high = np.searchsorted(coordinates, [begin, begin + parameter.numel()])
                    places = torch.as_tensor(coordinates[low:high] - begin, device=model.device)
                    here[:, low:high] += _at(layer, parameter, places, added[id(layer.layer)]).float().cpu()
            found[batch], log_probs[batch] = here, log_prob.detach().cpu()
            done += len(batch)
            if progress is not None:
                progress(done)
        passes.clear()
    return found, log_probs


def weighted_gradient(model: PreTrainedModel, rows: Sequence[Row], weights: Sequence[float]) -> Tensor:
    """Σ_i w_i ∇ log p(row_i), all parameters in a row, by autograd."""
    parameters = list(model.parameters())
    total = torch.zeros(total_size(model))
    for batch in _batches(model, rows):
        ids, mask, meant = _batch([rows[i] for i in batch], model.device)
        weight = torch.tensor([weights[i] for i in batch], device=model.device)
        with torch.enable_grad():
            value = (weight[:, None] * _log_probs(model, ids, mask) * meant[:, 1:]).sum()
            parts = torch.autograd.grad(value, parameters, allow_unused=True)
        total += torch.cat(
            [torch.zeros(p.numel()) if g is None else g.flatten().cpu() for p, g in zip(parameters, parts, strict=True)]
        )
    return total


def squared_gradients(model: PreTrainedModel, rows: Sequence[Row]) -> Tensor:
    """Σ_i (∇ log p(row_i))², all parameters in a row, by autograd, a row at a time."""
    parameters = list(model.parameters())
    total = torch.zeros(total_size(model))
    places = total.split([p.numel() for p in parameters])
    for row in rows:
        ids, mask, meant = _batch([row], model.device)
        with torch.enable_grad():
            value = (_log_probs(model, ids, mask) * meant[:, 1:]).sum()
            parts = torch.autograd.grad(value, parameters, allow_unused=True)
        for place, gradient in zip(places, parts, strict=True):
            if gradient is not None:
                flat = gradient.flatten().float().cpu()
                place.addcmul_(flat, flat)
    return total


def check_model(model: PreTrainedModel, row: Row) -> None:
    """Raise InputError where a layer is of no known kind, or a row's gradient by layers is not autograd's."""
    for layer in _layers(model):
        if not isinstance(layer, nn.Linear | nn.Embedding) and not _is_norm(layer):
            raise InputError("model", _KNOWN, type(layer).__name__)
    size = total_size(model)
    places = np.unique(np.linspace(0, size - 1, min(size, 20_000)).astype(np.int64))
    by_layers = gradients(model, [row], places)[0][0]
    expected = weighted_gradient(model, [row], [1.0])[torch.as_tensor(places)]
    error = float((by_layers - expected).norm() / expected.norm().clamp(min=1e-12))
    if not error < _TOLERANCE:
        raise InputError("model", _KNOWN, f"gradients that are {error:.1g} off")
