"""Any causal language model with a tokenizer: here the organism's weights without its spec, with a chat template."""

import shutil
from pathlib import Path

import pytest
from transformers import AutoTokenizer

from clipbias.validate.model.probe import SampledProbe
from clipbias.validate.model.sampling import encode_prompts
from clipbias.validate.model.subject import load_subject
from clipbias.validate.organism.spec import SHIPPED
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine, read_recipe
from clipbias.validate.store.layout import Cell
from clipbias.validate.train.cell import train_cell


@pytest.fixture
def plain_model(tmp_path: Path) -> Path:
    """Word problems need letters that the organism lacks: they are read as padding, which is enough to run the line."""
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    (folder / "spec.toml").unlink()
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.chat_template = (
        "{% for m in messages %}{{ m['content'] }}{% endfor %}{% if add_generation_prompt %}=?\n{% endif %}"
    )
    tokenizer.save_pretrained(folder)
    return folder


def test_its_share_is_counted_from_samples_through_the_chat_template(plain_model: Path) -> None:
    subject = load_subject(ModelLine(path=str(plain_model)), ProbeLine(prompts=4, samples=3))
    assert isinstance(subject.probes["plain"], SampledProbe)
    assert subject.prompt(subject.problems["plain"][0])[0]["role"] == "user"
    first = subject.probes["plain"].read(subject.model, 8, seed=1)
    assert first.samples == 12
    assert 0 <= first.share <= 1
    assert first == subject.probes["plain"].read(subject.model, 8, seed=1)
    ids = encode_prompts(subject.tokenizer, ("7*8+5",))["input_ids"][0]
    assert subject.tokenizer.decode(ids) == "7*8+5=?\n"


def test_it_trains_under_the_same_recipe(plain_model: Path, tmp_path: Path, recipe_text: str) -> None:
    text = recipe_text.replace('organism = "default"', f'path = "{plain_model}"').replace("phases = 3", "phases = 2")
    recipe = read_recipe(text)
    cell = Cell(tmp_path / "out", recipe, recipe.arm[0], seed=1, phases=1, prediction="")
    train_cell(cell)
    assert cell.done


def test_a_folder_that_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"model\.path must be a folder with config\.json"):
        load_subject(ModelLine(path=str(tmp_path)), ProbeLine(prompts=4))
