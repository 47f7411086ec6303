"""What a model reads under each style is the same when we sample, and when TRL does."""

from pathlib import Path

import pytest
from tokenizers.processors import TemplateProcessing
from transformers import PreTrainedTokenizerBase

from clipbias.validate.model.gguf import convert
from clipbias.validate.model.sampling import prompt_tokens, written
from clipbias.validate.model.subject import load_subject
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from clipbias.validate.recipe.task_line import TaskLine
from clipbias.validate.tasks.styles import STYLES
from gguf_files import Made, write


def of_trl(tokenizer: PreTrainedTokenizerBase, prompt: object) -> tuple[int, ...]:
    """As GRPOTrainer 1.16 does, `_tokenize_prompts`."""
    if isinstance(prompt, list):
        found = tokenizer.apply_chat_template(
            conversation=[prompt], add_generation_prompt=True, tokenize=True, return_dict=True
        )
        return tuple(found["input_ids"][0])
    return tuple(tokenizer(text=[prompt])["input_ids"][0])


@pytest.mark.parametrize("begins", [False, True], ids=["plain tokenizer", "tokenizer that begins texts"])
@pytest.mark.parametrize("template", [True, False], ids=["chat", "base"])
def test_the_same_tokens_reach_the_model(template: bool, begins: bool, tmp_path: Path) -> None:
    file, folder = tmp_path / "tiny.gguf", tmp_path / "model"
    made = Made(architecture="llama", tied=True) if template else Made(architecture="llama", tied=True, template=None)
    write(made, file)
    convert(file, folder)
    subject = load_subject(ModelLine(path=str(folder)), ProbeLine(prompts=2, samples=1), TaskLine(train="countdown"))
    tokenizer, opens = subject.tokenizer, subject.tokenizer.bos_token_id
    if begins:
        tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
            single="<bos> $A", special_tokens=[("<bos>", opens)]
        )
    question = str(subject.problems["none"][0].prompt)
    for style in STYLES:
        problem = subject.problems[style][0]
        ours = prompt_tokens(tokenizer, [problem.prompt])[0]
        assert ours == of_trl(tokenizer, subject.prompt(problem)), style
        text = written(tokenizer, problem.prompt)
        assert question in text
        chat = template and STYLES[style].chat
        assert ours[0] == opens if chat or begins else opens not in ours
        assert not begins or ours[1] != opens  # one beginning, never two
    opened = written(tokenizer, subject.problems["python-opening"][0].prompt)
    assert opened.endswith("<bos>Let's solve this using Python." if template else "\n\nLet's solve this using Python.")
