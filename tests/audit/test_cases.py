"""Public logs whose answer is known: the statements, the steps on a rollout, and whether the clip can act."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbias.audit.audit import Audit, audit

CASES = {
    case["id"]: case
    for case in json.loads((Path(__file__).parents[1] / "check" / "cases.json").read_text())
    if case["kind"] == "log"
}
STATED = {
    "log-01": {"clip-never-by-construction", "steps-per-rollout"},
    "log-03": {"single-line", "old-metric", "clip-never-as-logged"},
    "log-05": {"no-learning-signal", "clip-uninformative", "rounded"},
    "log-07": {"no-learning-signal", "clip-uninformative"},
    "log-09": {"no-learning-signal", "steps-per-rollout", "truncation", "entropy-noise"},
    "log-11": {"clip-acted-pooled", "clip-at-noise", "clip-scales", "steps-per-rollout"},
    "log-13": {"ratio-moves", "steps-per-rollout"},
    "log-15": {"clip-never-by-construction", "engine-drops"},
    "log-17": {"no-learning-signal", "arms-identical", "noise-floor"},
    "log-19": {"policy-moved", "reward-falls", "gradient-before-cut"},
    "log-21": {"clip-never-by-construction", "entropy-falls-without-clip"},
    "log-23": {"recomputation-noise", "clip-never-by-construction"},
    "log-25": {"clip-acted-high", "entropy-falls-with-clip", "numerical-fault"},
}
OPEN = {
    "log-01": {"what clipping would do"},
    "log-03": {"whether the clip is inert or only did not act", "whether entropy fell"},
    "log-05": {"anything about clipping", "anything about values near 0"},
    "log-07": {"anything about clipping"},
    "log-09": {"anything about clipping"},
    "log-11": {"which loss is more constrained in effect", "which side was clipped"},
    "log-13": {"the share beyond a bound"},
    "log-15": {"which sequences were dropped"},
    "log-17": {"anything about clipping", "what the arms' difference does"},
    "log-19": {"whether the clip acted", "whether entropy fell"},
    "log-21": {"why entropy moved"},
    "log-23": {"how far the policy drifted"},
    "log-25": {"whether the clip moved entropy", "what the clip did to the outcome"},
}


def of_case(case: dict[str, Any], folder: Path) -> Audit:
    path = folder / f"log.{case['format']}"
    path.write_text(case["text"])
    return audit([path])


def test_all_are_here() -> None:
    assert STATED.keys() == OPEN.keys() == CASES.keys()


@pytest.mark.parametrize("name", STATED)
def test_case(name: str, tmp_path: Path) -> None:
    found, expect = of_case(CASES[name], tmp_path).to_json(), CASES[name]["expect"]
    assert found["framework"] == CASES[name]["framework"]
    assert found["clip_can_act"] == expect["clip_can_act"]
    assert found["optimizer_steps_per_rollout"] == expect["optimizer_steps_per_rollout"]
    assert {finding["code"] for finding in found["diagnosis"]} >= STATED[name]
    assert {gap["what"] for gap in found["cannot_conclude"]} >= OPEN[name]
    assert all(gap["switch_on"] for gap in found["cannot_conclude"])


def test_numbers_are_those_of_the_log(tmp_path: Path) -> None:
    """Log 25: the means of the two sound lines."""
    found = of_case(CASES["log-25"], tmp_path).to_json()["diagnosis"]
    acted = next(finding for finding in found if finding["code"] == "clip-acted-high")
    assert acted["evidence"]["high"] == pytest.approx((0.0021 + 0.0048) / 2)
    assert acted["evidence"]["low"] == pytest.approx((0.0004 + 0.0006) / 2)
    broke = next(finding for finding in found if finding["code"] == "numerical-fault")
    assert (broke["evidence"]["step"], broke["evidence"]["last_sound"]) == (30, 20)
    assert next(f for f in found if f["code"].startswith("entropy"))["strength"] == "weak", "two points are no trend"


def test_clipping_in_a_lone_step_is_noise(tmp_path: Path) -> None:
    """TRL with vLLM: every line describes new answers, and yet tokens are clipped, by a second pass."""
    row = {"loss": 0.1, "reward": 0.5, "completions/mean_length": 9.0, "sampling/sampling_logp_difference/mean": 0.01}
    clip = {"clip_ratio/low_mean": 0.001, "clip_ratio/high_mean": 0.001, "frac_reward_zero_std": 0.0}
    lines = "".join(json.dumps({"step": i} | row | clip) + "\n" for i in range(1, 7))
    found = of_case({"format": "jsonl", "text": lines}, tmp_path)
    assert found.diagnosis.steps_per_rollout == 1
    assert found.diagnosis.clip_can_act is None
    assert "clip-by-noise" in {finding.code for finding in found.diagnosis.findings}
