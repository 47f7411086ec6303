"""Launchers, files beside a script, and values that are not written out."""

import json
from pathlib import Path
from typing import Any

import pytest

from asked import asked
from clipbias.check.check import check_files
from clipbias.check.shell import read_script
from clipbias.common.errors import InputError

COACHED = "per_device_train_batch_size: 8\nnum_generations: 8\n"


def codes(found: dict[str, Any]) -> set[str]:
    return {finding["code"] for finding in found["findings"]}


def test_a_program_is_no_value_of_its_launcher() -> None:
    flags = "--num_generations 8 --generation_batch_size 256 --per_device_train_batch_size 8"
    for launcher in ("accelerate launch --num_processes 4", "torchrun --nproc_per_node=4"):
        assert asked(f"{launcher} grpo.py {flags}\n", "sh")["optimizer_steps_per_rollout"] == 8


def test_a_program_of_ones_own_is_known_by_the_files_it_takes(tmp_path: Path) -> None:
    (tmp_path / "acc.yaml").write_text("num_processes: 4\n")
    (tmp_path / "keys.yaml").write_text(COACHED + "generation_batch_size: 256\ngradient_accumulation_steps: 4\n")
    script = tmp_path / "run.sh"
    script.write_text("python prepare.py\naccelerate launch --config_file acc.yaml train.py --config keys.yaml\n")
    for name in ("trl", None):
        found = check_files([script], framework=name).to_json()
        assert (found["framework"], found["optimizer_steps_per_rollout"]) == ("trl", 2)


def test_keys_handed_on_as_a_table() -> None:
    text = "from trl import GRPOConfig\ncommon = dict(gradient_accumulation_steps=2)\n"
    found = asked(text + "GRPOConfig(steps_per_generation=8, **common)\n", "py")
    assert found["optimizer_steps_per_rollout"] == 4


def test_what_is_set_after_a_table_or_a_call_is_made() -> None:
    start = "from trl import GRPOConfig\ntable = {'gradient_accumulation_steps': 2}\n"
    for later in (
        "table['num_iterations'] = 3\n",
        "table.update(num_iterations=3)\n",
        "table.update({'num_iterations': 3})\n",
    ):
        assert asked(f"{start}{later}args = GRPOConfig(**table)\n", "py")["optimizer_steps_per_rollout"] == 3
    found = asked("args = GRPOConfig(epsilon=0.1)\nargs.num_iterations = 3\nother.num_iterations = 4\n", "py")
    assert (found["optimizer_steps_per_rollout"], found["lower_bound"]) == (3, 0.9)


def test_defaults_of_options_and_names_given_on_import() -> None:
    options = "parser.add_argument('--num-iterations', type=int, default=4)\nargs = parser.parse_args()\n"
    start = "from trl import GRPOConfig as Cfg\n"
    found = asked(f"{start}{options}config = Cfg(num_iterations=args.num_iterations)\n", "py")
    assert (found["framework"], found["optimizer_steps_per_rollout"]) == ("trl", 4)


def test_an_override_that_takes_a_key_away() -> None:
    start = "uv run examples/run_grpo.py grpo.num_prompts_per_step=64 loss_fn.ratio_clip_c=3"
    for word, dual in (("~loss_fn.ratio_clip_c", None), ("~loss_fn.ratio_clip_c=3", None), ("", 3)):
        assert asked(f"{start} {word}\n", "sh", framework="nemo-rl")["dual_bound"] == dual


def test_hydras_options_are_not_trls() -> None:
    assert asked("python main_grpo.py --config-name x algorithm.n_minibatches=1\n", "sh")["framework"] == "rlinf"


@pytest.mark.parametrize("written", ["cat > grpo.yaml <<'END'", "cat <<END > grpo.yaml", "cat >grpo.yaml << END"])
def test_a_file_that_the_script_writes(written: str) -> None:
    found = asked(f"N=3\n{written}\nnum_iterations: 3\nepsilon: 0.1\nEND\ntrl grpo --config grpo.yaml\n", "sh")
    assert (found["optimizer_steps_per_rollout"], found["lower_bound"]) == (3, 0.9)
    script = read_script(f"N=3\n{written}\na: $N\nEND\npython train.py\n")
    assert script.files == {"grpo.yaml": "a: $N\n" if "'" in written else "a: 3\n"}
    assert [command.line for command in script.commands] == [5]


def test_a_notebook() -> None:
    cells = [
        {"cell_type": "markdown", "source": ["# GRPO"]},
        {"cell_type": "code", "source": ["%%capture\n", "!pip install x\n", "import unsloth"]},
        {"cell_type": "code", "source": "from trl import GRPOConfig\nargs = GRPOConfig(num_iterations=2)"},
    ]
    found = asked(json.dumps({"cells": cells}), "ipynb")
    assert (found["framework"], found["optimizer_steps_per_rollout"]) == ("unsloth", 2)
    for broken in ("{}", "[1]", '{"cells": [1]}', '{"cells": [{"cell_type": "code", "source": 1}]}', "{"):
        with pytest.raises(InputError):
            asked(broken, "ipynb")


def test_a_command_handed_to_sbatch() -> None:
    found = read_script('N=2\nCOMMAND="uv run a.py x=$((N*8))" \\\nMOUNTS="/a:/a" \\\nsbatch --nodes=2 ray.sub\n')
    assert [command.words for command in found.commands] == [("uv", "run", "a.py", "x=16")]


def test_a_script_handed_to_another_shell() -> None:
    found = read_script('A=2\nB=3 srun -n 1 bash -lc "cd /tmp && python train.py --a $A"\n')
    assert [command.words for command in found.commands] == [("cd", "/tmp"), ("python", "train.py", "--a", "2")]
    assert found.commands[1].environment == {"B": "3"}


def test_a_default_that_a_shell_assigns() -> None:
    text = ': "${LOW:=0.2}"\n: ${HIGH:=0.28} # above\nHIGH_TOO=1\npython train.py --low $LOW\n'
    found = read_script(text)
    assert found.commands[0].words == ("python", "train.py", "--low", "0.2")
    assert {name for name, variable in found.variables.items() if not variable.used} == {"HIGH", "HIGH_TOO"}
    assert read_script('A=1\n: "${A:=2}"\npython $A\n').commands[0].words == ("python", "1")


def test_a_comment_within_a_command_cuts_off_overrides_too() -> None:
    start = "python3 -m verl.trainer.main_ppo data.train_batch_size=64 \\\n"
    rest = "  actor_rollout_ref.actor.ppo_mini_batch_size=64\n"
    assert "cut-off" not in codes(asked(start + rest, "sh"))
    found = asked(f"{start}# cut\n{rest}", "sh")
    assert "cut-off" in codes(found)


@pytest.mark.parametrize(
    ("size", "steps"),
    [("${mul:${grpo.num_prompts_per_step}, ${grpo.num_generations_per_prompt}}", 1), ("${div:512,2}", 4)],
)
def test_products_of_keys(size: str, steps: int) -> None:
    text = "grpo: {num_prompts_per_step: 64, num_generations_per_prompt: 16}\n"
    found = asked(f"{text}policy:\n  train_global_batch_size: {size}\n", "yaml", framework="nemo-rl")
    assert found["optimizer_steps_per_rollout"] == steps


def test_swift_called_from_python() -> None:
    keys = 'rlhf_type="grpo", num_generations=8, per_device_train_batch_size=8, steps_per_generation=2'
    found = asked(f"rlhf_main(RLHFArguments({keys}, gradient_accumulation_steps=2))\n", "py")
    assert (found["framework"], found["optimizer_steps_per_rollout"]) == ("ms-swift", 1)
    keys = 'rlhf_type="grpo", num_generations=8, micro_batch_size=1, global_batch_size=64, steps_per_generation=2'
    assert asked(f"main(MegatronRLHFArguments({keys}))\n", "py")["optimizer_steps_per_rollout"] == 2


def test_absolute_bounds_where_increments_are_asked() -> None:
    for low, high, said in ((0.8, 1.28, True), (0.2, 0.28, False), (0.05, 0.95, False), (1.0, 1e6, False)):
        found = asked(f"{COACHED}num_iterations: 4\nepsilon: {low}\nepsilon_high: {high}\n", "yaml", framework="trl")
        assert ("absolute-increments" in codes(found)) is said


def test_steps_that_fall_across_rollouts_are_named() -> None:
    for steps, said in ((3, True), (6, True), (8, False), (2, False)):
        text = f"{COACHED}gradient_accumulation_steps: 4\nsteps_per_generation: {steps}\n"
        assert ("misaligned" in codes(asked(text, "yaml", framework="trl"))) is said


def test_bounds_that_only_a_run_knows_do_not_matter_to_a_ratio_of_1() -> None:
    text = "ratio = torch.exp(logp - logp.detach())\nx = ratio.clamp(1 - args.eps, 1 + args.eps)\noptimizer.step()\n"
    found = asked(text, "py")
    assert (found["clip_can_act"], found["loss"], found["lower_bound"]) == (False, "clamped ratio", None)


def test_options_of_the_script_itself_are_no_lost_flags() -> None:
    parsed = 'steps=4\nwhile [[ $# -gt 0 ]]; do\n  case "$1" in\n    --steps) steps="$2"; shift 2 ;;\n  esac\ndone\n'
    found = asked(f"{parsed}trl grpo --num_generations 8 --steps_per_generation $steps\n", "sh")
    assert found["optimizer_steps_per_rollout"] == 4
    assert "cut-off" not in codes(found)
    assert "cut-off" in codes(asked("trl grpo --num_generations 8 \\\n# off\n  --steps_per_generation 4\n", "sh"))


def test_a_file_that_another_option_names_gives_no_keys(tmp_path: Path) -> None:
    (tmp_path / "zero.json").write_text('{"gradient_accumulation_steps": "auto", "train_batch_size": "auto"}')
    script = tmp_path / "run.sh"
    flags = "--num_generations 8 --steps_per_generation 4"
    script.write_text(f"trl grpo {flags} --deepspeed zero.json --prompt_data rows.json\n")
    found = check_files([script]).to_json()
    assert found["optimizer_steps_per_rollout"] == 4
    assert "not-followed" not in codes(found)


def test_a_branch_that_only_a_running_shell_takes_is_told() -> None:
    start = "steps=4\ncase $(uname) in\n  Linux) steps=8 ;;\nesac\n"
    found = asked(f"{start}trl grpo --num_generations 8 --steps_per_generation $steps\n", "sh")
    (told,) = (finding["message"] for finding in found["findings"] if finding["code"] == "branch")
    assert told.startswith("line 2: which branch $(uname) takes")
    assert found["optimizer_steps_per_rollout"] == 4
