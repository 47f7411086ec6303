"""Clip fractions and push by tenth of the old probability, on tokens whose law is known."""

import numpy as np
import pyarrow as pa
import pytest

from clipbias.theory.formulas.momentum import summed_noise
from clipbias.validate.predict.token_law import TENTHS, tenth_counts
from clipbias.validate.recipe.recipe import read_recipe
from clipbias.validate.store.layout import Cell

from .conftest import recipe


@pytest.fixture(scope="module")
def cell(tmp_path_factory: pytest.TempPathFactory) -> Cell:
    folder = tmp_path_factory.mktemp("cell")
    text = recipe("clip", folder)
    for name in ("prompts_per_phase", "minibatches"):
        text = text.replace(f"{name} = 3", f"{name} = 6")
    read = read_recipe(text)
    return Cell(folder, read, read.arm[0], 1, 2, "")


def tokens(cell: Cell, momentum: float, count: int = 400_000) -> pa.Table:
    """Log-ratios that walk as the claim says, signs independent of them, the clip applied by its definition."""
    rng, training = np.random.default_rng(0), cell.recipe.training
    minibatch = rng.integers(training.minibatches, size=count)
    prob = rng.random(count)
    sigma = np.where(prob < 0.5, 0.12, 0.05)
    scale = np.sqrt([summed_noise(momentum, m) for m in range(training.minibatches)])
    log_ratio = sigma * scale[minibatch] * rng.normal(size=count)
    size = training.group_size
    m = rng.binomial(size, 0.5, size=count)
    paid = rng.random(count) < m / size
    std = np.sqrt(np.maximum(m * (size - m), 1) / (size * (size - 1)))
    advantage = np.where((m == 0) | (m == size), 0.0, (paid - m / size) / std)
    ratio = np.exp(log_ratio)
    clipped = np.where((advantage > 0) & (ratio > 1.2), 1, np.where((advantage < 0) & (ratio < 0.8), -1, 0))
    return pa.table(
        {
            "minibatch": minibatch,
            "clipped": clipped,
            "log_ratio": log_ratio,
            "old_log_prob": np.log(prob).astype(np.float32),
            "advantage": advantage,
        }
    )


def by_tenth(found: pa.Table, name: str) -> np.ndarray:
    return found[name].to_numpy().reshape(TENTHS, -1)[:, 2:].sum(axis=1)


@pytest.mark.parametrize("name", ["low", "high", "push"])
def test_mini_batch_two_predicts_the_later_ones(cell: Cell, name: str) -> None:
    found = tenth_counts(tokens(cell, momentum=cell.recipe.training.momentum), cell.arm, cell.recipe.training)
    per_reference = (found[f"{name}_expected"].to_numpy() / found["reference"].to_numpy()).reshape(TENTHS, -1)[:, 2:]
    count = found["tokens"].to_numpy().reshape(TENTHS, -1)[:, 2:]
    expected, measured = (per_reference * count).sum(axis=1), by_tenth(found, name)
    np.testing.assert_allclose(measured[:5], expected[:5], rtol=0.12)  # tenths whose ratios reach the bounds often
    assert measured[:5].sum() == pytest.approx(expected[:5].sum(), rel=0.05)


def test_without_momentum_the_claim_fails(cell: Cell) -> None:
    """Negative control: tokens that walk without momentum are clipped far less."""
    found = tenth_counts(tokens(cell, momentum=0.0), cell.arm, cell.recipe.training)
    per_reference = (found["low_expected"].to_numpy() / found["reference"].to_numpy()).reshape(TENTHS, -1)[:, 2:]
    count = found["tokens"].to_numpy().reshape(TENTHS, -1)[:, 2:]
    assert (per_reference * count)[:5].sum() > 1.3 * by_tenth(found, "low")[:5].sum()


def test_nothing_is_clipped_in_the_first_mini_batch(cell: Cell) -> None:
    found = tenth_counts(tokens(cell, momentum=0.9), cell.arm, cell.recipe.training)
    first = found.filter(pa.compute.equal(found["minibatch"], 0))
    for name in ("low", "high", "push", "low_expected", "high_expected", "push_expected"):
        assert not any(first[name].to_pylist())
