"""`clipbias check --control` as a user types it."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from clipbias.check.check import check_files
from clipbias.check.control import control
from clipbias.check.kinds import KINDS
from clipbias.check.placebo import Known
from clipbias.cli import control as command

Done = subprocess.CompletedProcess[str]
TRAINING = (
    "per_device_train_batch_size: 16\ngradient_accumulation_steps: 4\nsteps_per_generation: 8\n"
    "num_generations: 8\nepsilon_high: 0.28\n"
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "grpo.yaml"
    path.write_text(TRAINING)
    return path


def test_the_command_knows_every_kind() -> None:
    assert command.KINDS == KINDS


def test_json_has_the_control_beside_the_answer(clipbias: Callable[[str], Done], file: Path) -> None:
    options = "--problems 200 --samples 2 --seeds 3 --accuracy 0.4 --share 0.6 --spread 0.05 --phases 2 --effect 0.1"
    found = json.loads(
        clipbias(f"check {file} --control one-sided {options} --json").stdout, parse_constant=pytest.fail
    )
    known = Known(
        problems=200, samples=2, seeds=3, accuracy=0.4, share=0.6, spread=0.05, phases=2, effect=0.1, success_prob=0.5
    )
    assert found["control"] == json.loads(json.dumps(control(check_files([file]), "one-sided", known).to_json()))
    assert found["verdict"] == "can-act"
    assert "control" not in json.loads(clipbias(f"check {file} --json").stdout)


@pytest.mark.parametrize("kind", KINDS)
def test_lines_can_be_copied_as_they_are(clipbias: Callable[[str], Done], file: Path, kind: str) -> None:
    done = clipbias(f"check {file} --control {kind} --success-prob 0.3")
    want = control(check_files([file]), kind, Known(success_prob=0.3))
    assert all(arm.text in done.stdout for arm in want.arms)
    assert done.stdout.endswith(want.reward_source)
    assert "< 0.3" in done.stdout
    assert done.stderr == ""


def test_what_was_left_out_of_a_band_is_said(clipbias: Callable[[str], Done], file: Path) -> None:
    done = clipbias(f"check {file} --control random --problems 200 --accuracy 0.4")
    assert "by counting alone" in done.stdout


@pytest.mark.parametrize(
    ("options", "complaint"),
    [
        ("--problems 5", "--problems must be given with --control"),
        ("--control random --accuracy 0.4", "--problems must be given with an accuracy or a share"),
        ("--control random --accuracy 1 --problems 9", "--accuracy must be in (0, 1), got 1.0"),
        (
            "--control random --share 0.4 --problems 9 --spread 0.1",
            "--phases must be given with a spread",
        ),
        ("--control nothing", "--control must be one of random, no-clip, matched-kl, one-sided, got nothing"),
        ("--control random --success-prob 1", "--success-prob must be in (0, 1) for a coin, got 1.0"),
    ],
)
def test_complaints(clipbias: Callable[[str], Done], file: Path, options: str, complaint: str) -> None:
    done = clipbias(f"check {file} {options}")
    assert (done.returncode, done.stdout, done.stderr) == (2, "", f"Error: {complaint}\n")
