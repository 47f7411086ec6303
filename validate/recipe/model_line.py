"""Which model a recipe trains."""

from dataclasses import dataclass

from clipbias.common.errors import check


@dataclass(frozen=True, slots=True)
class ModelLine:
    """What is trained: an organism by its name or the file of its spec, or the folder of any causal language model.

    instruction follows every word problem put to a model that is no organism; it should leave the strategy open.
    """

    organism: str | None = None
    path: str | None = None
    instruction: str = "Put the final answer in \\boxed{}."

    def __post_init__(self) -> None:
        check(
            (self.organism is None) != (self.path is None),
            "model",
            "either organism or path",
            "both" if self.organism is not None else "neither",
        )
