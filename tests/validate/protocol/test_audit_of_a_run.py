"""`clipbias audit` of a run folder: an arm and a seed is a log, with the run's own numbers."""

from pathlib import Path

import numpy as np
import pytest

from clipbias.audit.audit import audit
from clipbias.audit.log import Role
from clipbias.validate.store.run_record import read_run

pytestmark = pytest.mark.training


def test_arms_and_seeds_of_a_run(finished_run: Path) -> None:
    found, run = audit([finished_run]), read_run(finished_run)
    assert len(found.logs) == 4
    assert found.framework.name == "clipbias"
    assert found.diagnosis.steps_per_rollout == 2
    for log in found.logs:
        arm, _, seed = log.name.partition(": ")[2].partition(", seed ")
        curves = run.arms[arm].curves["accuracy"][run.seeds.index(int(seed))]
        accuracy = log.of(Role.MEASURE)
        assert accuracy is not None
        assert accuracy.values == pytest.approx(curves[np.isfinite(curves)])
    codes = {(finding.log.split(": ")[1].partition(",")[0], finding.code) for finding in found.diagnosis.findings}
    assert ("no-clip", "no-bounds") in codes
    assert ("clip", "no-bounds") not in codes


def test_a_run_as_placebo_of_itself_has_no_gain(finished_run: Path) -> None:
    found = audit([finished_run], [finished_run]).to_json()
    assert "gain-over-placebo" not in {finding["code"] for finding in found["diagnosis"]}
