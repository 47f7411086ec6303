"""The shape of GRPO training: how many samples and steps a phase has, and how a step is made."""

from dataclasses import dataclass

from clipbias.common.errors import check
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import Surrogate
from clipbias.theory.update_rule import Adam, Sgd

from .gate import momentum_of, read_optimizer

LARGEST = 100_000  # of any count
LARGEST_RANK = 1024  # of low-rank updates
BATCH = 1024  # answers drawn together, at most; what is frozen of organisms was drawn so
SCALE = 2  # of low-rank updates: α/r
BETA1, BETA2 = 0.9, 0.95  # of Adam, as in the paper


@dataclass(frozen=True, slots=True)
class Training:
    """GRPO as the paper runs it: one epoch, `minibatches` optimizer steps per phase, no KL term.

    optimizer: in the notation of `gate`, instead of adam_beta1 and adam_beta2; without it AdamW with these two and
    no weight decay. micro_batch: answers that pass forward and back together, the whole mini-batch unless given;
    memory depends on it, the step does not. lora_rank: of low-rank updates that are trained beside every linear
    layer instead of all weights. bf16: whether products are in bfloat16, over weights in single precision; left
    out, on a GPU only. gradient_checkpointing: whether what a layer works out on the way forward is worked out
    again on the way back; left out, it is kept.
    """

    prompts_per_phase: int
    group_size: int
    minibatches: int
    learning_rate: float
    phases: int
    max_completion_length: int
    success_prob: float = 0.5
    adam_beta1: float = BETA1
    adam_beta2: float = BETA2
    max_grad_norm: float = 1.0
    optimizer: str | None = None
    micro_batch: int | None = None
    lora_rank: int | None = None
    bf16: bool | None = None
    gradient_checkpointing: bool | None = None

    def __post_init__(self) -> None:
        for field in ("prompts_per_phase", "minibatches", "phases", "max_completion_length"):
            check(1 <= getattr(self, field) <= LARGEST, f"training.{field}", f"in [1, {LARGEST}]", getattr(self, field))
        check(2 <= self.group_size <= LARGEST, "training.group_size", f"in [2, {LARGEST}]", self.group_size)
        check(self.learning_rate > 0, "training.learning_rate", "positive", self.learning_rate)
        check(0 <= self.success_prob <= 1, "training.success_prob", "in [0, 1]", self.success_prob)
        for field in ("adam_beta1", "adam_beta2"):
            check(0 <= getattr(self, field) < 1, f"training.{field}", "in [0, 1)", getattr(self, field))
        check(self.max_grad_norm > 0, "training.max_grad_norm", "positive", self.max_grad_norm)
        check(
            self.rollouts % (self.minibatches * self.group_size) == 0,
            "training.minibatches",
            f"a number that splits {self.prompts_per_phase} groups evenly",
            self.minibatches,
        )
        if self.micro_batch is not None:
            check(
                1 <= self.micro_batch <= self.minibatch_size and self.minibatch_size % self.micro_batch == 0,
                "training.micro_batch",
                f"a divisor of a mini-batch's {self.minibatch_size} answers",
                self.micro_batch,
            )
        rank = self.lora_rank
        check(rank is None or 1 <= rank <= LARGEST_RANK, "training.lora_rank", f"in [1, {LARGEST_RANK}]", rank)
        if self.optimizer is not None:
            read_optimizer(self.optimizer, "training.optimizer")
            for field, default in (("adam_beta1", BETA1), ("adam_beta2", BETA2)):
                given = getattr(self, field)
                check(given == default, f"training.{field}", "left out where there is an optimizer", given)

    @property
    def update(self) -> Sgd | Adam:
        """How a gradient becomes a step."""
        if self.optimizer is None:
            return Adam(beta1=self.adam_beta1, beta2=self.adam_beta2)
        return read_optimizer(self.optimizer, "training.optimizer")

    @property
    def momentum(self) -> float:
        return momentum_of(self.update)

    @property
    def rollouts(self) -> int:
        """Completions sampled per phase."""
        return self.prompts_per_phase * self.group_size

    @property
    def minibatch_size(self) -> int:
        return self.rollouts // self.minibatches

    @property
    def micro_size(self) -> int:
        """Answers that pass forward and back together."""
        return self.micro_batch or self.minibatch_size

    @property
    def accumulation(self) -> int:
        """Micro-batches of a mini-batch."""
        return self.minibatch_size // self.micro_size

    def toy(
        self, learning_rate: float, gate: Surrogate, success_prob: float | tuple[float, float] | None = None
    ) -> PhaseConfig:
        """The same phase on the toy policy (TRL scales advantages with the n−1 standard deviation).

        The toy keeps a group whole within a mini-batch. TRL shuffles a phase's samples over its mini-batches, so that
        a mini-batch holds parts of several groups and a group meets itself again in later steps, with advantages that
        correlate by −1/(G−1).
        """
        return PhaseConfig(
            learning_rate=learning_rate,
            group_size=self.group_size,
            groups_per_minibatch=self.minibatch_size // self.group_size,
            minibatches=self.minibatches,
            success_prob=self.success_prob if success_prob is None else success_prob,
            surrogate=gate,
            scale="std-unbiased",
        )
