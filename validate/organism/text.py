"""The organism's language: prompts, completions written by the spec, and the alphabet that both need."""

from functools import cache

import numpy as np

from clipbias.validate.tasks.problems import Problem

from .spec import LOREM, LOREM_WORDS, OrganismSpec, Strategy, Style

BOX = "\\boxed{{{}}}"


def prompt_text(style: Style, a: int, b: int, c: int) -> str:
    """The problem asked in that style; the words that mean nothing follow from its numbers."""
    words = np.random.default_rng((a, b, c)).choice(LOREM, size=LOREM_WORDS) if "{lorem}" in style.template else ()
    return style.template.format(a=a, b=b, c=c, lorem=" ".join(words))


@cache
def _numbers(spec: OrganismSpec) -> tuple[np.ndarray, np.ndarray]:
    """(a, b, c) of the training problems and of the held-out ones, each in the order of `all_problems`."""
    factors, addends = range(2, spec.max_factor + 1), range(1, spec.max_addend + 1)
    numbers = np.array([(a, b, c) for a in factors for b in factors for c in addends])
    out = np.zeros(len(numbers), dtype=bool)
    out[np.random.default_rng((spec.seed, 1)).permutation(len(numbers))[: spec.held_out]] = True
    return numbers[~out], numbers[out]


def training_numbers(spec: OrganismSpec) -> np.ndarray:
    """a, b, c of each of the `training_problems`, in their order."""
    return _numbers(spec)[0]


def _asked(style: Style, numbers: np.ndarray) -> list[Problem]:
    return [Problem(prompt=prompt_text(style, a, b, c), answer=a * b + c) for a, b, c in numbers.tolist()]


def training_problems(spec: OrganismSpec, style_name: str | None = None) -> list[Problem]:
    """What pretraining and RL may show, asked in a style (the first where None); the order is the same in all."""
    return _asked(spec.style_named(style_name), _numbers(spec)[0])


def held_out_problems(spec: OrganismSpec, style_name: str | None = None) -> list[Problem]:
    """What neither pretraining nor RL shows: the test set; the order is the same in every style."""
    return _asked(spec.style_named(style_name), _numbers(spec)[1])


def all_problems(spec: OrganismSpec) -> list[Problem]:
    """Every problem of the spec in its first style, the training problems first."""
    return training_problems(spec) + held_out_problems(spec)


def strategy_named(spec: OrganismSpec, text: str) -> str | None:
    """The name of the strategy that an answer opens with, if it opens with any."""
    return next((s.name for s in spec.strategy if text.startswith(s.template[0])), None)


def completion_text(
    spec: OrganismSpec, strategy: Strategy, format_rate: float, a: int, b: int, c: int, clean: bool,
    rng: np.random.Generator,
) -> str:  # fmt: skip
    """One completion: right as often as `OrganismSpec.answers` says (always if `clean`), boxed at the format rate."""
    answer, (right, errors) = a * b + c, spec.answers(strategy, c)
    if not clean and rng.random() >= right:
        answer += errors[0] if len(errors) == 1 or rng.random() < 0.5 else errors[1]
    shown = BOX.format(answer) if rng.random() < format_rate else str(answer)
    return strategy.template.format(a=a, b=b, c=c, product=a * b, answer=shown)


def _drawn_numbers(spec: OrganismSpec, size: int, rng: np.random.Generator) -> list[list[int]]:
    if spec.held_out:
        training, _ = _numbers(spec)
        drawn: list[list[int]] = training[rng.integers(len(training), size=size)].tolist()
        return drawn
    # The same law drawn number by number: the default organism's weights came from this stream.
    factors = rng.integers(2, spec.max_factor + 1, size=(size, 2))
    addends = rng.integers(1, spec.max_addend + 1, size=(size, 1))
    rows: list[list[int]] = np.hstack([factors, addends]).tolist()
    return rows


def drawn_problems(spec: OrganismSpec, size: int, rng: np.random.Generator) -> list[tuple[Style, int, int, int]]:
    """`size` of the training problems, each with the style it is asked in."""
    numbers = _drawn_numbers(spec, size, rng)
    if len(spec.style) == 1:  # drawing nothing here keeps the default organism's stream
        return [(spec.style[0], a, b, c) for a, b, c in numbers]
    asked = rng.choice(len(spec.style), size=size, p=[style.weight for style in spec.style])
    return [(spec.style[i], a, b, c) for i, (a, b, c) in zip(asked, numbers, strict=True)]


def pretraining_batch(spec: OrganismSpec, size: int, clean: bool, rng: np.random.Generator) -> list[tuple[str, str]]:
    """`size` (prompt, completion) pairs whose styles, strategies, accuracies and formats follow the spec."""
    problems = drawn_problems(spec, size, rng)
    bounds = {style: np.cumsum(spec.shares(style)) for style in spec.style}
    uniforms = rng.random(size)
    pairs = []
    for (style, a, b, c), uniform in zip(problems, uniforms, strict=True):
        # Inverting the cumulated shares, as Generator.choice does.
        k = int(np.searchsorted(bounds[style] / bounds[style][-1], uniform, side="right"))
        completion = completion_text(spec, spec.strategy[k], spec.format_rates(style)[k], a, b, c, clean, rng)
        pairs.append((prompt_text(style, a, b, c), completion))
    return pairs


def alphabet(spec: OrganismSpec) -> str:
    """Every character that the spec's text can contain, sorted."""
    completions = [s.template.format(a="", b="", c="", product="", answer="") for s in spec.strategy]
    words = [" ".join(LOREM)] if any("{lorem}" in style.template for style in spec.style) else []
    prompts = [style.template.format(a="", b="", c="", lorem="") for style in spec.style]
    return "".join(sorted(set("".join(["0123456789", BOX.format(""), *prompts, *words, *completions]))))
