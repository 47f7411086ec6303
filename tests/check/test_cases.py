"""Public configurations whose answer is known: each in its framework's own format, with the place it comes from."""

import json
from pathlib import Path
from typing import Any

import pytest

from clipbias.check.catalogue import FRAMEWORKS
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from clipbias.common.errors import InputError

CASES = [case for case in json.loads(Path(__file__).with_name("cases.json").read_text()) if case["kind"] == "config"]
KNOWN = {framework.name for framework in FRAMEWORKS}


def checked(case: dict[str, Any]) -> Checked:
    path = Path(f"case.{case['format']}")
    return check_documents([parse(path, case["text"])], framework=case["framework"])


@pytest.mark.parametrize("case", [c for c in CASES if c["framework"] in KNOWN], ids=lambda case: case["id"])
def test_case(case: dict[str, Any]) -> None:
    found, expect = checked(case).to_json(), case["expect"]
    assert found["clip_can_act"] in expect.get("accept_act", [expect["clip_can_act"]])
    accepted = expect.get("accept_steps", [expect["optimizer_steps_per_rollout"]])
    assert found["optimizer_steps_per_rollout"] in accepted
    for ours, theirs in (("lower_bound", "clip_low"), ("upper_bound", "clip_high"), ("dual_bound", "dual_clip")):
        want = expect[theirs]
        assert found[ours] == (None if want is None else pytest.approx(want, rel=1e-6)), ours
    assert found["ratio_moves_by"] == expect["ratio_source"]


# A GRPOConfig whose file does not import unsloth is TRL's; `actor: {}` is nobody's own.
UNTOLD = {"unsloth-01": "trl", "areal-07": None}


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["id"])
def test_the_framework_is_told_from_the_file(case: dict[str, Any]) -> None:
    path = Path(f"case.{case['format']}")
    told = UNTOLD.get(case["id"], case["framework"])
    if told is None:
        with pytest.raises(InputError, match="framework must be given"):
            check_documents([parse(path, case["text"])])
        return
    assert check_documents([parse(path, case["text"])]).framework.name == told
