"""Whose a file is: names that many use decide nothing, and what trains without a clipped ratio is refused."""

from pathlib import Path

import pytest

from asked import asked
from clipbias.check.check import check_files
from clipbias.common.errors import InputError


@pytest.mark.parametrize(
    ("keys", "framework"),
    [
        ("actor:\n  eps_clip: 0.2\n  ppo_n_minibatches: 4\n", "areal"),
        ("grpo:\n  num_prompts_per_step: 64\nloss_fn:\n  ratio_clip_min: 0.2\n", "nemo-rl"),
        ("num_generations: 8\nsteps_per_generation: 4\n", "trl"),
    ],
)
def test_a_program_named_after_grpo_is_its_files(tmp_path: Path, keys: str, framework: str) -> None:
    (tmp_path / "keys.yaml").write_text(keys)
    script = tmp_path / "run.sh"
    script.write_text("python examples/vlm/geometry3k_grpo.py --config keys.yaml\n")
    assert check_files([script]).framework.name == framework


def test_a_program_named_after_grpo_whose_file_is_not_here_is_nobodys() -> None:
    with pytest.raises(InputError, match="framework must be given"):
        asked("python geometry3k_grpo.py --config missing.yaml\n", "sh")
    assert asked("python src/open_r1/grpo.py --config missing.yaml\n", "sh")["framework"] == "trl"
    assert asked("uv run examples/nemo_gym/run_grpo_nemo_gym.py --config a.yaml\n", "sh")["framework"] == "nemo-rl"


def test_a_fork_that_keeps_openrlhfs_flags() -> None:
    flags = "--rollout_batch_size 64 --n_samples_per_prompt 16 --train_batch_size 128 --max_epochs 1"
    for program in ("openrlhf.cli.train_ppo_ray", "ttrl.cli.train_ppo_naive"):
        found = asked(f"python -m {program} {flags}\n", "sh")
        assert (found["framework"], found["optimizer_steps_per_rollout"]) == ("openrlhf", 8)


def test_epochs_alone_are_not_torchtunes() -> None:
    with pytest.raises(InputError, match="framework must be given"):
        asked("ppo_mini_batch_size: 256\nppo_epochs: 1\nclip_ratio: 0.2\n", "yaml")
    assert asked("grpo_samples: 16\nppo_epochs: 2\n", "yaml")["framework"] == "torchtune"


@pytest.mark.parametrize(
    ("framework", "keys", "named"),
    [
        (None, "loss:\n  _component_: torchtune.modules.loss.LinearCrossEntropyLoss\n", "loss._component_"),
        (None, "runner:\n  task_type: sft\n", "runner.task_type"),
        (None, "runner:\n  task_type: embodied\nalgorithm:\n  loss_type: embodied_sac\n", "algorithm.loss_type"),
        ("roll", "chosen_key: chosen\nbeta: 0.1\nactor_train:\n  training_args: {lr: 1e-6}\n", "chosen_key"),
        (
            None,
            "distillation: {num_prompts_per_step: 64}\nloss_fn: {kl_type: mixed}\npolicy: {max_grad_norm: 1}\n",
            "distillation",
        ),
    ],
)
def test_a_training_without_a_clipped_ratio_gets_no_verdict(framework: str | None, keys: str, named: str) -> None:
    with pytest.raises(InputError) as refused:
        asked(keys, "yaml", framework=framework)
    assert refused.value.field == named


def test_what_only_a_shell_knows_is_no_name_of_a_file() -> None:
    start = "uv run examples/run_grpo.py grpo.num_prompts_per_step=64 --config"
    for word in ("$CONFIG", "$1", "$(ls *.yaml)"):
        found = asked(f"{start} {word}\n", "sh")
        told = " ".join(finding["message"] for finding in found["findings"])
        assert "from --config, which the file does not set" in told
        assert "object" not in told
    with pytest.raises(InputError, match="framework must be given"):
        asked(f"python a.py --config-name b --config-path $( cd {'/x' * 200} && pwd )\n", "sh")
    with pytest.raises(InputError, match="framework must be given"):
        asked(f"python a.py --config {'x' * 300}\n", "sh")
