"""`clipbias validate eval`: a recipe's model on its held-out problems, in styles of prompt; nothing is trained.

An evaluation is a folder: recipe.toml, eval.json (what was asked, of which model), answers/ and grades.json. Answers
are drawn batch by batch, graded from their files, and graded again without model or recipe whenever it is asked for.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from clipbias.common.errors import InputError, check
from clipbias.common.files import locked, read_json, read_text, write_json, write_text
from clipbias.common.tables import read_dataclass
from clipbias.validate.measure.answers import GREEDY, SAMPLED, Asking, answer_all, grade
from clipbias.validate.measure.scorecard import Scorecard, scorecard
from clipbias.validate.model.locate import model_folder, model_hashes, styles_of
from clipbias.validate.organism.spec import load_spec
from clipbias.validate.recipe.arm import PLAIN
from clipbias.validate.recipe.recipe import Recipe, read_recipe
from clipbias.validate.recipe.training import LARGEST
from clipbias.validate.tasks.code import looks_like_code
from clipbias.validate.tasks.problems import Problem

from .models import make_model

ANSWERS = "answers"


@dataclass(frozen=True, slots=True, kw_only=True)
class EvalOptions:
    """styles: those of the recipe's evaluation, or the plain one, where none is named. longest: tokens of an answer;
    the training's unless given. problems: at most so many of the held-out ones. batch: answers drawn together; the
    fastest that fits unless given."""

    styles: tuple[str, ...] = ()
    samples: int = 8
    temperature: float = 0.6
    longest: int | None = None
    problems: int | None = None
    batch: int | None = None

    def __post_init__(self) -> None:
        check(1 <= self.samples <= LARGEST, "samples", f"in [1, {LARGEST}]", self.samples)
        check(0 < self.temperature <= 2, "temperature", "in (0, 2]", self.temperature)
        for name in ("longest", "problems", "batch"):
            value = getattr(self, name)
            check(value is None or 1 <= value <= LARGEST, name, f"in [1, {LARGEST}]", value)
        check(len(set(self.styles)) == len(self.styles), "styles", "distinct", list(self.styles))


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    """What eval.json holds. recipe, model: SHA-256, of the text and of all the model's files. problems: that are asked
    in each style. opening: the first character of an organism's answers with code; without it code is told by its
    looks. batch: answers drawn together, measured or given when the evaluation began."""

    recipe: str
    model: str
    styles: tuple[str, ...]
    problems: int
    samples: int
    temperature: float
    longest: int
    batch: int
    opening: str = ""

    def uses_code(self, text: str) -> bool:
        return text.startswith(self.opening) if self.opening else looks_like_code(text)


def read_evaluation(folder: Path) -> Evaluation:
    """Raises InputError that names the folder where there is none."""
    if not (folder / "eval.json").is_file():
        raise InputError("out", "a new folder, or that of an evaluation, with an eval.json", str(folder))
    return read_dataclass(Evaluation, read_json(folder / "eval.json"), f"{folder / 'eval.json'}: ")


def start(recipe_file: Path, folder: Path, options: EvalOptions) -> None:
    """Draw what is missing of an evaluation in `folder`, which is new or of the same recipe, model and options."""
    text = read_text(recipe_file)
    recipe = read_recipe(text)
    styles = options.styles or (recipe.evaluation.styles if recipe.evaluation else (PLAIN,))
    known = styles_of(recipe.model)
    for style in styles:
        check(style in known, "styles", f"one of {', '.join(known)}", style)
    if folder.exists() and any(folder.iterdir()):
        read_evaluation(folder)
    make_model(recipe.model)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "out"):
        _draw(folder, text, recipe, styles, options)


def _draw(folder: Path, text: str, recipe: Recipe, styles: tuple[str, ...], options: EvalOptions) -> None:
    import torch  # loaded once the recipe is known to be one

    from clipbias.validate.measure.transformers_engine import TransformersEngine
    from clipbias.validate.model.batch import best_batch, fitting, free_bytes
    from clipbias.validate.model.sampling import prompt_tokens
    from clipbias.validate.model.size import model_size
    from clipbias.validate.model.subject import load_subject

    subject = load_subject(recipe.model, recipe.probe, recipe.task)
    model, tokenizer = subject.model.eval(), subject.tokenizer
    if torch.cuda.is_available():
        model.to("cuda")
    # An organism whose spec holds none back is asked what it was pretrained on: what its spec says of it holds there.
    asked_of = {style: subject.held_out[style] or subject.problems[style] for style in styles}
    problems: dict[str, Sequence[Problem]] = {style: found[: options.problems] for style, found in asked_of.items()}
    held_out = len(problems[styles[0]])
    fresh = not (folder / "eval.json").is_file()
    longest = options.longest or recipe.training.max_completion_length
    if fresh:
        size = model_size(subject.folder)
        asked = [tokens for held in problems.values() for tokens in prompt_tokens(tokenizer, [p.prompt for p in held])]
        most = fitting(size, max(map(len, asked)), longest, free_bytes(model))
        batch = min(options.batch, most) if options.batch else best_batch(model, tokenizer, size, most)
    else:
        batch = read_evaluation(folder).batch
    wanted = Evaluation(
        recipe=hashlib.sha256(text.encode()).hexdigest(),
        model=_sha256_of(model_hashes(subject.folder)),
        styles=styles,
        problems=held_out,
        samples=options.samples,
        temperature=options.temperature,
        longest=longest,
        batch=batch,
        opening=_opening(recipe),
    )
    if fresh:
        write_text(folder / "recipe.toml", text)
        write_json(folder / "eval.json", asdict(wanted))
    same = read_evaluation(folder) == wanted
    check(same, "out", "a new folder, or one of the same recipe, model and options", str(folder))
    asking = Asking(samples=options.samples, temperature=options.temperature, longest=longest, batch=batch)
    answer_all(folder / ANSWERS, problems, asking, TransformersEngine(model, tokenizer))


def _sha256_of(files: dict[str, str]) -> str:
    return hashlib.sha256("".join(f"{name} {digest}\n" for name, digest in files.items()).encode()).hexdigest()


def _opening(recipe: Recipe) -> str:
    spec = model_folder(recipe.model) / "spec.toml"
    return load_spec(spec).strategy[0].template[0] if spec.is_file() else ""


def graded(folder: Path) -> list[Scorecard]:
    """Grade what is stored, however far it has come, and write grades.json. Needs neither model nor recipe."""
    evaluation = read_evaluation(folder)
    cards = []
    for style in evaluation.styles:
        for kind in (GREEDY, SAMPLED):
            found = grade(folder / ANSWERS, style, kind, evaluation.uses_code)
            if found is not None:
                cards.append(scorecard(style, kind, found))
    check(bool(cards), "out", "a folder with answers", str(folder))
    write_json(folder / "grades.json", {"cards": [asdict(card) for card in cards]})
    return cards
