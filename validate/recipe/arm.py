"""An arm: what one condition changes in the training."""

import re
from dataclasses import dataclass, replace
from typing import Any, Literal

from clipbias.common.errors import check
from clipbias.theory.surrogate import UNCLIPPED, PpoClip, Surrogate
from clipbias.validate.tasks.rewards import parse_reward

from .gate import read_gate, read_optimizer
from .training import BETA1, BETA2, Training

PLAIN = "plain"  # the style of prompt that is used unless an arm names another

# Which problems an arm is trained on: all; the one that the untrained model gets right most nearly half of the time; or
# those whose majority label is wrong.
Problems = Literal["all", "one", "mislabelled"]


@dataclass(frozen=True, slots=True)
class Arm:
    """One condition; a clip side that is `none` is off.

    reward: see `rewards.parse_reward`. style: how the problems are put (`subject`). surrogate: in the notation of
    `gate`, instead of the two clip sides. secretly_right: which part of the wrong majority labels is replaced by the
    truth, unknown to whoever reads the reward's name; of the problems, always the same ones, and among more of them the
    fewer. The rest replaces the training's own.
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
    surrogate: str | None = None
    optimizer: str | None = None
    secretly_right: float | None = None

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
        if self.surrogate is not None:
            read_gate(self.surrogate, f"surrogate of arm {self.name}")
            for field in ("clip_low", "clip_high"):
                given = getattr(self, field)
                check(given is None, f"{field} of arm {self.name}", "left out where there is a surrogate", given)
        if self.optimizer is not None:
            read_optimizer(self.optimizer, f"optimizer of arm {self.name}")
        reward = parse_reward(self.reward)
        if self.secretly_right is not None:
            field = f"secretly_right of arm {self.name}"
            check(0 < self.secretly_right <= 1, field, "in (0, 1]", self.secretly_right)
            check(reward.needs_label, field, "left out where no majority label is read", self.secretly_right)

    @property
    def gate(self) -> Surrogate:
        """What the arm maximises."""
        if self.surrogate is None:
            return PpoClip(low=self.clip_low, high=self.clip_high)
        return read_gate(self.surrogate, f"surrogate of arm {self.name}")

    @property
    def clipped(self) -> bool:
        """Whether its surrogate takes anything from any gradient."""
        return self.gate != UNCLIPPED

    @property
    def unclipped(self) -> "Arm":
        """The same arm without a clip."""
        return replace(self, clip_low=None, clip_high=None, surrogate=None)

    @property
    def blind(self) -> bool:
        """Whether the reward looks at nothing."""
        return self.reward == "random"

    @property
    def surveyed(self) -> bool:
        """Whether the arm needs to know what the untrained model answers."""
        return not self.blind or self.problems != "all"

    def training(self, shared: Training) -> Training:
        names = ("success_prob", "prompts_per_phase", "minibatches", "phases", "learning_rate", "optimizer")
        changes: dict[str, Any] = {name: getattr(self, name) for name in names if getattr(self, name) is not None}
        if self.optimizer is not None:
            changes |= {"adam_beta1": BETA1, "adam_beta2": BETA2}
        return replace(shared, **changes)
