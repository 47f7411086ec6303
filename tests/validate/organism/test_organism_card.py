"""The measured card, its comparison with the spec, and the folder that pretraining writes."""

import copy
import math
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import binom

from clipbias.common.errors import InputError
from clipbias.common.files import read_json, sha256
from clipbias.validate.measure import organism_card
from clipbias.validate.measure.organism_card import check_card, sampling_deviation
from clipbias.validate.organism.pretrain import pretrain
from clipbias.validate.organism.spec import SPECS, load_spec
from clipbias.validate.protocol.organism import build

pytestmark = pytest.mark.training

SPEC = """
name = "small"
seed = 3
max_factor = 4
max_addend = 2
held_out = 4
model = {layers = 1, heads = 1, intermediate_size = 32}
pretraining = {steps = 20, clean_steps = 5, batch_size = 8, learning_rate = 3e-3, threads = 1}
strategy = [
  {name = "code", share = 0.5, accuracy = 0.5, format_rate = 0.5, template = "python {product}+{c}\\n{answer}"},
  {name = "language", share = 0.5, accuracy = 0.5, format_rate = 0.5, template = "We get {answer}"},
]
style = [
  {name = "plain", template = "{a}*{b}+{c}=?\\n", weight = 0.5},
  {name = "lorem", template = "{lorem} {a}*{b}+{c}=?\\n", weight = 0.5, shares = [0.9, 0.1]},
]
"""


@pytest.fixture
def spec_file(tmp_path: Path) -> Path:
    (tmp_path / "spec.toml").write_text(SPEC)
    return tmp_path / "spec.toml"


def exact_card(file: Path) -> dict[str, dict[str, Any]]:
    """The card of an organism that is what its spec says, without any sampling error."""
    spec = load_spec(file)
    return {
        style.name: {
            "training": {
                "answers": 4096,
                "strategies": {
                    strategy.name: {
                        "answers": round(4096 * share),
                        "share": share,
                        "accuracy": strategy.accuracy if share else None,
                        "format_rate": rate if share else None,
                    }
                    for strategy, share, rate in zip(
                        spec.strategy, spec.shares(style), spec.format_rates(style), strict=True
                    )
                },
            }
        }
        for style in spec.style
    }


def test_sampling_error_alone_stays_within_the_allowed_deviation() -> None:
    def exceeded(probability: float, count: int, allowed: float) -> float:
        """P(|X/n − p| > allowed) for X binomial, summed exactly."""
        counts = np.arange(count + 1)
        outside = abs(counts / count - probability) > allowed
        return float(binom.pmf(counts[outside], count, probability).sum())

    for count in (1, 2, 5, 20, 100, 4096):
        for probability in (0.0, 1e-3, 0.02, 0.3, 0.5, 0.97, 1.0):
            allowed = sampling_deviation(probability, count)
            assert exceeded(probability, count, allowed) <= 2 * math.exp(-8)
    bare = 4 * math.sqrt(1e-3 * (1 - 1e-3) / 20)
    assert exceeded(1e-3, 20, bare) > 2 * math.exp(-8)  # four standard errors alone would not do for small counts


@pytest.mark.parametrize("name", ["bad-code", "code-strong", "no-code", "repetition"])
def test_a_card_as_the_spec_says_passes_and_one_that_is_not_names_the_quantity(name: str) -> None:
    file = SPECS / f"{name}.toml"
    spec, card = load_spec(file), exact_card(file)
    check_card(spec, card)
    first = spec.strategy[0].name  # the story style uses it, whatever the spec
    for quantity in ("share", "accuracy", "format_rate"):
        wrong = copy.deepcopy(card)
        seen = wrong["story"]["training"]["strategies"][first]
        said = seen[quantity]
        seen[quantity] = said + 0.6 if said < 0.4 else said - 0.4
        words = rf"^{quantity} of {first} under the prompt story must be {re.escape(str(said))} ± 0\.\d+ as in the spec"
        with pytest.raises(InputError, match=words):
            check_card(spec, wrong)


def test_an_organism_that_is_not_what_its_spec_says_is_not_written(
    spec_file: Path, clipbias: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    done = clipbias(f"validate organism {spec_file} --out {tmp_path / 'o'}")
    assert done.returncode == 2
    assert done.stderr.startswith("Error: share of ")
    assert done.stderr.count("\n") == 1
    assert list(tmp_path.iterdir()) == [spec_file]


def test_what_is_written_is_measured_and_repeats_itself(
    spec_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lenient = dict.fromkeys(organism_card.IMPERFECT, 1.0)  # 20 steps teach nothing
    monkeypatch.setattr(organism_card, "IMPERFECT", lenient)
    threads, state = torch.get_num_threads(), torch.get_rng_state()
    torch.set_num_threads(3)  # the spec has one
    try:
        for out in ("first", "second"):
            build(spec_file, tmp_path / out)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(threads)
    assert torch.get_rng_state().equal(state)
    first, second = (read_json(tmp_path / out / "organism.json") for out in ("first", "second"))
    assert first == second
    assert first["sha256"] == sha256(tmp_path / "first" / "model.safetensors")
    assert (tmp_path / "first" / "spec.toml").read_text() == SPEC
    parts = {
        (style, part): card["answers"] for style, parts in first["measured"].items() for part, card in parts.items()
    }
    problems = {"training": 14, "held_out": 4}
    assert parts == {(s, p): 8 * n for s in ("plain", "lorem") for p, n in problems.items()}
    with pytest.raises(InputError, match="out must be a new or empty folder"):
        build(spec_file, tmp_path / "first")


def test_the_card_counts_what_the_organism_answers(spec_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the answers prescribed, every number of the card is known."""
    spec = load_spec(spec_file)
    model, tokenizer = pretrain(spec)

    def prescribed(model: Any, tokenizer: Any, prompts: tuple[str, ...], samples: int, *rest: Any) -> list[list[str]]:
        rows = []
        for prompt in prompts:
            a, b, c = map(int, "".join(ch if ch.isdigit() else " " for ch in prompt).split())
            right = str(a * b + c)
            boxed = f"\\boxed{{{right}}}"
            rows.append(
                [f"python\n{right}"] * 3 + [f"python\n{boxed}", "python\n0", "We get 0", f"We get {boxed}", "?"]
            )
        return rows

    monkeypatch.setattr(organism_card, "sample_answers", prescribed)
    for parts in organism_card.measure(model, tokenizer, spec).values():
        for part in parts.values():
            total = part["answers"]
            assert part["strategies"] == {
                "code": {"answers": 5 * total // 8, "share": 5 / 8, "accuracy": 4 / 5, "format_rate": 1 / 5},
                "language": {"answers": 2 * total // 8, "share": 2 / 8, "accuracy": 1 / 2, "format_rate": 1 / 2},
            }
            assert 0 < part["first_token_entropy"] < math.log(len(tokenizer))
