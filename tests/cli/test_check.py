"""`clipbias check` and --config as a user types them."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Done = subprocess.CompletedProcess[str]
Ask = Callable[[str], Done]
IDLE = "per_device_train_batch_size: 8\ngradient_accumulation_steps: 4\nnum_generations: 8\n"
ACTS = IDLE + "steps_per_generation: 32\nepsilon_high: 0.28\n"
TOY = "--probs 0.65,0.35 --learning-rate 1 --success-prob 0.5"


@pytest.fixture
def file(tmp_path: Path) -> Callable[[str], Path]:
    def write(text: str, name: str = "grpo.yaml") -> Path:
        (tmp_path / name).write_text(text)
        return tmp_path / name

    return write


def found(done: Done) -> dict[str, Any]:
    value: dict[str, Any] = json.loads(done.stdout, parse_constant=pytest.fail)
    return value


def test_the_verdict_comes_first_and_the_exit_status_says_whether_to_mend(clipbias: Ask, file: Any) -> None:
    idle, acts = clipbias(f"check {file(IDLE)}"), clipbias(f"check {file(ACTS, 'b.yaml')}")
    assert idle.stdout.startswith("Your clip cannot act: ")
    assert "steps_per_generation: 32" in idle.stdout  # what to change
    assert acts.stdout.startswith("Your clip can act: ")
    assert (idle.returncode, acts.returncode) == (1, 0)
    assert (idle.stderr, acts.stderr) == ("", "")


def test_an_override_wins_over_the_file_and_files_over_those_before(clipbias: Ask, file: Any) -> None:
    path = file(IDLE)
    assert found(clipbias(f"check {path} num_iterations=2 --json"))["verdict"] == "can-act"
    assert found(clipbias(f"check {path} {file('num_iterations: 2', 'b.yaml')} --json"))["verdict"] == "can-act"
    assert found(clipbias(f"check {path} --json"))["verdict"] == "cannot-act"


CONTRACT = {
    "framework", "verdict", "clip_can_act", "optimizer_steps_per_rollout", "arithmetic", "ratio_moves_by",
    "lower_bound", "upper_bound", "dual_bound", "ignored", "gates", "findings", "degenerate_group_prob",
    "max_abs_advantage", "neutral_upper_bound", "entropy_push",
}  # fmt: skip


def test_json_has_the_keys_of_the_contract_and_nothing_else_on_stdout(clipbias: Ask, file: Any) -> None:
    done = clipbias(f"check {file(ACTS)} --json")
    assert done.stdout.count("\n") == 1
    assert set(found(done)) >= CONTRACT
    assert all(set(f) == {"code", "level", "message", "fix"} for f in found(done)["findings"])


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("nowhere.yaml", "No such file"),
        ("num_iterations=2", "must name a file"),
        ("{idle} --success-prob 2", "--success-prob must be in [0, 1]"),
        ("{idle} --ratio-std 0", "--ratio-std must be in (0, 10]"),
        ("{idle} --devices 0", "--devices"),
        ("{idle} --framework nothing", "--framework must be one of"),
        ("{idle} --version soon", "--version must be"),
        ("{idle} epsilon=wide", "epsilon must be a number"),
        ("{idle} num_iterations=1.5", "num_iterations must be a whole number"),
        ("{idle} loss_type=mine", "loss_type must be one of"),
    ],
)
def test_wrong_input_is_one_line_that_names_the_field(arguments: str, said: str, clipbias: Ask, file: Any) -> None:
    done = clipbias("check " + arguments.format(idle=file(IDLE)))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert said in done.stderr


def test_what_stands_in_a_file_is_not_markup(clipbias: Ask, file: Any) -> None:
    path = file(IDLE + '"[red]x[/red]": 1\n')
    done = clipbias(f"check {path}")
    assert "[red]x[/red]" in done.stdout


def test_an_escape_in_a_file_is_not_the_terminal_s(clipbias: Ask, file: Any) -> None:
    path = file(IDLE + '"\\e[31mkey": 1\n')
    assert "key" in clipbias(f"check {path}").stdout
    assert "\x1b" not in clipbias(f"check {path}").stdout


def test_an_infinite_bound_is_none(clipbias: Ask, file: Any) -> None:
    answer = found(clipbias(f"check {file(ACTS)} epsilon_high=inf --json"))
    assert (answer["lower_bound"], answer["upper_bound"], answer["clip_can_act"]) == (0.8, None, True)


def test_a_configuration_in_the_place_of_flags(clipbias: Ask, file: Any) -> None:
    path = file(ACTS)
    given = "--group-size 8 --groups-per-minibatch 4 --minibatches 8 --clip-low 0.2 --clip-high 0.28"
    by_flags = clipbias(f"theory phase {TOY} {given} --scale std-unbiased --json")
    by_file = clipbias(f"theory phase {TOY} --config {path} --json")
    assert by_file.stdout == by_flags.stdout
    assert by_file.stderr.startswith(f"from {path}")
    other = clipbias(f"theory phase {TOY} --config {path} --clip-high 0.2 --json")  # what is typed wins
    assert other.stdout == clipbias(f"theory phase {TOY} {given[:-4]}0.2 --scale std-unbiased --json").stdout
    assert other.stdout != by_file.stdout
    twice = clipbias(f"theory phase {TOY} --config {path} --config epsilon_high=0.2 --json")
    assert twice.stdout == other.stdout


def test_the_neutral_bound_and_the_drift_of_a_configuration(clipbias: Ask, file: Any) -> None:
    path = file(ACTS)
    neutral = found(clipbias(f"theory neutral --config {path} --ratio-std 0.1 --json"))["clip_high"]
    assert neutral == found(clipbias("theory neutral --clip-low 0.2 --ratio-std 0.1 --json"))["clip_high"]
    told = found(clipbias(f"check {path} --ratio-std 0.1 --json"))["neutral_upper_bound"]
    assert told == pytest.approx(1 + neutral)
    drift = f"theory drift --old-probs 0.65,0.35 --probs 0.8,0.2 --success-prob 0.5 --config {path} --json"
    assert found(clipbias(drift))["drift"] != [0.0, 0.0]


def test_a_simulation_of_a_configuration_takes_its_optimizer_and_epochs(clipbias: Ask, file: Any) -> None:
    path = file(IDLE + "num_iterations: 2\n")
    rest = "--probs 0.65,0.35 --learning-rate 0.05 --success-prob 0.5 --replicates 200 --json"
    shape = "--group-size 8 --groups-per-minibatch 4 --minibatches 1 --clip-low 0.2 --clip-high 0.2"
    by_flags = clipbias(f"simulate run {rest} {shape} --scale std-unbiased --optimizer adam --epochs 2")
    assert clipbias(f"simulate run {rest} --config {path}").stdout == by_flags.stdout
    refused = clipbias(f"theory phase {TOY} --config {path}")
    assert (refused.returncode, refused.stderr.count("\n")) == (2, 1)
    assert "simulate run" in refused.stderr


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("num_generations: 3\nnum_iterations: 1\n", "--config must be"),
        ("num_generations: 8\nloss_type: vespo\n", "--surrogate must be"),
    ],
)
def test_a_configuration_that_the_toy_has_no_word_for(text: str, said: str, clipbias: Ask, file: Any) -> None:
    done = clipbias(f"theory phase {TOY} --config {file(text)}")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert said in done.stderr
