"""What is kept of every phase: the rows of metrics.parquet."""

from typing import Any

import numpy as np

from clipbias.common.arrays import Array
from clipbias.validate.model.probe import Reading

from .precision import noise_floor
from .record import Record


def _mean(values: list[float]) -> float | None:
    return float(np.mean(values)) if values else None


def _kl(log_ratio: Array) -> float:
    """Mean of R − 1 − log R over tokens drawn from the old policy: its KL divergence from the new one, per token."""
    return float(np.mean(np.expm1(log_ratio) - log_ratio))


def metrics_row(phase: int, reading: Reading, record: Record) -> dict[str, Any]:
    """One row of metrics.parquet: the policy after `phase` phases and the rollouts of the phase that led to it."""
    row: dict[str, Any] = {
        "phase": phase,
        "share": reading.share,
        "log_odds": reading.log_odds,
        "share_samples": reading.samples,
        "first_token_entropy": reading.first_token_entropy,
    }
    rollouts = [s for s in record.samples if s["phase"] == phase - 1]
    entropy = [(total, count) for t, total, count in record.entropy if t == phase - 1]
    row["rollout_share"] = _mean([s["uses_strategy"] for s in rollouts])
    row["accuracy"] = _mean([s["correct"] for s in rollouts])
    row["accuracy_with_strategy"] = _mean([s["correct"] for s in rollouts if s["uses_strategy"]])
    row["accuracy_without_strategy"] = _mean([s["correct"] for s in rollouts if not s["uses_strategy"]])
    row["boxed"] = _mean([s["boxed"] for s in rollouts])
    row["length"] = _mean([s["length"] for s in rollouts])
    row["finished"] = _mean([s["finished"] for s in rollouts])
    blocks = [block for block in record.tokens if block["phase"][0] == phase - 1]
    old = np.concatenate([block["old_log_prob"] for block in blocks]) if blocks else None
    row["token_prob"] = None if old is None else float(np.exp(old.astype(np.float64)).mean())
    row["phase_kl"] = _kl(blocks[-1]["log_ratio"].astype(np.float64)) if blocks else None
    floor = noise_floor(blocks)
    row["floor_log_ratio"] = None if floor is None else floor.log_ratio
    row["floor_clipped"] = None if floor is None else floor.clipped
    row["token_entropy"] = sum(e for e, _ in entropy) / sum(n for _, n in entropy) if entropy else None
    return row
