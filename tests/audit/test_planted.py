"""Short trainings by TRL with a planted cause (`make_logs.py`): the audit finds it, in the state and as printed."""

from pathlib import Path

import pytest

from clipbias.audit.audit import audit

LOGS = Path(__file__).with_name("logs")
FOUND: dict[str, tuple[set[str], set[str], float | None, bool | None]] = {
    # what must be said, what must not, steps on a rollout, whether the clip can act
    "real-0": ({"clip-acted-high", "entropy-falls-with-clip", "reward-rises"}, {"no-learning-signal"}, 4, True),
    "coin-0": ({"clip-acted-both"}, {"reward-rises", "entropy-falls-with-clip"}, 4, True),
    "inert": (
        {"clip-never-by-construction", "entropy-falls-without-clip", "reward-rises"},
        {"clip-acted-both"},
        1,
        False,
    ),
    "inert-sharpening": ({"clip-never-by-construction", "entropy-falls-without-clip", "signal-ended"}, set(), 1, False),
    "bonus": ({"entropy-bonus"}, {"no-learning-signal"}, 4, True),
    "all-wrong": ({"no-learning-signal", "clip-uninformative"}, {"clip-never-as-logged", "reward-flat"}, 4, None),
    "degenerate": ({"degenerate-groups"}, {"no-learning-signal"}, 4, True),
    "truncated": ({"truncation"}, {"reward-rises"}, 4, True),
    "broken": ({"numerical-fault", "reward-rises"}, {"no-learning-signal"}, 4, True),
    "no-clip-series": ({"steps-per-rollout", "entropy-falls"}, {"clip-never-as-logged"}, 4, True),
    "ten-steps-a-line": ({"steps-unknown", "clip-acted-high"}, {"steps-per-rollout"}, None, True),
    "bounds-as-increments": ({"clip-at-noise"}, {"clip-extreme"}, 4, True),
    "cispo-unset": ({"capped-at-ratio-one"}, set(), 4, True),
    "sequence-epsilon": ({"clip-extreme"}, {"clip-at-noise"}, 4, True),
    "high-only": ({"clip-acted-high", "entropy-falls-with-clip"}, {"clip-acted-both"}, 4, True),
}


UNCOUNTED = "ten-steps-a-line"  # what is printed does not count its steps
BOTH = [(name, file) for name in FOUND for file in ("trainer_state.json", "printed.txt")]


@pytest.mark.parametrize(("name", "file"), [both for both in BOTH if both != (UNCOUNTED, "printed.txt")])
def test_the_planted_cause_is_found(name: str, file: str) -> None:
    said, unsaid, steps, can_act = FOUND[name]
    found = audit([LOGS / name / file]).to_json()
    codes = {finding["code"] for finding in found["diagnosis"]}
    assert said <= codes
    assert not unsaid & codes
    assert found["framework"] == "trl"
    assert found["optimizer_steps_per_rollout"] == steps
    assert found["clip_can_act"] == can_act


def test_printed_averages_are_not_taken_for_steps() -> None:
    """Every line has new answers and yet clipped tokens, which one step on a rollout cannot have."""
    found = audit([LOGS / UNCOUNTED / "printed.txt"]).to_json()
    assert found["optimizer_steps_per_rollout"] is None
    assert found["clip_can_act"] is True


def test_the_step_at_which_it_broke() -> None:
    """A weight is no number after step 18: the gradient is the first to show it, at step 19."""
    found = audit([LOGS / "broken" / "trainer_state.json"]).to_json()["diagnosis"]
    evidence = next(finding["evidence"] for finding in found if finding["code"] == "numerical-fault")
    assert evidence["last_sound"] == 18


def test_what_would_log_the_missing_clip_is_named() -> None:
    gaps = audit([LOGS / "no-clip-series"]).to_json()["cannot_conclude"]
    assert "sapo" in next(gap["switch_on"] for gap in gaps if gap["what"] == "whether the clip acted")
