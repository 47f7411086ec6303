"""One recipe through eval, forecast, run and report, with the model and the task lines changed: .gguf files of three
architectures, of random weights."""

import json
import subprocess
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from clipbias.common.files import sha256
from clipbias.validate.store.manifest import read_manifest
from gguf_files import Made, write

pytestmark = pytest.mark.training

Clipbias = Callable[[str], subprocess.CompletedProcess[str]]

RECIPE = """
name = "three families"
question = "Does one recipe do for all?"
seeds = 2
checkpoint_every = 1

[model]
path = "{model}"

[task]
train = "{task}"

[training]
prompts_per_phase = 2
group_size = 4
minibatches = 2
learning_rate = 1e-5
phases = 2
max_completion_length = 5

[pilot]
seeds = 2
phases = 2
burn_in = 1

[probe]
prompts = 2
samples = 400

[forecast]
problems = 12
answers = 6
coordinates = 64
seeds = 12
read_problems = 2
read_at = [1]

[[arm]]
name = "clip"
clip_low = 0.2
clip_high = 0.2

[[arm]]
name = "no-clip"
clip_low = "none"
clip_high = "none"
"""

MODELS = {
    "qwen2": Made(architecture="qwen2", tied=True, code=12),
    "llama": Made(architecture="llama", tied=False, template=None, code=12),
    "gemma2": Made(architecture="gemma2", tied=True, code=12),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_file_goes_from_eval_to_report(
    name: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    clipbias: Clipbias,
    in_this_process: Callable[[], AbstractContextManager[None]],
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    model, task, recipe = (tmp_path / file for file in ("model.gguf", "problems.jsonl", "recipe.toml"))
    write(MODELS[name], model)
    rows = [{"problem": f"{a}+{b}=", "answer": f"{a + b}"} for a in range(2, 8) for b in (3, 5, 7)]
    task.write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe.write_text(RECIPE.format(model=model, task=task))
    with in_this_process():
        for command in (
            f"eval {recipe} --problems 2 --samples 2 --out {tmp_path / 'eval'}",
            f"forecast {recipe} --out {tmp_path / 'foretold'}",
            f"run {recipe} --out {tmp_path / 'run'}",
            f"report {tmp_path / 'run'} --out {tmp_path / 'report.html'}",
        ):
            done = clipbias(f"validate {command} --json")
            assert (done.returncode, "Traceback" in done.stderr) == (0, False), done.stderr
    answers = json.loads((tmp_path / "eval" / "grades.json").read_text())["cards"]
    assert [card["answers"] for card in answers] == [2, 4]
    assert sha256(tmp_path / "run" / "forecast.json") == sha256(tmp_path / "foretold" / "forecast.json")
    manifest = read_manifest(tmp_path / "run")
    assert manifest.status == "complete"
    assert manifest.batch == json.loads((tmp_path / "eval" / "eval.json").read_text())["batch"]
    assert "three families" in (tmp_path / "report.html").read_text(encoding="utf-8")
