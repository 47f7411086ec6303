"""The monitor in a training of two processes: both show what the tokens of both make, and one alone speaks."""

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from each_process import EPSILON, MINIBATCHES

pytestmark = pytest.mark.training
TESTS = Path(__file__).parents[1]


def test_two_processes_show_what_the_tokens_of_both_make(tmp_path: Path) -> None:
    launch = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(TESTS)}
    done = subprocess.run(
        [*launch, str(TESTS / "each_process.py"), str(tmp_path)], env=environment, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr[-3000:]
    first, second = (json.loads((tmp_path / f"{rank}.json").read_text()) for rank in range(2))
    assert first["processes"] == 2
    assert first["views"] == second["views"]
    assert first["tokens"] != second["tokens"]
    clipped = 0
    for phase, view in enumerate(first["views"]):
        blocks = [
            np.array([*first["tokens"][k], *second["tokens"][k]])
            for k in range(MINIBATCHES * phase, MINIBATCHES * (phase + 1))
        ]
        late = np.concatenate(blocks[2:])
        ratio, advantage = np.exp(late[:, 0]), late[:, 1]
        low, high = (ratio < 1 - EPSILON) & (advantage < 0), (ratio > 1 + EPSILON) & (advantage > 0)
        assert view["clipping/low/measured"] == pytest.approx(low.mean())
        assert view["clipping/high/measured"] == pytest.approx(high.mean())
        assert view["clipping/spread/04"] == pytest.approx(np.sqrt(np.mean(blocks[3][:, 0] ** 2)), rel=1e-5)
        clipped += int(low.sum() + high.sum())
    assert clipped > 0
    assert done.stderr.count("the clip cannot act") == 1
