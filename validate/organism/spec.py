"""The description of an organism: which strategies it has, how often it uses each, and how well each works."""

from dataclasses import dataclass
from pathlib import Path

from ..fields import check, parse_toml, read_dataclass
from ..files import read_text

SHIPPED = Path(__file__).parent / "default"


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
        check("{answer}" in self.template, "strategy.template", "text that contains {answer}", self.template)


@dataclass(frozen=True, slots=True)
class Shape:
    """Size of the Qwen2. The head dimension is 32, the smallest that vLLM can load."""

    layers: int
    heads: int
    intermediate_size: int

    def __post_init__(self) -> None:
        for field in ("layers", "heads", "intermediate_size"):
            check(getattr(self, field) >= 1, f"model.{field}", "at least 1", getattr(self, field))

    @property
    def width(self) -> int:
        return 32 * self.heads


@dataclass(frozen=True, slots=True)
class Pretraining:
    """`clean_steps` of the `steps` come first and teach arithmetic: every answer right. The rest teach the spec's
    accuracies; mixed from the start, the wrong answers drown the signal that arithmetic is learned from."""

    steps: int
    clean_steps: int
    batch_size: int
    learning_rate: float

    def __post_init__(self) -> None:
        check(self.steps >= 1, "pretraining.steps", "at least 1", self.steps)
        check(
            0 <= self.clean_steps < self.steps,
            "pretraining.clean_steps",
            f"in [0, {self.steps})",
            self.clean_steps,
        )
        check(self.batch_size >= 1, "pretraining.batch_size", "at least 1", self.batch_size)
        check(self.learning_rate > 0, "pretraining.learning_rate", "positive", self.learning_rate)


@dataclass(frozen=True, slots=True)
class OrganismSpec:
    """Problems are a·b + c with a, b in [2, max_factor] and c in [1, max_addend]."""

    name: str
    seed: int
    max_factor: int
    max_addend: int
    model: Shape
    pretraining: Pretraining
    strategy: tuple[Strategy, ...]

    def __post_init__(self) -> None:
        check(2 <= self.max_factor <= 99, "max_factor", "in [2, 99]", self.max_factor)
        check(1 <= self.max_addend <= 99, "max_addend", "in [1, 99]", self.max_addend)
        check(len(self.strategy) >= 2, "strategy", "at least two tables", len(self.strategy))
        total = sum(s.share for s in self.strategy)
        check(abs(total - 1.0) < 1e-9, "strategy.share", "shares that add to 1", total)
        openings = [s.template[0] for s in self.strategy]
        check(
            len(set(openings)) == len(openings),
            "strategy.template",
            "texts with distinct first letters",
            openings,
        )


def load_spec(path: Path) -> OrganismSpec:
    """Read a spec from TOML; raises InputError naming the field on anything missing, unknown or out of range."""
    return read_dataclass(OrganismSpec, parse_toml(read_text(path), str(path)))
