"""What an arm is: the shape of GRPO training, and what one condition changes in it."""

import re
from dataclasses import dataclass, replace
from typing import Literal

from clipbias.common.errors import check
from clipbias.theory.setup import PhaseConfig
from clipbias.theory.surrogate import PpoClip
from clipbias.validate.tasks.rewards import parse_reward

LARGEST = 100_000  # of any count
PLAIN = "plain"  # the style of prompt that is used unless an arm names another

# Which problems an arm is trained on: all; the one that the untrained model gets right most nearly half of the time; or
# those whose majority label is wrong.
Problems = Literal["all", "one", "mislabelled"]


@dataclass(frozen=True, slots=True)
class Training:
    """GRPO as the paper runs it: one epoch, `minibatches` optimizer steps per phase, no KL term."""

    prompts_per_phase: int
    group_size: int
    minibatches: int
    learning_rate: float
    phases: int
    max_completion_length: int
    success_prob: float = 0.5
    adam_beta1: float = 0.9
    adam_beta2: float = 0.95
    max_grad_norm: float = 1.0

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

    @property
    def rollouts(self) -> int:
        """Completions sampled per phase."""
        return self.prompts_per_phase * self.group_size

    @property
    def minibatch_size(self) -> int:
        return self.rollouts // self.minibatches

    def toy(
        self, learning_rate: float, clip: PpoClip, success_prob: float | tuple[float, float] | None = None
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
            surrogate=clip,
            scale="std-unbiased",
        )


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition; a clip side that is `none` is off.

    reward: see `rewards.parse_reward`. style: how the problems are put (`subject`). The rest replaces the training's
    own numbers.
    """

    name: str
    clip_low: float | None
    clip_high: float | None
    reward: str = "random"
    problems: Problems = "all"
    style: str = PLAIN
    success_prob: float | None = None
    prompts_per_phase: int | None = None
    minibatches: int | None = None
    phases: int | None = None
    learning_rate: float | None = None

    def __post_init__(self) -> None:
        check(
            re.fullmatch(r"[a-z0-9.-]+", self.name) is not None,
            "arm.name",
            "made of a-z, 0-9, . and -",
            self.name,
        )
        check(
            self.clip_low is None or 0 < self.clip_low < 1,
            f"clip_low of arm {self.name}",
            "in (0, 1) or none",
            self.clip_low,
        )
        allowed = "positive or none"
        check(self.clip_high is None or self.clip_high > 0, f"clip_high of arm {self.name}", allowed, self.clip_high)
        parse_reward(self.reward)

    @property
    def clip(self) -> PpoClip:
        return PpoClip(low=self.clip_low, high=self.clip_high)

    @property
    def blind(self) -> bool:
        """Whether the reward looks at nothing."""
        return self.reward == "random"

    @property
    def surveyed(self) -> bool:
        """Whether the arm needs to know what the untrained model answers."""
        return not self.blind or self.problems != "all"

    def training(self, shared: Training) -> Training:
        names = ("success_prob", "prompts_per_phase", "minibatches", "phases", "learning_rate")
        return replace(shared, **{name: getattr(self, name) for name in names if getattr(self, name) is not None})
