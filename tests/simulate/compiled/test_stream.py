"""The draws have the laws they claim."""

import numpy as np
import pytest
from scipy.stats import binom, chisquare

from clipbias.simulate.compiled.stream import alias_row, binomial, compiled, open_stream
from clipbias.simulate.compiled.tables import binomial_rows, from_row

pytestmark = pytest.mark.statistical


@compiled
def many_binomials(trials: int, prob: float, out: np.ndarray) -> None:
    position, increment = open_stream(np.uint64(7), trials)
    for i in range(len(out)):
        out[i], position = binomial(trials, prob, position, increment)


@compiled
def many_tabled(table, head, out: np.ndarray) -> None:
    position, increment = open_stream(np.uint64(11), np.uint64(5))
    for i in range(len(out)):
        position += increment
        out[i] = from_row(table, head, position)


def p_value(sample: np.ndarray, trials: int, prob: float) -> float:
    expected = binom.pmf(np.arange(trials + 1), trials, prob) * len(sample)
    seen = np.bincount(sample, minlength=trials + 1).astype(float)
    rare = expected < 20
    pooled_seen, pooled = np.append(seen[~rare], seen[rare].sum()), np.append(expected[~rare], expected[rare].sum())
    if pooled[-1] < 5:
        pooled_seen[-2] += pooled_seen[-1]
        pooled[-2] += pooled[-1]
        pooled_seen, pooled = pooled_seen[:-1], pooled[:-1]
    return float(chisquare(pooled_seen, pooled * pooled_seen.sum() / pooled.sum()).pvalue)


@pytest.mark.parametrize(
    ("trials", "prob"),
    [(1, 0.3), (7, 0.65), (16, 0.5), (64, 0.99), (63, 0.02), (65, 0.05), (500, 0.01), (90, 0.5), (3000, 0.7)],
)
def test_binomial_law(trials, prob):
    sample = np.empty(400_000, np.int64)
    many_binomials(trials, prob, sample)
    assert p_value(sample, trials, prob) > 1e-4
    assert p_value(sample, trials, prob * 0.985) < 1e-6  # a wrong law is seen


@pytest.mark.parametrize(("trials", "prob"), [(9, 0.0), (9, 1.0), (0, 0.5), (200, 1.0), (200, 0.0)])
def test_binomial_at_the_ends(trials, prob):
    sample = np.empty(10, np.int64)
    many_binomials(trials, prob, sample)
    assert (sample == round(trials * prob)).all()


@pytest.mark.parametrize(("trials", "prob"), [(16, 0.65), (300, 0.1), (1024, 0.5)])
def test_tabled_binomial_law(trials, prob):
    table, heads = binomial_rows(trials, prob)
    sample = np.empty(400_000, np.int64)
    many_tabled(table, heads[trials], sample)
    assert p_value(sample, trials, prob) > 1e-4


@pytest.mark.parametrize("prob", [0.0, 1.0])
def test_tabled_binomial_at_the_ends(prob):
    table, heads = binomial_rows(5, prob)
    sample = np.empty(100, np.int64)
    many_tabled(table, heads[5], sample)
    assert (sample == 5 * prob).all()


def test_alias_row_holds_the_law():
    """Column by column: an entry gives its threshold to itself and the rest to its alias."""
    law = np.array([0.05, 0.4, 0.3, 0.0, 0.25])
    row = np.empty(8, np.uint64)
    alias_row(law, row)
    held = np.zeros(8)
    for i, entry in enumerate(row):
        own = int(entry >> np.uint64(11)) / 2**53
        held[i] += own / 8
        held[int(entry & np.uint64(2047))] += (1 - own) / 8
    np.testing.assert_allclose(held, np.append(law, [0, 0, 0]), atol=1e-15)
