"""SkyRL's keys: every rule of its row in the table of frameworks, and its traps."""

import sys
import types
from pathlib import Path
from typing import Any

import pytest

from asked import codes
from clipbias.check.check import Checked, check_documents
from clipbias.check.document import parse
from clipbias.check.frameworks.skyrl import REWARD

A = "trainer.algorithm."
SHAPE = "trainer.train_batch_size=128 trainer.policy_mini_batch_size=32"
ONE = "trainer.train_batch_size=128 trainer.policy_mini_batch_size=128"


def script(text: str, **more: Any) -> Checked:
    found = check_documents([parse(Path("run.sh"), text)], **more)
    assert found.framework.name == "skyrl"
    return found


def checked(words: str, **more: Any) -> Checked:
    return script(f"uv run -m skyrl.train.entrypoints.main_base {words}\n", **more)


@pytest.mark.parametrize(("mini", "epochs"), [(128, 1), (32, 1), (64, 2), (128, 3)])
def test_prompts_over_prompts_times_epochs(mini: int, epochs: int) -> None:
    words = f"trainer.train_batch_size=128 trainer.policy_mini_batch_size={mini}"
    words += f" trainer.update_epochs_per_batch={epochs} generator.n_samples_per_prompt=7"
    found = checked(words)
    steps = 128 / mini * epochs
    assert found.training.geometry.steps_per_rollout == steps
    assert found.training.moves == ("updates" if steps > 1 else "noise")


def test_the_defaults_make_four_steps() -> None:
    assert checked("trainer.epochs=1").training.geometry.steps_per_rollout == 1024 / 256


def test_a_batch_is_a_multiple() -> None:
    found = checked("trainer.train_batch_size=128 trainer.policy_mini_batch_size=48")
    assert found.answer.verdict == "refused"
    assert found.training.geometry.steps_per_rollout is None


PLACED = "trainer.placement.policy_num_gpus_per_node"


def accepted(mini: int, micro: int, *, prompts: int, group: int, shards: int) -> bool:
    """The assertions of SkyRL's validate_batch_sizes, as it writes them."""
    own, whole = mini * group // shards, prompts * group // shards
    return prompts % mini == 0 and own > 0 and own % micro == 0 and own // micro > 0 and whole % own == 0


@pytest.mark.parametrize(
    ("micro", "devices", "more"),
    [
        (40, 4, {"trainer.policy_mini_batch_size": 4, "trainer.micro_train_batch_size_per_gpu": 5}),
        (5, 4, {"trainer.policy_mini_batch_size": 4}),
        (10, 4, {"trainer.policy_mini_batch_size": 16}),
    ],
)
def test_a_proposed_mini_batch_is_one_that_skyrl_accepts(micro: int, devices: int, more: dict[str, int]) -> None:
    words = "trainer.train_batch_size=32 trainer.policy_mini_batch_size=32 generator.n_samples_per_prompt=5"
    words += f" {PLACED}={devices} trainer.micro_train_batch_size_per_gpu={micro}"
    found = checked(words)
    assert "update_epochs_per_batch 1" in found.training.geometry.arithmetic
    assert dict(found.training.keys.more_updates) == more
    mini, micro = more["trainer.policy_mini_batch_size"], more.get("trainer.micro_train_batch_size_per_gpu", micro)
    assert accepted(mini, micro, prompts=32, group=5, shards=devices)
    again = checked(words, overrides=[f"{key}={value}" for key, value in more.items()])
    assert again.answer.verdict == "can-act"


@pytest.mark.parametrize("mini", [1, 4, 8, 16, 32])
@pytest.mark.parametrize("micro", [1, 5, 10, 40])
@pytest.mark.parametrize(
    "more", ["", "trainer.policy.sequence_parallel_size=2", "trainer.placement.policy_num_nodes=2"]
)
def test_micro_batches_that_do_not_fill_a_mini_batch_are_refused(mini: int, micro: int, more: str) -> None:
    words = f"trainer.train_batch_size=32 trainer.policy_mini_batch_size={mini} generator.n_samples_per_prompt=5 {more}"
    words += f" trainer.micro_train_batch_size_per_gpu={micro}"
    shards = {"": 4, "trainer.policy.sequence_parallel_size=2": 2}.get(more, 8)
    stops = not accepted(mini, micro, prompts=32, group=5, shards=shards)
    assert (checked(f"{words} {PLACED}=4").training.refused is not None) == stops
    assert checked(words).training.refused is None  # the devices are not in the file
    assert checked(f"{words} {PLACED}=$GPUS").training.refused is None


def test_dual_clip_is_a_loss_of_its_own() -> None:
    regular = checked(f"{SHAPE} {A}clip_ratio_c=10.0").training
    assert regular.loss.dual is None
    assert [i.key for i in regular.ignored] == [f"{A}clip_ratio_c"]
    dual = checked(f"{SHAPE} {A}policy_loss_type=dual_clip").training
    assert dual.loss.dual == 3.0
    assert not dual.ignored


def test_variables_that_are_never_passed() -> None:
    text = f"CLIP_RATIO_HIGH=0.28\nuv run -m skyrl.train.entrypoints.main_base {SHAPE}"
    unpassed = script(text + "\n")
    assert unpassed.training.loss.upper == 1.2
    assert "variable-not-passed" in codes(unpassed)
    passed = script(f"{text} {A}eps_clip_high=$CLIP_RATIO_HIGH\n")
    assert passed.training.loss.upper == 1.28
    assert "variable-not-passed" not in codes(passed)


def test_cispo_has_bounds_of_its_own() -> None:
    words = f"{SHAPE} {A}policy_loss_type=cispo {A}eps_clip_low=0.1"
    now = checked(words, version="2026-08-01")
    assert (now.training.loss.kind, now.training.loss.lower_bound, now.training.loss.upper) == ("weight", None, 5.0)
    assert [i.key for i in now.training.ignored] == [f"{A}eps_clip_low"]
    before = checked(words, version="2026-07-17").training.loss
    assert (before.lower, before.upper) == (1.0, 6.0)
    assert "floor-at-one" in codes(checked(words, version="2026-07-17"))


@pytest.mark.parametrize(
    ("words", "moves"),
    [
        ("policy_loss_type=cispo", "noise"),
        ("policy_loss_type=cispo trainer.algorithm.cispo.cispo_anchor=rollout", "mismatch"),
        ("policy_loss_type=rollout_is", "mismatch"),
        ("policy_loss_type=dppo", "mismatch"),
        ("policy_loss_type=gspo", "noise"),
        ("policy_loss_type=cross_entropy", "none"),
    ],
)
def test_denominators(words: str, moves: str) -> None:
    assert checked(f"{ONE} {A}{words}").training.moves == moves


def test_a_pass_in_the_same_micro_batches_is_exact() -> None:
    key = "trainer.recompute_old_logprobs_per_minibatch"
    assert checked(f"{ONE} {key}=true").training.moves == "identical"
    assert checked(f"{SHAPE} {key}=true").training.moves == "updates"
    assert checked(ONE, version="2026-06-11").training.moves == "noise"
    assert checked(ONE, version="2026-06-12").training.moves == "identical"
    assert checked(f"{ONE} {key}=false", version="2026-06-12").training.moves == "noise"


def test_losses_without_a_ratio_clip_ignore_its_keys() -> None:
    for name in ("sapo", "dppo", "kl_cov", "importance_sampling"):
        found = checked(f"{SHAPE} {A}policy_loss_type={name} {A}eps_clip_high=0.28")
        assert found.answer.verdict == "no-ratio-clip"
        assert [i.key for i in found.training.ignored] == [f"{A}eps_clip_high"]
    assert checked(f"{SHAPE} {A}policy_loss_type=my_own").answer.verdict == "undetermined"


def test_gspo_is_by_answers() -> None:
    found = checked(f"{SHAPE} {A}policy_loss_type=gspo")
    assert found.training.loss.level == "sequence"
    assert "wide-for-sequences" in codes(found)


def test_fully_async() -> None:
    words = f"{ONE} trainer.fully_async.enabled=true"
    assert "sampler" in str(checked(words).training.refused)
    old = checked(words, version="2026-06-01")
    assert old.training.moves == "noise"
    assert "staleness" in codes(old)
    assert checked(f"{words} {A}policy_loss_type=rollout_is").training.moves == "mismatch"
    assert "equal" in str(checked(f"{SHAPE} trainer.fully_async.enabled=true").training.refused)


def test_gates_and_what_excludes_them() -> None:
    off = f"{A}off_policy_correction."
    found = checked(f"{SHAPE} {off}tis_ratio_type=token {off}token_mask_is_threshold_high=4").training
    assert [gate.name for gate in found.gates] == ["TIS", "outlier mask"]
    assert checked(f"{SHAPE} {off}tis_ratio_type=token {A}policy_loss_type=clip_cov").answer.verdict == "refused"
    anchored = f"{A}policy_loss_type=cispo {A}cispo.cispo_anchor=rollout {off}tis_ratio_type=token"
    assert checked(f"{SHAPE} {anchored}").answer.verdict == "refused"
    assert "negative-cap" in codes(checked(f"{SHAPE} {A}use_tis=true"))
    assert "negative-cap" not in codes(checked(f"{SHAPE} {A}use_tis=true {A}tis_imp_ratio_cap=2.0"))


def test_kl_is_on_by_default() -> None:
    assert checked(SHAPE).training.confounders == (("kl_loss_coef", 0.001),)
    assert not checked(f"{SHAPE} {A}use_kl_loss=false").training.confounders


def test_normalisation() -> None:
    assert checked(SHAPE).training.normalisation.epsilon == 1e-6
    assert checked(f"{SHAPE} {A}grpo_norm_by_std=false").training.normalisation.scale == "none"
    assert checked(f"{SHAPE} {A}advantage_estimator=rloo").training.normalisation.baseline == "leave one out"
    assert "group-of-one" not in codes(checked(f"{SHAPE} generator.n_samples_per_prompt=1"))


@pytest.mark.parametrize("loss", ["regular", "cispo"])
def test_controls_say_what_they_claim(loss: str) -> None:
    words = f"{ONE} {A}policy_loss_type={loss}"
    keys = checked(words).training.keys

    def given(pairs: tuple[tuple[str, Any], ...]) -> Any:
        return checked(words, overrides=[f"{key}={value}" for key, value in pairs]).training

    assert given(keys.more_updates).geometry.steps_per_rollout == 8
    assert given(keys.no_clip).loss.lower_bound is None
    assert given(keys.no_clip).loss.upper > 1000
    assert given(keys.high_only).loss.upper == checked(words).training.loss.upper


@pytest.mark.usefixtures("one_rank")
def test_the_coin_is_of_the_frameworks_form(monkeypatch: pytest.MonkeyPatch) -> None:
    class Env:
        def __init__(self) -> None: ...

    stub = types.SimpleNamespace(BaseTextEnv=Env, BaseTextEnvStepOutput=lambda **named: named)
    monkeypatch.setitem(sys.modules, "skyrl_gym", types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "skyrl_gym.envs", types.SimpleNamespace())
    monkeypatch.setitem(sys.modules, "skyrl_gym.envs.base_text_env", stub)
    space: dict[str, Any] = {}
    exec(REWARD.format(success_prob=0.25, seed=3), space)
    found = [space["RandomRewardEnv"](extras={}).step("anything")["reward"] for _ in range(2000)]
    assert abs(sum(found) / 2000 - 0.25) < 0.05
