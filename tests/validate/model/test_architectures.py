"""GGUF files of several makes go through a recipe's model line; damaged and hostile ones are one line."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from jinja2.exceptions import SecurityError
from transformers import AutoTokenizer

from clipbias.common.errors import InputError
from clipbias.validate.model.locate import model_folder
from clipbias.validate.model.sampling import answer_ends, encode_prompts, sample_tokens
from clipbias.validate.model.subject import load_model
from clipbias.validate.organism.spec import SHIPPED
from clipbias.validate.protocol.models import make_model
from clipbias.validate.recipe.model_line import ModelLine
from gguf_files import TEMPLATE, Made, write

KINDS = [
    Made(architecture="llama", tied=True),
    Made(architecture="llama", tied=False, end=5),
    Made(architecture="qwen2", tied=True, template=None),
    Made(architecture="qwen2", tied=False, template=None, end=5),
    Made(architecture="gemma2", tied=True),
    Made(architecture="gemma2", tied=True, template=None, end=5),
]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.mark.parametrize("made", KINDS, ids=lambda made: f"{made.architecture}-{made.tied}-{made.end}")
def test_a_gguf_file_is_the_model_that_was_written(made: Made, tmp_path: Path, own_cache: Path) -> None:
    file = tmp_path / "tiny.gguf"
    original = write(made, file)
    line = ModelLine(path=str(file))
    make_model(line)
    folder = model_folder(line)
    assert folder.is_relative_to(own_cache)
    model, tokenizer = load_model(folder, "model.path")
    ids = torch.arange(4, 40)[None]
    with torch.no_grad():
        expected, found = original(ids).logits, model(ids).logits
    assert (found - expected).abs().max() < 1e-5 * expected.abs().max()
    assert (model.get_output_embeddings().weight is model.get_input_embeddings().weight) == made.tied
    assert answer_ends(model, tokenizer) == {made.end}
    pad = 0 if made.architecture == "gemma2" else made.end
    assert tokenizer.pad_token_id == pad
    asked = tokenizer.decode(encode_prompts(tokenizer, ("abc",))["input_ids"][0]).replace(" ", "")
    assert asked == "<bos>abc<eos><bos>" if made.template else asked.removeprefix("<bos>") == "abc"
    answers = sample_tokens(model, tokenizer, ("abc",), 64, 24, seed=1)[0]
    ended = [row.index(made.end) for row in answers if made.end in row]
    assert ended
    assert all(set(row[row.index(made.end) + 1 :]) <= {pad} for row in answers if made.end in row)


def test_it_is_converted_once(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write(KINDS[0], file)
    line = ModelLine(path=str(file))
    make_model(line)
    first = (model_folder(line) / "model.safetensors").stat().st_mtime_ns
    make_model(line)
    assert (model_folder(line) / "model.safetensors").stat().st_mtime_ns == first
    write(Made(architecture="llama", tied=True, end=5), file)  # another file of the same name
    assert not model_folder(line).exists()


def test_an_end_that_only_the_tokenizer_knows_ends_an_answer(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write(Made(architecture="llama", tied=True), file)
    line = ModelLine(path=str(file))
    make_model(line)
    folder = model_folder(line)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.eos_token = "<end>"
    tokenizer.save_pretrained(folder)
    model, loaded = load_model(folder, "model.path")
    assert answer_ends(model, loaded) == {1, 5}
    for row in sample_tokens(model, loaded, ("abc",), 64, 24, seed=1)[0]:
        end = min((row.index(token) for token in (1, 5) if token in row), default=None)
        assert end is None or set(row[end + 1 :]) <= {loaded.pad_token_id}


@pytest.mark.parametrize("kept", [3, 60, 3000, 0.5, 0.999])
def test_a_truncated_gguf_file_is_one_line(kept: float, tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write(KINDS[0], file)
    raw = file.read_bytes()
    file.write_bytes(raw[: kept if isinstance(kept, int) else int(kept * len(raw))])
    with pytest.raises(InputError, match=r"model\.path must be .*GGUF") as error:
        make_model(ModelLine(path=str(file)))
    assert "\n" not in str(error.value)


def test_damaged_and_hostile_folders_are_one_line(tmp_path: Path) -> None:
    marker = tmp_path / "ran"

    def damaged(name: str) -> Path:
        shutil.copytree(SHIPPED, tmp_path / name)
        return tmp_path / name

    truncated = damaged("truncated")
    weights = truncated / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    pickled = damaged("pickled")
    (pickled / "model.safetensors").unlink()
    torch.save({"lm_head.weight": torch.zeros(1)}, pickled / "pytorch_model.bin")
    no_json = damaged("no-json")
    (no_json / "config.json").write_text("{")
    vocabulary = damaged("vocabulary")
    (vocabulary / "tokenizer.json").write_text('{"version": "1.0", "model": {"type": "Nonsense"}}')
    remote = damaged("remote")
    config = json.loads((remote / "config.json").read_text())
    config |= {"model_type": "mine", "auto_map": {"AutoConfig": "mine.C", "AutoModelForCausalLM": "mine.M"}}
    (remote / "config.json").write_text(json.dumps(config))
    (remote / "mine.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    for folder in (truncated, pickled, no_json, vocabulary, remote):
        with pytest.raises(InputError, match=r"model\.path must be a model that transformers can load") as error:
            load_model(folder, "model.path")
        assert "\n" not in str(error.value)
    assert not marker.exists()


def test_a_template_is_run_in_a_sandbox(tmp_path: Path) -> None:
    file = tmp_path / "tiny.gguf"
    write(Made(architecture="llama", tied=True, template=TEMPLATE + "{{ cycler.__init__.__globals__ }}"), file)
    line = ModelLine(path=str(file))
    make_model(line)
    _, tokenizer = load_model(model_folder(line), "model.path")
    with pytest.raises(SecurityError, match="unsafe"):
        encode_prompts(tokenizer, ("abc",))


def test_a_model_line_says_what_it_allows() -> None:
    with pytest.raises(InputError, match="model must be either organism, path or hub, got 'path and hub'"):
        ModelLine(path="x", hub="a/b", revision="0" * 40)
    with pytest.raises(InputError, match=r"model\.revision must be a commit of 40 hexadecimal digits, got 'main'"):
        ModelLine(hub="a/b", revision="main")
    with pytest.raises(InputError, match=r"model\.revision must be left out"):
        ModelLine(path="x", revision="0" * 40)
    with pytest.raises(InputError, match=r"model\.hub must be a repository"):
        ModelLine(hub="../../etc", revision="0" * 40)
    with pytest.raises(InputError, match=r"model\.path must be a file that is there"):
        model_folder(ModelLine(path="nowhere.gguf"))
