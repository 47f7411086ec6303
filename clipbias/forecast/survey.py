"""A survey of a user's model, kept on disk part by part: one that was stopped goes on, and another reward reuses it."""

import hashlib
import json
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.errors import InputError, check
from clipbias.common.files import read_json, replaced, write_json
from clipbias.common.memory import free_memory
from clipbias.validate.measure.gradient_survey import LOUD_ANSWERS, Arrays, GradientSurvey, Keep, survey_gradients
from clipbias.validate.model.locate import model_hashes
from clipbias.validate.model.sampling import encode_prompts
from clipbias.validate.model.size import model_size
from clipbias.validate.model.subject import load_model
from clipbias.validate.recipe.recipe import Parts

from . import cost
from .config import Configured
from .prompts import Prompts

_RENDERED = "{{ messages[0]['content'] }}"  # a chat template for prompts that went through the model's own already


@dataclass(frozen=True, slots=True, eq=False)
class Survey:
    """One that is about to be made. folder: where its parts are kept, or None. there: whether all of it is there
    already. seconds: that it will take. phase_seconds: that a phase of the training would, on this machine."""

    model: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    prompts: tuple[str, ...]
    answers: int
    length: int
    temperature: float
    coordinates: int
    parts: Parts
    seed: int
    folder: Path | None
    there: bool
    seconds: float
    phase_seconds: float


def plan_survey(
    folder: Path,
    prompts: Prompts,
    configured: Configured,
    *,
    answers: int | None,
    coordinates: int,
    seed: int,
    out: Path | None,
) -> Survey:
    """Load the model, see that it fits, and choose a size. answers: to each prompt (None: those of a survey that is in
    `out`, else as many as `cost.BUDGET` bears)."""
    check((folder / "config.json").is_file(), "model", "a folder with config.json", str(folder))
    try:
        size = model_size(folder)
    except InputError as error:
        raise InputError("model", error.rule.removeprefix("must be ").partition(", got ")[0], str(folder)) from error
    check(size.parameters > 0, "model", "a folder with weights as safetensors", str(folder))
    length = configured.max_completion_length
    cost.check_memory(cost.survey_bytes(size, 1, length), free_memory())
    model, tokenizer = load_model(folder, "model")
    model = model.eval()
    _plain_sampling(model, tokenizer)
    texts = _rendered(tokenizer, prompts, configured)
    longest = int(encode_prompts(tokenizer, texts)["input_ids"].shape[1])
    cost.check_positions(model, longest, length)
    cost.check_memory(cost.survey_bytes(size, longest, length), free_memory())
    parts = cost.parts_of(size, configured.whole_answers)
    key = _key(folder, texts, length, configured.temperature, coordinates, parts, seed, LOUD_ANSWERS, cost.TOGETHER)
    if answers is None:
        answers = _kept_answers(out, key)
    with tempered(model, configured.temperature):
        speed = cost.timed(model, longest, length)
    if answers is None:
        answers = speed.answers_for(len(texts), length, parts)
    check(answers >= 2, "answers", "at least 2", answers)
    place = None if out is None else out / f"survey-{key}-{answers}"
    there = place is not None and (place / "done.json").is_file()
    samples = configured.training.groups * configured.training.group_size
    return Survey(
        model=model,
        tokenizer=tokenizer,
        prompts=texts,
        answers=answers,
        length=length,
        temperature=configured.temperature,
        coordinates=coordinates,
        parts=parts,
        seed=seed,
        folder=place,
        there=there,
        seconds=0.0 if there else speed.survey_seconds(len(texts), answers, length, parts),
        phase_seconds=samples * (speed.sampled * length / cost.TOGETHER + speed.weighted),
    )


def make_survey(survey: Survey) -> tuple[GradientSurvey, float]:
    """(The survey, seconds that it took, whenever that was)."""
    began = time.monotonic()
    with tempered(survey.model, survey.temperature):
        found = survey_gradients(
            survey.model,
            survey.tokenizer,
            survey.prompts,
            samples=survey.answers,
            max_new_tokens=survey.length,
            coordinates=survey.coordinates,
            parts=survey.parts,
            seed=survey.seed,
            together=cost.TOGETHER,
            keep=keeper(survey.folder),
        )
    seconds = time.monotonic() - began
    if survey.folder is None:
        return found, seconds
    done = survey.folder / "done.json"
    if not done.is_file():
        write_json(done, {"seconds": seconds})
    return found, float(read_json(done)["seconds"])


def keeper(folder: Path | None) -> Keep:
    """Parts of a survey as files of arrays; one that is damaged is made again."""

    def keep(name: str, make: Any) -> Arrays:
        if folder is None:
            made: Arrays = make()
            return made
        file = folder / f"{name}.npz"
        try:
            with file.open("rb") as opened, np.load(opened, allow_pickle=False) as kept:
                return dict(kept)
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            arrays: Arrays = make()
            with replaced(file) as draft, draft.open("wb") as written:
                np.savez(written, allow_pickle=False, **arrays)
            return arrays

    return keep


@contextmanager
def tempered(model: PreTrainedModel, temperature: float) -> Iterator[None]:
    """Within the block all logits are divided by the temperature, as TRL divides them in sampling and in the loss."""

    def divide(_: Any, __: Any, output: Any) -> Any:
        output.logits = output.logits / temperature
        return output

    hook = model.register_forward_hook(divide) if temperature != 1.0 else None
    try:
        yield
    finally:
        if hook is not None:
            hook.remove()


def _plain_sampling(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> None:
    """What the folder recommends for sampling is not what GRPO samples by."""
    ends = getattr(model.generation_config, "eos_token_id", None)
    model.generation_config = GenerationConfig(eos_token_id=ends, pad_token_id=tokenizer.pad_token_id)


def _rendered(tokenizer: PreTrainedTokenizerBase, prompts: Prompts, configured: Configured) -> tuple[str, ...]:
    """Chats through the model's template, text as it is; and the tokenizer so that it does nothing more to either."""
    if not prompts.chat:
        tokenizer.chat_template = None
        return tuple(str(prompt) for prompt in prompts.prompts)
    check(bool(tokenizer.chat_template), "prompts", "text: this model has no chat template", "messages")
    given: dict[str, Any] = {"tokenize": False, "add_generation_prompt": True, **configured.template}
    try:
        texts = tuple(
            str(tokenizer.apply_chat_template(prompt, **given))
            for prompt in prompts.prompts
            if not isinstance(prompt, str)
        )
    except Exception as error:  # a template raises what it likes
        said = " ".join(str(error).split())[:300]
        raise InputError("prompts", f"messages that the model's chat template takes ({said})") from error
    tokenizer.chat_template = _RENDERED
    return texts


def _key(folder: Path, texts: tuple[str, ...], *settings: float | str) -> str:
    named = json.dumps([model_hashes(folder), texts, settings])
    return hashlib.sha256(named.encode()).hexdigest()[:16]


def _kept_answers(out: Path | None, key: str) -> int | None:
    """The largest survey of this key that was begun."""
    if out is None:
        return None
    found = [place.name.rpartition("-")[2] for place in out.glob(f"survey-{key}-*")]
    return max((int(count) for count in found if count.isdigit()), default=None)
