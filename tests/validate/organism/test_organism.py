import dataclasses
import math
from pathlib import Path

import numpy as np
import pytest
from transformers import AutoTokenizer

from clipbias.common.files import read_json, sha256
from clipbias.validate.organism.pretrain import pretrain
from clipbias.validate.organism.spec import SHIPPED, load_spec
from clipbias.validate.organism.text import all_problems, alphabet, pretraining_batch
from clipbias.validate.organism.tokenizer import character_tokenizer
from clipbias.validate.tasks.problems import is_boxed, read_answer

pytestmark = pytest.mark.training


def test_the_shipped_weights_are_those_of_the_record() -> None:
    record = read_json(SHIPPED / "organism.json")
    assert sha256(SHIPPED / "model.safetensors") == record["sha256"]
    assert (SHIPPED / "model.safetensors").stat().st_size < 2_000_000
    assert load_spec(SHIPPED / "spec.toml").seed == record["seed"]


def test_the_text_has_the_shares_and_accuracies_of_the_spec() -> None:
    spec, size = load_spec(SHIPPED / "spec.toml"), 20_000
    answers = {problem.prompt: problem.answer for problem in all_problems(spec)}
    pairs = pretraining_batch(spec, size, clean=False, rng=np.random.default_rng(1))
    for strategy in spec.strategy:
        chosen = [(p, c) for p, c in pairs if c[0] == strategy.template[0]]
        right = np.mean([read_answer(c) == answers[p] for p, c in chosen])
        boxed = np.mean([is_boxed(c) for _, c in chosen])
        for seen, said, count in (
            (len(chosen) / size, strategy.share, size),
            (right, strategy.accuracy, len(chosen)),
            (boxed, strategy.format_rate, len(chosen)),
        ):
            assert abs(seen - said) < 4 * math.sqrt(said * (1 - said) / count)
    clean = pretraining_batch(spec, 500, clean=True, rng=np.random.default_rng(2))
    assert all(read_answer(c) == answers[p] for p, c in clean)


def test_a_character_is_a_token_however_the_folder_is_loaded() -> None:
    spec = load_spec(SHIPPED / "spec.toml")
    built, loaded = character_tokenizer(alphabet(spec)), AutoTokenizer.from_pretrained(SHIPPED)
    text = "7*8+5=?\n" + pretraining_batch(spec, 1, False, np.random.default_rng(0))[0][1]
    assert built(text).input_ids == loaded(text).input_ids
    assert len(loaded(text).input_ids) == len(text)
    assert loaded.decode(loaded(text + loaded.eos_token).input_ids, skip_special_tokens=True) == text


def test_pretraining_lowers_the_loss_and_repeats_itself() -> None:
    spec = load_spec(SHIPPED / "spec.toml")
    short = dataclasses.replace(
        spec, pretraining=dataclasses.replace(spec.pretraining, steps=6, clean_steps=3, batch_size=8)
    )
    first, _ = pretrain(short)
    second, _ = pretrain(short)
    assert all(a.equal(b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("share = 0.65", "share = 0.75", "strategy.share must be shares that add to 1"),
        ("accuracy = 0.61", "accuracy = 1.61", r"strategy.accuracy must be in \[0, 1\]"),
        ('template = "print', 'template = "We print', "strategy.template must be texts with distinct first letters"),
    ],
)
def test_a_bad_spec_is_refused(tmp_path: Path, old: str, new: str, words: str) -> None:
    text = (SHIPPED / "spec.toml").read_text()
    assert old in text
    (tmp_path / "spec.toml").write_text(text.replace(old, new))
    with pytest.raises(ValueError, match=words):
        load_spec(tmp_path / "spec.toml")
