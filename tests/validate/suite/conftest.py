"""A suite in miniature: an organism pretrained until it is right now and then, two experiments, a report."""

import shutil
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

SPEC = """
name = "mini"
seed = 0
max_factor = 3
max_addend = 4
held_out = 4
hard_addend = 4

[model]
layers = 1
heads = 1
intermediate_size = 32

[pretraining]
steps = 240
clean_steps = 80
batch_size = 32
learning_rate = 1e-2

[[strategy]]
name = "code"
share = 0.6
accuracy = 0.6
format_rate = 0.8
template = "python {answer}"

[[strategy]]
name = "language"
share = 0.4
accuracy = 0.4
format_rate = 0.6
template = "It is {answer}"

[[style]]
name = "plain"
template = "{a}*{b}+{c}=?\\n"
weight = 0.7

[[style]]
name = "story"
template = "{a} of {b}, {c} more?\\n"
weight = 0.3
shares = [0.1, 0.9]
"""

RECIPE = """
name = "NAME"
question = "Does <the> suite run?"
seeds = 2

[model]
organism = "ORGANISM"

[training]
prompts_per_phase = 3
group_size = 4
minibatches = 3
learning_rate = 3e-4
phases = 2
max_completion_length = 20

[pilot]
seeds = 2
phases = 3
burn_in = 1

[probe]
prompts = 8

[survey]
samples = 4

[evaluation]
samples = 1
styles = ["plain", "story"]
"""

ARMS = {
    "clip": ["", 'clip_low = "none"\nclip_high = "none"', "minibatches = 1", "success_prob = 0"],
    "rewards": [
        "",
        'reward = "format"',
        'reward = "incorrect"\nproblems = "all"',
        'reward = "ground-truth"',
        'reward = "python"\nstyle = "story"',
    ],
}
NAMES = {
    "clip": ["clip", "no-clip", "large-minibatch", "gamma-0"],
    "rewards": ["random", "format", "incorrect", "ground-truth", "python"],
}


def recipe(name: str, organism: Path) -> str:
    text = RECIPE.replace("NAME", name).replace("ORGANISM", str(organism))
    for arm, lines in zip(NAMES[name], ARMS[name], strict=True):
        bounds = "" if "clip_low" in lines else "clip_low = 0.2\nclip_high = 0.2\n"
        text += f'\n[[arm]]\nname = "{arm}"\n{bounds}{lines}\n'
    return text


@pytest.fixture(scope="session")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plan whose organism is there already: too short a pretraining to be what its spec says, so built by hand.

    The organism is named relative to the folder: a path that pytest makes up would change the prediction's hash, and
    with it all seeds.
    """
    from clipbias.common.files import sha256
    from clipbias.validate.organism.pretrain import pretrain
    from clipbias.validate.organism.spec import load_spec

    folder = tmp_path_factory.mktemp("suite")
    spec = folder / "mini.toml"
    spec.write_text(SPEC)
    model, tokenizer = pretrain(load_spec(spec))
    weights = folder / "runs" / "organisms" / f"mini-{sha256(spec)[:12]}"
    model.save_pretrained(weights)
    tokenizer.save_pretrained(weights)
    shutil.copyfile(spec, weights / "spec.toml")
    lines = []
    for name in NAMES:
        (folder / f"{name}.toml").write_text(recipe(name, Path(spec.name)))
        lines.append(f'[[experiment]]\nrecipe = "{name}.toml"\norganisms = ["{spec.name}"]\n')
    (folder / "plan.toml").write_text("\n".join(lines))
    return folder / "plan.toml"


@pytest.fixture(scope="session")
def finished(plan: Path, in_this_process: Callable[[], AbstractContextManager[None]]) -> Path:
    """The folder of the results; tests that change it must copy it first."""
    from clipbias.validate.protocol.plan import read_plan
    from clipbias.validate.protocol.suite import run_suite

    with pytest.MonkeyPatch.context() as patch, in_this_process():
        patch.chdir(plan.parent)
        run_suite(read_plan(plan), plan.parent / "results", plan.parent / "suite-runs")
    return plan.parent / "results"
