"""EasyR1's keys: every rule of its row in the table of frameworks, and its traps."""

import math
from pathlib import Path
from typing import Any

import pytest

from asked import bounds, codes, ignored
from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from clipbias.check.frameworks.easyr1 import REWARD
from clipbias.check.setup import Moves


def read(text: str, name: str, **more: Any) -> Checked:
    """Of a file that nobody said is EasyR1's."""
    found = check_documents([parse(Path(name), text)], **more)
    assert found.framework.name == "easyr1"
    return found


A = "worker.actor."
BATCH = f"data.rollout_batch_size=512 worker.rollout.n=8 {A}global_batch_size="


def checked(words: str, **more: Any) -> Checked:
    return read(f"python3 -m verl.trainer.main {words}\n", "run.sh", **more)


@pytest.mark.parametrize(("mini", "epochs"), [(512, 1), (128, 1), (64, 3)])
def test_prompts_over_prompts_times_epochs(mini: int, epochs: int) -> None:
    found = checked(f"{BATCH}{mini} {A}ppo_epochs={epochs}").to_json()
    steps = 512 // mini * epochs
    assert found["optimizer_steps_per_rollout"] == steps
    assert found["ratio_moves_by"] == ("updates" if steps > 1 else "noise")


def test_the_examples_configuration_differs_from_the_classes() -> None:
    assert checked("worker.rollout.n=8").training.geometry.steps_per_rollout == 512 / 256
    example = checked("config=examples/config.yaml")
    assert example.training.geometry.steps_per_rollout == 512 / 128
    assert example.training.geometry.group_size == 5


def test_the_generation_batch_changes_nothing() -> None:
    found = checked(f"{BATCH}128 data.mini_rollout_batch_size=64")
    assert found.training.geometry.steps_per_rollout == 4
    assert "generation-batch" in codes(found)


def test_refusals() -> None:
    assert checked(f"{BATCH}100").answer.verdict == "refused"
    alone = f"{BATCH}128".replace("n=8", "n=1")
    assert checked(alone).answer.verdict == "refused"
    assert checked(f"{alone} algorithm.adv_estimator=gae").training.refused is None
    assert checked(f"{BATCH}100").training.moves is Moves.NONE


def test_bounds_by_loss() -> None:
    assert bounds(checked(f"{BATCH}128")) == (0.8, 1.3, 3.0)
    assert "uneven-default" in codes(checked(f"{BATCH}128"))
    for name, level in (("gspo", "sequence"), ("gspo_token", "sequence"), ("default", "token")):
        found = checked(f"{BATCH}128 {A}loss_type={name} {A}clip_ratio_high=0.28 {A}clip_ratio_dual=10")
        assert bounds(found) == (0.8, 1.28, 10.0)
        assert found.training.loss.level == level
        assert "uneven-default" not in codes(found)
    cispo = checked(f"{BATCH}128 {A}loss_type=cispo {A}clip_ratio_dual=3")
    assert (cispo.training.loss.kind, bounds(cispo)) == ("weight", (0.8, 1.3, None))
    assert ignored(cispo) == {f"{A}clip_ratio_dual"}
    sapo = checked(f"{BATCH}128 {A}loss_type=sapo {A}clip_ratio_low=0.1")
    assert sapo.answer.verdict == "no-ratio-clip"
    assert ignored(sapo) == {f"{A}clip_ratio_low"}
    assert ignored(checked(f"{BATCH}128 {A}tau_negative=2")) == {f"{A}tau_negative"}


def test_normalisation_kl_and_filter() -> None:
    found = checked(f"{BATCH}128 algorithm.kl_coef=0.02 algorithm.online_filtering=True")
    plus = binary_advantages(8, found.training.normalisation)[0]
    assert plus[1] == pytest.approx((1 - 1 / 8) / (math.sqrt(1 / 8) + 1e-6))
    assert dict(found.training.confounders) == {"algorithm.kl_coef": 0.02}
    assert [gate.key for gate in found.training.gates] == ["online_filtering"]
    off = checked(f"{BATCH}128 algorithm.kl_coef=0.02 algorithm.disable_kl=True").training
    assert not off.confounders
    assert not off.gates


def test_controls_are_read_back() -> None:
    words = f"{BATCH}512 {A}clip_ratio_low=0.1"
    keys = checked(words).training.keys

    def changed(pairs: tuple[tuple[str, Any], ...]) -> Checked:
        return checked(words, overrides=[f"{key}={value}" for key, value in pairs])

    assert changed(keys.more_updates).training.geometry.steps_per_rollout == 8
    assert bounds(changed(keys.high_only))[:2] == (0.0, 1.3)
    assert bounds(changed(keys.low_only))[0] == 0.9
    assert (bounds(changed(keys.low_only))[1] or 0.0) > 1e5


def test_the_reward_is_called_as_easyr1_calls_it() -> None:
    scope: dict[str, Any] = {}
    exec(REWARD.format(success_prob=0.25, seed=1), scope)
    scores = scope["compute_score"]([{"response": "a", "ground_truth": "1"}] * 4000)
    mean = sum(score["overall"] for score in scores) / 4000
    assert abs(mean - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 4000)
