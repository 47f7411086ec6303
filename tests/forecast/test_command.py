"""The whole command on the shipped organism, small: contract, cache, seeds, refusals, and an ordering that must come
out."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import torch

from clipbias.forecast.survey import keeper, tempered
from clipbias.validate.model.gradients import Row, token_log_probs
from clipbias.validate.model.subject import load_model
from clipbias.validate.organism.spec import SHIPPED, load_spec
from clipbias.validate.organism.text import training_problems

Ask = Callable[[str], CompletedProcess[str]]
CONFIG = """
learning_rate: 1.0e-4
num_generations: 8
per_device_train_batch_size: 8
steps_per_generation: 4
max_completion_length: 28
lr_scheduler_type: constant
"""
MINE = """
def coded(completions, **rest):
    return [float(text.startswith("print")) for text in completions]

def never(completions, **rest):
    return [0.0 for _ in completions]

def starts(text):
    return text.startswith("We")
"""
SMALL = "--phases 1 --answers 4 --coordinates 512 --seeds 12"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    problems = training_problems(load_spec(SHIPPED / "spec.toml"))[:12]
    lines = [json.dumps({"prompt": p.prompt, "answer": p.answer}) for p in problems]
    (tmp_path / "prompts.jsonl").write_text("\n".join(lines))
    (tmp_path / "grpo.yaml").write_text(CONFIG)
    (tmp_path / "mine.py").write_text(MINE)
    return tmp_path


def command(folder: Path, rest: str, model: Path = SHIPPED) -> str:
    files = f"--prompts {folder}/prompts.jsonl --config {folder}/grpo.yaml"
    return f"forecast --model {model} {files} --out {folder}/kept {rest} --json"


@pytest.mark.statistical
def test_contract_cache_and_seeds(folder: Path, clipbias: Ask) -> None:
    both = f"--reward {folder}/mine.py:coded --reward {folder}/mine.py:never --observe {folder}/mine.py:starts {SMALL}"
    done = clipbias(command(folder, both))
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout, parse_constant=pytest.fail)
    assert set(found) == {"rewards", "cost", "effective_samples", "warnings"}
    assert set(found["rewards"]) == {"coded", "never"} == set(found["effective_samples"])
    paid = found["rewards"]["coded"]
    assert paid["phases"] == [1]
    assert set(paid) == {
        "paid",
        "mixed",
        "first_success",
        "phases",
        "never",
        "starts",
        "finished",
        "length",
        "code",
        "coded",
    }
    for name in ("coded", "starts", "finished", "length"):
        line = paid[name]
        assert set(line) == {"unit", "start", "mean", "low", "high", "stderr"}
        assert line["low"][0] <= line["mean"][0] <= line["high"][0]
    assert paid["coded"]["start"] == pytest.approx(paid["paid"], abs=1e-6)
    assert paid["coded"]["mean"][0] > paid["coded"]["start"]  # what is paid rises, and what excludes it falls
    assert paid["starts"]["mean"][0] < paid["starts"]["start"]
    never = found["rewards"]["never"]
    assert never["paid"] == never["mixed"] == 0
    assert 0 < never["first_success"] < 1
    assert never["code"]["low"] == never["code"]["high"] == [never["code"]["start"]]
    assert any("never paid none of 48 answers" in warning for warning in found["warnings"])
    assert not found["cost"]["reused"]

    kept = {path: path.stat().st_mtime_ns for path in folder.glob("kept/*/*.npz")}
    one = f"--reward {folder}/mine.py:coded --observe {folder}/mine.py:starts {SMALL.replace('--answers 4 ', '')}"
    again = json.loads(clipbias(command(folder, one)).stdout)
    assert again["cost"]["reused"]
    assert again["cost"]["answers"] == 4
    assert {path: path.stat().st_mtime_ns for path in folder.glob("kept/*/*.npz")} == kept
    assert again["rewards"]["coded"]["starts"] == paid["starts"]
    other = json.loads(clipbias(command(folder, f"{one} --seed 1 --answers 4")).stdout)
    assert other["rewards"]["coded"]["starts"] != paid["starts"]


def test_a_damaged_part_is_made_again(tmp_path: Path) -> None:
    keep, made = keeper(tmp_path), []

    def make() -> dict[str, Any]:
        made.append(1)
        return {"a": torch.ones(3).numpy()}

    for _ in range(2):
        assert keep("part", make)["a"].tolist() == [1, 1, 1]
    assert len(made) == 1
    (tmp_path / "part.npz").write_bytes(b"PK\x03\x04 no archive")
    assert keep("part", make)["a"].tolist() == [1, 1, 1]
    assert len(made) == 2


def test_temperature_divides_logits() -> None:
    model, _ = load_model(SHIPPED, "model")
    model, tokens = model.eval(), (1, 5, 7, 9)
    row, ids = Row(tokens, 1), torch.tensor([tokens])
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0, :-1]
    for temperature in (0.7, 1.0, 2.0):
        expected = (logits / temperature).log_softmax(-1).gather(-1, ids[0, 1:, None])[:, 0]
        with tempered(model, temperature):
            found = token_log_probs(model, [row])[0]
        assert found == pytest.approx(expected.tolist(), abs=1e-5)
    assert token_log_probs(model, [row])[0] != pytest.approx(expected.tolist(), abs=1e-2)


@pytest.mark.parametrize(
    ("rest", "said"),
    [
        ("--reward good", "--reward must be file.py:function, or"),
        ("--reward format --reward format", "--reward must be distinct"),
        ("--reward format --phases 0", "--phases must be in [1, 100]"),
        ("--reward format --seeds 3", "--seeds must be in [12, 10000]"),
        ("--reward format --observe length", "--observe must be file.py:function"),
        ("--reward format --answers 1", "--answers"),
    ],
)
def test_wrong_options_are_one_line(folder: Path, clipbias: Ask, rest: str, said: str) -> None:
    done = clipbias(command(folder, rest))
    assert done.returncode == 2
    assert said in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stdout == ""


def test_models_and_prompts_that_cannot_be_used(folder: Path, clipbias: Ask) -> None:
    done = clipbias(command(folder, "--reward format", model=folder / "nowhere"))
    assert (done.returncode, "--model must be a folder with config.json" in done.stderr) == (2, True)
    bare = folder / "bare"
    bare.mkdir()
    shutil.copy(SHIPPED / "config.json", bare)
    done = clipbias(command(folder, "--reward format", model=bare))
    assert (done.returncode, "safetensors" in done.stderr) == (2, True)
    text = (folder / "prompts.jsonl").read_text().splitlines()
    (folder / "prompts.jsonl").write_text("\n".join(text[:11]))
    done = clipbias(command(folder, "--reward format"))
    assert (done.returncode, "--prompts must be at least 12" in done.stderr) == (2, True)
