"""prime-rl: no ratio clip, masks on probabilities, and a group size of 1 by default."""

from typing import Any

import pytest

from asked import asked

BATCH = "[orchestrator]\nbatch_size = 128\n"


def prime(text: str, **options: Any) -> dict[str, Any]:
    return asked(text, "toml", **options)


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


def test_no_ratio_clip_and_one_step() -> None:
    found = prime(BATCH + "group_size = 16\n[trainer]\n")
    assert (found["framework"], found["verdict"], found["ratio_moves_by"]) == ("prime-rl", "no-ratio-clip", "mismatch")
    assert (found["optimizer_steps_per_rollout"], found["lower_bound"], found["upper_bound"]) == (1, None, None)
    assert "asynchronous" in codes(found)


@pytest.mark.parametrize(
    ("loss", "said"),
    [
        ("", "by more than 0.2"),
        ("dppo_mask_high = 0.4\n", "by more than 0.4"),
        ('type = "ipo"\n', "more than 0.1 off"),
        ('type = "ipo"\nipo_threshold = 0.3\n', "more than 0.3 off"),
    ],
)
def test_masks(loss: str, said: str) -> None:
    found = prime(BATCH + "group_size = 16\n[trainer.loss]\n" + loss)
    assert said in found["gates"][0]["what"]


def test_masks_of_the_other_loss_or_of_old_versions_are_ignored() -> None:
    found = prime(BATCH + '[trainer.loss]\ntype = "ipo"\ndppo_mask_low = 0.3\ntoken_mask_high = 8.0\n')
    assert {entry["key"] for entry in found["ignored"]} == {
        "trainer.loss.dppo_mask_low",
        "trainer.loss.token_mask_high",
    }


def test_masks_were_symmetric_before_april_2026() -> None:
    old = prime(BATCH, version="2026-04-01")
    assert "whatever their side" in old["gates"][0]["what"]
    assert "older-masks" not in codes(old)
    assert "older-masks" in codes(prime(BATCH))


@pytest.mark.parametrize(
    ("text", "dead"),
    [
        (BATCH, True),
        (BATCH + "group_size = 16\n", False),
        (BATCH + '[[orchestrator.train.source]]\nname = "a"\ngroup_size = 8\n', False),
        (BATCH + '[orchestrator.algo]\ntype = "max_rl"\n', True),
        (BATCH + '[orchestrator.algo]\ntype = "rae"\n', False),
    ],
)
def test_a_group_of_one_has_no_advantage(text: str, dead: bool) -> None:
    assert ("group-of-one" in codes(prime(text))) == dead


def test_advantages_are_centred_and_not_divided() -> None:
    assert prime(BATCH + "group_size = 2\n")["max_abs_advantage"] == pytest.approx(0.5)


def test_the_older_name_of_the_group_size() -> None:
    found = prime(BATCH + "rollouts_per_example = 16\n")
    assert "renamed" in codes(found)
    assert "group-of-one" not in codes(found)


@pytest.mark.parametrize("more", ["group_size = 24\n", "token_batch_size = 4096\n"])
def test_refused(more: str) -> None:
    assert prime(BATCH + more)["verdict"] == "refused"


def test_distillation_has_no_ratio_or_another_mask() -> None:
    assert prime(BATCH + '[orchestrator.algo]\ntype = "sft"\n')["ratio_moves_by"] == "none"
    found = prime(BATCH + '[orchestrator.algo]\ntype = "opd"\n')
    assert (found["loss"], found["ratio_moves_by"]) == ("ref_kl", "mismatch")


def test_a_command_and_a_file_of_one_room() -> None:
    found = asked("uv run rl --orchestrator.batch-size 64 --orchestrator.group-size 8\n", "sh")
    assert (found["framework"], found["arithmetic"].split(" is ")[0]) == ("prime-rl", "every batch of 64 answers")
    alone = prime("batch_size = 64\ngroup_size = 8\nmax_off_policy_steps = 2\n", framework="prime-rl")
    assert alone["degenerate_group_prob"] == pytest.approx(2 * 0.5**8)
