"""Columns of a sweep's table by name, and the choice of points."""

import numpy as np
import pyarrow as pa
import pytest

from clipbias.common.errors import InputError
from clipbias.simulate.sweeps.columns import check_distinct, column, where
from clipbias.simulate.sweeps.dataset import load
from clipbias.simulate.sweeps.sweep import run_sweep


@pytest.fixture
def table(sweep_text: str, here, tmp_path) -> pa.Table:
    run_sweep(sweep_text, tmp_path, here)
    return load(tmp_path)


def test_numbers_with_their_errors_and_entries_of_lists(table: pa.Table) -> None:
    found = column(table, "entropy_shift", "value")
    assert found.stderr is not None
    assert found.values.shape == found.stderr.shape == (6,)
    first, second = (column(table, f"prob_shift:{i}", "value") for i in (1, 2))
    np.testing.assert_allclose(first.values, -second.values, atol=1e-15)
    assert column(table, "probs:1", "x").values.tolist() == [0.65] * 6
    assert column(table, "probs:1", "x").stderr is None
    assert np.isnan(column(table, "clip_low", "x").values).sum() == 2


def test_choices(table: pa.Table) -> None:
    assert where(table, "clip_low", "0.2", "where").num_rows == 2
    assert where(table, "clip_low", "none", "where").num_rows == 2
    assert where(where(table, "clip_low", "0.1", "where"), "clip_high", "0.28", "where").num_rows == 1


def test_words_and_switches(sweep_text: str, here, tmp_path) -> None:
    base = sweep_text.split("[grid]")[0]
    run_sweep(base + "[grid]\nsurrogate = ['cispo:cap=2', 'probability']\nsplit = [true, false]", tmp_path, here)
    table = load(tmp_path)
    by = column(table, "surrogate", "by")
    assert sorted(map(by.says, by.values)) == ["cispo:cap=2"] * 2 + ["probability"] * 2
    assert where(table, "surrogate", "cispo:cap=2", "where")["surrogate"].to_pylist() == ["cispo:cap=2"] * 2
    assert where(table, "split", "true", "where")["split"].to_pylist() == [True, True]
    assert sorted(map(column(table, "split", "by").says, column(table, "split", "by").values)) == [
        "false", "false", "true", "true",
    ]  # fmt: skip
    check_distinct(table, [by, column(table, "split", "x")], "where")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda t: column(t, "entropy", "value"), "value must be one of probs, learning_rate, .* got 'entropy'"),
        (
            lambda t: column(t, "prob_shift", "value"),
            "value must be one entry of the list, prob_shift:1 to prob_shift:2",
        ),
        (lambda t: column(t, "prob_shift:3", "value"), "value must be one entry of the list, .* got 'prob_shift:3'"),
        (lambda t: column(t, "entropy_shift:1", "value"), "value must be without an entry here"),
        (
            lambda t: where(t, "clip_low", "0.3", "where"),
            "where must be one of the values that clip_low has, 0.1, 0.2, n",
        ),
        (lambda t: where(t, "clip_low", "low", "where"), "where must be a number or none for clip_low, got 'low'"),
        (
            lambda t: where(t, "scale", "max", "where"),
            "where must be one of the values that scale has, std, got 'max'$",
        ),
        (lambda t: where(t, "entropy_shift", "0", "where"), "where must be about a setting, one of probs"),
        (
            lambda t: check_distinct(t, [column(t, "clip_low", "x")], "where"),
            "where must be given for what else varies, since points lie on each other: clip_high",
        ),
    ],
)
def test_what_cannot_be_plotted(table: pa.Table, call, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call(table)


def test_points_apart_are_fine(table: pa.Table) -> None:
    check_distinct(table, [column(table, name, "x") for name in ("clip_low", "clip_high")], "where")
