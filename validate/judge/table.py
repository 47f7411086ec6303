"""Findings as a flat table: one row each, for pandas (`.to_pandas()`), a spreadsheet or a file."""

from collections.abc import Sequence
from dataclasses import asdict

import pyarrow as pa

from .finding import Finding

_TEXT = ("experiment", "kind", "unit", "organism", "run", "arm", "reference", "verdict")
_NUMBERS = ("claim", "margin", "claim_stderr", "mean", "stderr", "low", "high", "pvalue", "margin_pvalue")
SCHEMA = pa.schema(
    [(name, pa.string()) for name in _TEXT] + [(name, pa.float64()) for name in _NUMBERS] + [("seeds", pa.int64())]
)


def findings_table(findings: Sequence[Finding]) -> pa.Table:
    """The estimate is spread over mean, stderr, low and high; null where a finding has no such number. The details that
    one kind alone has are left out: `Finding.details`."""
    rows = [asdict(finding) | (asdict(finding.estimate) if finding.estimate else {}) for finding in findings]
    return pa.Table.from_pylist([{name: row.get(name) for name in SCHEMA.names} for row in rows], schema=SCHEMA)
