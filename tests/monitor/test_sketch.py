"""Sums and law against plain numpy over the same tokens."""

import numpy as np
import pytest
import torch

from clipbias.monitor.sketch import CENTRES, FINE, LARGEST, Sketch, Sums
from clipbias.theory.surrogate import Cispo, PpoClip, Sapo, Surrogate
from clipbias.validate.train.ratios import Ratios

CLIP = PpoClip(0.2, 0.28)
Batch = tuple[Ratios, torch.Tensor, torch.Tensor]


def batch(seed: int, answers: int = 12, tokens: int = 30) -> Batch:
    """Ratios, advantages and weights; what is masked is no number."""
    rng = np.random.default_rng(seed)
    mask = np.arange(tokens) < rng.integers(1, tokens + 1, size=(answers, 1))

    def kept(values: np.ndarray) -> torch.Tensor:
        return torch.from_numpy(np.where(mask, values, np.nan)).float()

    old = kept(-rng.exponential(0.5, mask.shape))
    moved = kept(0.2 * rng.standard_t(3, mask.shape))
    entropy = kept(rng.exponential(0.3, mask.shape))
    weight = torch.from_numpy(rng.uniform(0.0, 1.5, mask.shape)).float()
    advantage = torch.from_numpy(rng.choice([-1.3, 0.0, 0.7], answers)).float()
    return Ratios(old, moved, moved, entropy, torch.from_numpy(mask)), advantage, weight


def sums(batches: list[Batch], gate: Surrogate = CLIP, minibatch: int = 1, unit: float = 1.0) -> Sums:
    sketch = Sketch(3, torch.device("cpu"))
    for ratios, advantage, weight in batches:
        sketch.add(minibatch, ratios, advantage, gate, weight, unit)
    return sketch.take(lambda tensor: tensor)


def flat(batches: list[Batch]) -> dict[str, np.ndarray]:
    """The tokens, one after another."""
    found: dict[str, list[np.ndarray]] = {}
    for ratios, advantage, weight in batches:
        mask = ratios.mask.numpy()
        a = np.broadcast_to(advantage.numpy()[:, None], mask.shape)
        parts = {"old": ratios.old, "log_ratio": ratios.log_ratio, "entropy": ratios.entropies, "weight": weight}
        for name, values in {**{k: v.numpy() for k, v in parts.items()}, "advantage": a}.items():
            found.setdefault(name, []).append(values[mask].astype(np.float64))
    return {name: np.concatenate(parts) for name, parts in found.items()}


def by_tenth(of: dict[str, np.ndarray], values: np.ndarray) -> np.ndarray:
    return np.bincount(np.minimum((10 * np.exp(of["old"])).astype(int), 9), values, 10)


@pytest.mark.parametrize("gate", [CLIP, PpoClip(0.2, None), PpoClip(0.1, 0.2, 1.5), Sapo(1.0, 2.0), Cispo(1.2)])
def test_every_sum_is_that_of_its_tokens(gate: Surrogate) -> None:
    batches = [batch(seed) for seed in range(3)]
    found, of = sums(batches, gate), flat(batches)
    ratio, advantage = np.exp(of["log_ratio"]), of["advantage"]
    above, below = gate.slopes(ratio, np.ones(len(ratio)))
    part = 1 - np.where(advantage > 0, above, below)
    pull = of["weight"] * advantage * ratio
    surprise = of["old"] + of["log_ratio"] + of["entropy"]
    gone = np.isin(part, [1.0]) & isinstance(gate, PpoClip)
    expected = {
        "tokens": np.ones(len(ratio)),
        "size": np.abs(of["log_ratio"]),
        "square": of["log_ratio"] ** 2,
        "praised": advantage > 0,
        "blamed": advantage < 0,
        "praise": np.maximum(advantage, 0),
        "blame": np.maximum(-advantage, 0),
        "low": gone & (advantage < 0),
        "high": gone & (advantage > 0),
        "push": -pull * part,
        "entropy": of["entropy"],
        "free": -pull * surprise,
        "taken": pull * part * surprise,
    }
    for name, values in expected.items():
        np.testing.assert_allclose(getattr(found, name)[1], by_tenth(of, values), rtol=1e-5, atol=1e-5, err_msg=name)
        assert not getattr(found, name)[[0, 2]].any()


def test_sums_of_parts_add_and_are_taken_once() -> None:
    batches = [batch(seed) for seed in range(4)]
    whole, halves = sums(batches), [sums(batches[:2]), sums(batches[2:])]
    np.testing.assert_allclose(whole.push, halves[0].push + halves[1].push)
    np.testing.assert_array_equal(whole.law, halves[0].law + halves[1].law)
    sketch = Sketch(3, torch.device("cpu"))
    sketch.add(1, *batches[0][:2], CLIP)
    assert sketch.take(lambda tensor: 2 * tensor).tokens.sum() == 2 * batches[0][0].mask.sum()
    assert sketch.take(lambda tensor: tensor).tokens.sum() == 0


@pytest.mark.parametrize("unit", [1.0, 0.05])
def test_the_law_has_every_quantile_within_a_bin(unit: float) -> None:
    batches = [batch(seed) for seed in range(20)]
    law, of = sums(batches, unit=unit).law.sum(axis=0), flat(batches)
    exact = np.clip(np.sort(of["log_ratio"]) / unit, -LARGEST, LARGEST)
    assert law.sum() == len(exact)
    binned = np.repeat(CENTRES, law.astype(int))
    np.testing.assert_allclose(binned, exact, rtol=0.007, atol=FINE)
    assert np.abs(binned - 1.03 * exact).max() > 0.01  # a law that is 3 % wider is seen


def test_only_mini_batch_two_has_a_law() -> None:
    assert not sums([batch(0)], minibatch=0).law.any()
    assert not sums([batch(0)], minibatch=2).law.any()
    assert not sums([batch(0)], unit=0.0).law.any()  # after a step of rate 0


def test_memory_is_that_of_the_bins() -> None:
    few, many = sums([batch(0)]), sums([batch(seed, answers=200) for seed in range(5)])
    assert few.law.nbytes == many.law.nbytes
    assert few.push.nbytes == many.push.nbytes
