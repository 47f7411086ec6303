"""A launch of verl, asked of `check`."""

from pathlib import Path
from typing import Any

from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse

A = "actor_rollout_ref.actor."
BATCH = f"algorithm.adv_estimator=grpo data.train_batch_size=128 actor_rollout_ref.rollout.n=8 {A}ppo_mini_batch_size="
SEVERAL = f"{BATCH}32"
ONE = f"{BATCH}128"
BYPASS = "algorithm.rollout_correction.bypass_mode=True"


def checked(words: str, program: str = "verl.trainer.main_ppo", **more: Any) -> Checked:
    """Of a launch script that nobody said is verl's."""
    found = check_documents([parse(Path("run.sh"), f"python3 -m {program} {words}\n")], **more)
    assert found.framework.name == "verl"
    return found
