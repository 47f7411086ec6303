"""Sums and histograms against plain numpy over the same tokens, and as they are kept in files."""

import numpy as np
import pyarrow as pa
import pytest
import torch

from clipbias.theory.surrogate import Cispo, PpoClip, Sapo, Surrogate
from clipbias.validate.predict.sums import (
    CENTRES,
    FINE,
    HALF,
    LARGEST,
    STEP,
    Sums,
    largest,
    read_sums,
    sums_table,
    tenth_sums,
)
from clipbias.validate.predict.token_law import tenth_counts
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.training import Training
from clipbias.validate.train.ratios import Ratios
from clipbias.validate.train.sketch import Sketch

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
        parts["position"] = torch.arange(mask.shape[1]).expand(mask.shape)
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
        "first": of["position"] == 0,
        "first_low": gone & (advantage < 0) & (of["position"] == 0),
        "first_high": gone & (advantage > 0) & (of["position"] == 0),
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
    np.testing.assert_array_equal(whole.histogram, halves[0].histogram + halves[1].histogram)
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


@pytest.mark.parametrize("minibatch", [0, 1, 2])
def test_a_histogram_is_of_its_mini_batch_sign_and_tenth(minibatch: int) -> None:
    batches = [batch(seed) for seed in range(3)]
    found, of = sums(batches, minibatch=minibatch), flat(batches)
    inner = FINE * np.sinh(STEP * (np.arange(-HALF, HALF) + 0.5))
    edges = np.concatenate([[-np.inf], inner, [np.inf]])
    tenth = np.minimum((10 * np.exp(of["old"])).astype(int), 9)
    for sign in range(3):
        for t in range(10):
            here = (np.sign(of["advantage"]) == sign - 1) & (tenth == t)
            counts = found.histogram[minibatch, sign, t]
            np.testing.assert_array_equal(counts.cumsum(), np.histogram(of["log_ratio"][here], edges)[0].cumsum())
    assert found.histogram.sum() == len(tenth)
    np.testing.assert_array_equal(found.law, found.histogram[1].sum(axis=0))
    np.testing.assert_allclose(largest(found)[minibatch], np.abs(of["log_ratio"]).max(), rtol=0.007)
    assert not sums(batches, unit=0.0).histogram.any()


def test_a_table_holds_the_sums_of_several_phases() -> None:
    """Each in a file of its own; whatever rows are left out of it are not counted."""
    parts = [sums([batch(seed)], minibatch=seed % 3) for seed in range(4)]
    table = pa.concat_tables([sums_table(part, phase) for phase, part in enumerate(parts)])
    assert table.num_rows == 4 * 3 * 10
    found, late = read_sums(table, 3), read_sums(table.slice(2 * 3 * 10), 3)
    for name in Sums.__slots__:
        values = [getattr(part, name) for part in parts]
        np.testing.assert_allclose(getattr(found, name), sum(values), err_msg=name)
        np.testing.assert_allclose(getattr(late, name), values[2] + values[3], err_msg=name)


@pytest.mark.parametrize("surrogate", ["ppo:low=0.2,high=0.28", "sapo:plus=1,minus=2"])
def test_what_is_expected_by_bins_is_what_is_expected_by_tokens(surrogate: str) -> None:
    """Bins are 1.3 % of log R wide, and sums of hundreds of tokens so much more exact than one."""
    arm, training = Arm("a", None, None, surrogate=surrogate), Training(4, 8, 4, 1e-3, 1, 30)
    sketch, columns = Sketch(4, torch.device("cpu")), []
    for minibatch in range(4):
        batches = [batch(10 * minibatch + seed, answers=60) for seed in range(3)]
        for ratios, advantage, _ in batches:
            sketch.add(minibatch, ratios, advantage, arm.gate)
        of = flat(batches)
        ratio = np.exp(of["log_ratio"])
        high, low = (of["advantage"] > 0) & (ratio > 1.28), (of["advantage"] < 0) & (ratio < 0.8)
        clipped = (high.astype(np.int8) - low) * surrogate.startswith("ppo")
        named = {"old_log_prob": of["old"], "log_ratio": of["log_ratio"], "advantage": of["advantage"]}
        columns.append(named | {"minibatch": np.full(len(ratio), minibatch), "clipped": clipped})
    rows = pa.table({name: np.concatenate([part[name] for part in columns]) for name in columns[0]})
    exact, found = tenth_counts(rows, arm, training), tenth_sums(sketch.take(lambda tensor: tensor), arm, training)
    assert found.schema == exact.schema
    for name in exact.column_names:
        mine, true = found[name].to_numpy(), exact[name].to_numpy()
        if name == "push_expected" or (name.endswith("_expected") and surrogate.startswith("ppo")):
            assert np.abs(mine - true).sum() < 0.02 * np.abs(true).sum(), name
        elif not name.endswith("_expected"):  # a gate that only weakens leaves nothing of what lies beyond all bins
            np.testing.assert_allclose(mine, true, rtol=1e-5, atol=1e-4, err_msg=name)


def test_memory_is_that_of_the_bins() -> None:
    few, many = sums([batch(0)]), sums([batch(seed, answers=200) for seed in range(5)])
    assert few.histogram.nbytes == many.histogram.nbytes
    assert few.push.nbytes == many.push.nbytes
