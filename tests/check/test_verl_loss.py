"""verl's keys, loss: its bounds and gates, the advantages, the other terms, and the arms of a control."""

import math
from typing import Any

import pytest

from asked import bounds, ignored
from clipbias.check.answer import binary_advantages
from clipbias.check.check import Checked
from clipbias.check.frameworks.verl import REWARD
from clipbias.check.setup import Moves
from verl_launch import BATCH, BYPASS, ONE, SEVERAL, A, checked


def of_mode(mode: str, words: str = "") -> Checked:
    return checked(f"{SEVERAL} {A}policy_loss.loss_mode={mode} {words}")


def test_clip_ratio_alone_is_inert_and_null_gives_it_back() -> None:
    alone = checked(f"{SEVERAL} {A}clip_ratio=0.28")
    assert bounds(alone) == (0.8, 1.2, 3.0)
    assert ignored(alone) == {f"{A}clip_ratio"}
    given_back = checked(f"{SEVERAL} {A}clip_ratio=0.3 {A}clip_ratio_high=null")
    assert bounds(given_back) == (0.8, 1.3, 3.0)
    assert not ignored(given_back)


def test_before_april_2025_clip_ratio_was_the_only_bound() -> None:
    for version in ("0.3.0", "2025-03-01"):
        old = checked(f"{SEVERAL} {A}clip_ratio=0.3 {A}clip_ratio_high=0.28", version=version)
        assert bounds(old) == (0.7, 1.3, None)
        assert ignored(old) == {f"{A}clip_ratio_high"}
    assert bounds(checked(f"{SEVERAL} {A}clip_ratio=0.3", version="0.4.0")) == (0.8, 1.2, 3.0)


def test_the_dual_clip_is_of_vanilla_alone() -> None:
    assert bounds(of_mode("vanilla", f"{A}clip_ratio_c=10")) == (0.8, 1.2, 10.0)
    for mode in ("gspo", "cispo", "clip_cov", "geo_mean"):
        found = of_mode(mode, f"{A}clip_ratio_c=10")
        assert found.training.loss.dual is None
        assert f"{A}clip_ratio_c" in ignored(found)


def test_levels_and_kinds() -> None:
    band = f"{A}clip_ratio_low=0.1 {A}clip_ratio_high=0.3"
    gspo = of_mode("gspo", band)
    assert (gspo.training.loss.level, bounds(gspo)[:2]) == ("sequence", (0.9, 1.3))
    cispo = of_mode("cispo", band)
    assert (cispo.training.loss.kind, bounds(cispo)[:2]) == ("weight", (0.9, 1.3))
    logs = of_mode("geo_mean", band)
    assert bounds(logs)[0] == pytest.approx(math.exp(-0.1))
    assert bounds(logs)[1] == pytest.approx(math.exp(0.3))
    assert of_mode("clip_cov", band).training.loss.kind == "clip"


@pytest.mark.parametrize("mode", ["dppo_tv", "dppo_kl", "sapo", "gpg", "kl_cov"])
def test_losses_without_a_clip(mode: str) -> None:
    found = of_mode(mode, f"{A}clip_ratio_low=0.1")
    assert found.answer.verdict == "no-ratio-clip"
    assert bounds(found) == (None, None, None)
    assert found.training.moves is (Moves.NONE if mode == "gpg" else Moves.UPDATES)
    masked = mode.startswith("dppo")
    assert (f"{A}clip_ratio_low" in ignored(found)) is not masked
    gates = {gate.name: gate.what for gate in found.training.gates}
    assert ("DPPO mask" in gates) is masked
    assert ("covariance penalty" in gates) is (mode == "kl_cov")
    if masked:
        assert "more than 0.1 down or 0.2 up" in gates["DPPO mask"]


def test_keys_of_another_loss() -> None:
    share = f"{A}policy_loss.clip_cov_ratio"
    assert share in ignored(of_mode("vanilla", f"{share}=0.01"))
    found = of_mode("clip_cov", f"{share}=0.01")
    assert share not in ignored(found)
    assert "0.01" in found.training.gates[0].what
    assert f"{A}tau_neg" in ignored(of_mode("vanilla", f"{A}tau_neg=2"))
    assert f"{A}tau_neg" not in ignored(of_mode("sapo", f"{A}tau_neg=2"))


def test_loss_type_reaches_the_actor_through_its_own_key_alone() -> None:
    """The trainers of 0.9 hand algorithm.rollout_correction to no worker."""
    outer = checked(f"{ONE} {BYPASS} algorithm.rollout_correction.loss_type=reinforce")
    assert outer.training.loss.kind == "clip"
    assert ignored(outer) == {"algorithm.rollout_correction.loss_type"}
    inner = f"+{A}policy_loss.rollout_correction.loss_type=reinforce {A}policy_loss.loss_mode=bypass_mode"
    found = checked(f"{ONE} {BYPASS} {inner}")
    assert found.answer.verdict == "no-ratio-clip"
    assert found.training.moves is Moves.NONE


def test_normalisation() -> None:
    def rule(words: str) -> Any:
        return checked(words).training.normalisation

    grpo = binary_advantages(8, rule(SEVERAL))[0]
    mean, std = 1 / 8, math.sqrt(1 / 8)  # one rewarded of eight: m(n − m)/(n(n − 1)) = 1/8
    assert grpo[1] == pytest.approx((1 - mean) / (std + 1e-6))
    centred = binary_advantages(8, rule(f"{SEVERAL} algorithm.norm_adv_by_std_in_grpo=False"))[0]
    assert centred[1] == pytest.approx(1 - mean)
    rloo = binary_advantages(8, rule(SEVERAL.replace("grpo", "rloo")))
    assert rloo[0][1] == pytest.approx(1.0)
    assert rloo[1][1] == pytest.approx(-1 / 7)
    assert rule(SEVERAL.replace("grpo", "gae")).whitened


def test_confounders_and_switched_off_coefficients() -> None:
    on = checked(f"{SEVERAL} {A}entropy_coeff=0.01 {A}use_kl_loss=True {A}kl_loss_coef=0.02")
    assert dict(on.training.confounders) == {f"{A}entropy_coeff": 0.01, f"{A}kl_loss_coef": 0.02}
    off = checked(f"{SEVERAL} {A}kl_loss_coef=0.02")
    assert not off.training.confounders
    assert ignored(off) == {f"{A}kl_loss_coef"}
    assert not ignored(checked(f"{SEVERAL} {A}kl_loss_coef=0.0"))


def test_other_gates() -> None:
    found = checked(f"{SEVERAL} algorithm.filter_groups.enable=True algorithm.rollout_correction.rollout_rs=token_k1")
    assert {gate.name for gate in found.training.gates} == {"dynamic sampling", "rollout correction"}
    assert not checked(SEVERAL).training.gates


@pytest.mark.parametrize("mode", ["vanilla", "gspo", "geo_mean"])
def test_controls_are_read_back(mode: str) -> None:
    words = f"{BATCH}128 {A}policy_loss.loss_mode={mode} {A}clip_ratio_low=0.1 {A}clip_ratio_high=0.3"
    keys, own = checked(words).training.keys, bounds(checked(words))

    def changed(pairs: tuple[tuple[str, Any], ...]) -> Checked:
        return checked(words, overrides=[f"{key}={value}" for key, value in pairs])

    assert changed(keys.more_updates).training.geometry.steps_per_rollout == 8
    high = changed(keys.high_only)
    assert bounds(high)[1] == pytest.approx(own[1])
    assert (high.training.loss.lower_bound or 0.0) < 1e-8
    low = changed(keys.low_only)
    assert bounds(low)[0] == pytest.approx(own[0])
    assert (bounds(low)[1] or 0.0) > 1e5
    assert changed((*keys.no_clip, *keys.more_updates)).training.moves is Moves.UPDATES


def test_the_reward_is_called_as_verl_calls_it() -> None:
    scope: dict[str, Any] = {}
    exec(REWARD.format(success_prob=0.25, seed=1), scope)
    rewards = [scope["compute_score"](data_source="s", solution_str="a", ground_truth="1") for _ in range(4000)]
    assert set(rewards) == {0.0, 1.0}
    assert abs(sum(rewards) / 4000 - 0.25) < 4 * math.sqrt(0.25 * 0.75 / 4000)
