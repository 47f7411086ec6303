"""The description of an organism: which strategies it has, how often it uses each, and how well each works."""

import string
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from clipbias.common.errors import InputError, check
from clipbias.common.files import read_text
from clipbias.common.tables import parse_toml, read_dataclass

SHIPPED = Path(__file__).parent / "default"
SPECS = Path(__file__).parent / "specs"
LOREM = ("lorem", "ipsum", "dolor", "sit", "amet", "sed", "do", "eiusmod", "tempor", "ut", "labore", "et", "magna")
LOREM_WORDS = 2  # in a prompt
MAX_TEXT = 63  # characters of a prompt, and of a completion: both and the end fit into the model's 128 positions
_LONGEST = {
    "a": "99",
    "b": "99",
    "c": "99",
    "product": "9801",
    "answer": "\\boxed{9900}",
    "lorem": " ".join([max(LOREM, key=len)] * LOREM_WORDS),
}


def _check_template(field: str, template: str, required: set[str], optional: set[str]) -> None:
    """Plain fields only: a format specification such as {a:>999999999} would let a spec fill the memory."""
    allowed = required | optional
    try:
        parts = [(name, spec, conversion) for _, name, spec, conversion in string.Formatter().parse(template)]
    except ValueError as error:
        raise InputError(field, f"a format text, got {template!r}: {error}") from None
    names = {name for name, _, _ in parts if name is not None}
    plain = all(not spec and not conversion for _, spec, conversion in parts)
    listed = " ".join(f"{{{name}}}" for name in sorted(allowed))
    check(plain and names <= allowed, field, f"text whose only fields are {listed}", template)
    for name in sorted(required):
        check(name in names, field, f"text that contains {{{name}}}", template)
    longest = len(template.format(**_LONGEST))
    check(longest <= MAX_TEXT, field, f"text of at most {MAX_TEXT} characters with its fields filled in", longest)
    check(template.isascii(), field, "ASCII text (one token a character)", template)


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way of answering.

    share: fraction of the pretraining text that uses it. accuracy: fraction of those whose answer is right.
    format_rate: fraction whose answer stands in a box. template: the text, with the fields {a} {b} {c}, {product} (a·b)
    and {answer}; its first character names the strategy to the reader of the first token, so it must be unique.
    """

    name: str
    share: float
    accuracy: float
    format_rate: float
    template: str

    def __post_init__(self) -> None:
        for field in ("share", "accuracy", "format_rate"):
            value = getattr(self, field)
            check(0.0 <= value <= 1.0, f"strategy.{field}", "in [0, 1]", value)
        check(
            self.template[:1] not in ("", "{"),
            "strategy.template",
            "text that starts with a literal",
            self.template,
        )
        _check_template("strategy.template", self.template, {"answer"}, {"a", "b", "c", "product"})


@dataclass(frozen=True, slots=True)
class Style:
    """One way of asking.

    template: the prompt, with the fields {a} {b} {c}, and {lorem} for a few words that mean nothing. weight: fraction
    of the pretraining text. shares, format_rates: what the strategies' `share` and `format_rate` are under this prompt,
    one for each strategy; left out, the strategies' own.
    """

    name: str
    template: str
    weight: float
    shares: tuple[float, ...] | None = None
    format_rates: tuple[float, ...] | None = None

    def __post_init__(self) -> None:
        check(self.name != "", "style.name", "a name", self.name)
        _check_template("style.template", self.template, {"a", "b", "c"}, {"lorem"})
        check(0.0 < self.weight <= 1.0, "style.weight", "in (0, 1]", self.weight)
        for field in ("shares", "format_rates"):
            values = getattr(self, field)
            inside = values is None or all(0.0 <= value <= 1.0 for value in values)
            check(inside, f"style.{field}", "made of numbers in [0, 1]", values)


PLAIN = Style("plain", "{a}*{b}+{c}=?\n", 1.0)


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of the Qwen2. The head dimension is 32, the smallest that vLLM can load."""

    layers: int
    heads: int
    intermediate_size: int

    def __post_init__(self) -> None:
        for field, most in (("layers", 32), ("heads", 32), ("intermediate_size", 8192)):
            check(1 <= getattr(self, field) <= most, f"model.{field}", f"in [1, {most}]", getattr(self, field))

    @property
    def width(self) -> int:
        return 32 * self.heads


@dataclass(frozen=True, slots=True)
class Pretraining:
    """`clean_steps` of the `steps` come first and teach arithmetic: every answer right. The rest teach the spec's
    accuracies; mixed from the start, the wrong answers drown the signal that arithmetic is learned from.

    targets: what is taught at each place of the text, the character that was drawn there ("text") or the law that it
    was drawn from ("law": less noise, fewer steps). threads: how many share the sums; it changes the weights' last
    bits, so it is a part of the spec.
    """

    steps: int
    clean_steps: int
    batch_size: int
    learning_rate: float
    targets: Literal["text", "law"] = "text"
    threads: int = 2

    def __post_init__(self) -> None:
        check(1 <= self.steps <= 1_000_000, "pretraining.steps", "in [1, 1000000]", self.steps)
        check(
            0 <= self.clean_steps < self.steps,
            "pretraining.clean_steps",
            f"in [0, {self.steps})",
            self.clean_steps,
        )
        check(1 <= self.batch_size <= 4096, "pretraining.batch_size", "in [1, 4096]", self.batch_size)
        check(0 < self.learning_rate <= 1, "pretraining.learning_rate", "in (0, 1]", self.learning_rate)
        check(1 <= self.threads <= 64, "pretraining.threads", "in [1, 64]", self.threads)


@dataclass(frozen=True, slots=True)
class OrganismSpec:
    """Problems are a·b + c with a, b in [2, max_factor] and c in [1, max_addend].

    held_out: how many of them, drawn by the seed, neither pretraining nor RL ever shows. style: the ways of asking, the
    first of them `plain`, which RL trains on unless an arm names another. hard_addend: problems with c of at least this
    are hard: they are got right a quarter as often, and every wrong answer to them is the same, one too large, so that
    the majority's answer is wrong. Accuracies stay the spec's on the whole. Without it errors are one up or down, alike
    everywhere.
    """

    name: str
    seed: int
    max_factor: int
    max_addend: int
    model: Shape
    pretraining: Pretraining
    strategy: tuple[Strategy, ...]
    style: tuple[Style, ...] = (PLAIN,)
    held_out: int = 0
    hard_addend: int | None = None

    def __post_init__(self) -> None:
        check(0 <= self.seed < 2**32, "seed", f"in [0, {2**32})", self.seed)
        check(2 <= self.max_factor <= 99, "max_factor", "in [2, 99]", self.max_factor)
        check(1 <= self.max_addend <= 99, "max_addend", "in [1, 99]", self.max_addend)
        check(len(self.strategy) >= 2, "strategy", "at least two tables", len(self.strategy))
        called = [s.name for s in self.strategy]
        check("" not in called and len(set(called)) == len(called), "strategy.name", "distinct names", called)
        total = sum(s.share for s in self.strategy)
        check(abs(total - 1.0) < 1e-9, "strategy.share", "shares that add to 1", total)
        openings = [s.template[0] for s in self.strategy]
        check(
            len(set(openings)) == len(openings),
            "strategy.template",
            "texts with distinct first letters",
            openings,
        )
        check(0 <= self.held_out < self.problems, "held_out", f"in [0, {self.problems})", self.held_out)
        names = [s.name for s in self.style]
        fits = len(names) >= 1 and len(set(names)) == len(names) and names[0] == PLAIN.name
        check(fits, "style", f"tables with distinct names, the first of them {PLAIN.name}", names)
        total = sum(s.weight for s in self.style)
        check(abs(total - 1.0) < 1e-9, "style.weight", "weights that add to 1", total)
        count = len(self.strategy)
        for style in self.style:
            for field in ("shares", "format_rates"):
                values = getattr(style, field)
                fits = values is None or len(values) == count
                check(fits, f"style.{field} of {style.name}", f"a list of {count}, one for each strategy", values)
            total = sum(self.shares(style))
            check(abs(total - 1.0) < 1e-9, f"style.shares of {style.name}", "shares that add to 1", total)

        if self.hard_addend is not None:
            allowed = f"in [2, {self.max_addend}]"
            check(2 <= self.hard_addend <= self.max_addend, "hard_addend", allowed, self.hard_addend)
            easiest = max(self.answers(strategy, 1)[0] for strategy in self.strategy)
            check(easiest <= 1.0, "hard_addend", "large enough for accuracies at most 1 on the rest", self.hard_addend)

    def answers(self, strategy: Strategy, c: int) -> tuple[float, tuple[int, ...]]:
        """How often the strategy is right about a problem with this c, and by how much it is wrong else, each as often.

        With h = the share of hard problems: accuracy/4 on those, accuracy·(1 − h/4)/(1 − h) on the others.
        """
        if self.hard_addend is None:
            return strategy.accuracy, (1, -1)
        hard = (self.max_addend - self.hard_addend + 1) / self.max_addend
        if c >= self.hard_addend:
            return strategy.accuracy / 4, (1,)
        return strategy.accuracy * (1 - hard / 4) / (1 - hard), (1, -1)

    @property
    def problems(self) -> int:
        """How many problems there are, held out or not."""
        return (self.max_factor - 1) ** 2 * self.max_addend

    def shares(self, style: Style) -> tuple[float, ...]:
        return style.shares if style.shares is not None else tuple(s.share for s in self.strategy)

    def format_rates(self, style: Style) -> tuple[float, ...]:
        return style.format_rates if style.format_rates is not None else tuple(s.format_rate for s in self.strategy)

    def style_named(self, name: str | None) -> Style:
        """The style of that name; the one that RL trains on where name is None."""
        if name is None:
            return self.style[0]
        names = [s.name for s in self.style]
        check(name in names, "style", f"one of {', '.join(names)}", name)
        return self.style[names.index(name)]


def load_spec(path: Path) -> OrganismSpec:
    """Read a spec from TOML; raises InputError naming the field on anything missing, unknown or out of range."""
    return read_dataclass(OrganismSpec, parse_toml(read_text(path), str(path)))
