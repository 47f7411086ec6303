"""What is foretold, as numbers with units, and as the JSON of the command."""

from dataclasses import dataclass
from typing import Any

from scipy.special import ndtr, ndtri

from clipbias.common.arrays import Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Line:
    """One observable under one reward, in its own unit: start; after each phase mean, 90 % interval over seeds and
    stderr of the mean, [T]. unit: "share", "tokens" or "reward"."""

    unit: str
    start: float
    mean: Array
    low: Array
    high: Array
    stderr: Array

    def sureness(self, phase: int) -> float:
        """Chance that a seed has moved the way that the mean says, by a normal law with this interval."""
        spread = (self.high[phase] - self.low[phase]) / (ndtri(0.95) - ndtri(0.05))
        far = abs(self.mean[phase] - self.start)
        return 0.5 if far == 0 else 1.0 if spread == 0 else float(ndtr(far / spread))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Taught:
    """One reward. paid, mixed, first_success: see `validate.predict.forecast.Forecast`. lines: by observable, after
    phases 1…T. effective [T]: answers that a problem is worth."""

    paid: float
    mixed: float
    first_success: float
    lines: dict[str, Line]
    effective: Array

    @property
    def phases(self) -> int:
        return len(self.effective)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Foretold:
    """rewards: by name. seconds, survey_seconds: of this call, and of the survey whenever it was made. phase_seconds:
    of a phase of the training on this machine, as estimated."""

    rewards: dict[str, Taught]
    prompts: int
    answers: int
    parts: str
    survey_seconds: float
    seconds: float
    phase_seconds: float
    reused: bool
    warnings: tuple[str, ...]

    def to_json(self) -> dict[str, Any]:
        cost = {
            "seconds": round(self.seconds, 1),
            "survey_seconds": round(self.survey_seconds, 1),
            "phases_of_training": round(self.survey_seconds / self.phase_seconds, 2),
            "prompts": self.prompts,
            "answers": self.answers,
            "parts": self.parts,
            "reused": self.reused,
        }
        return {
            "rewards": {name: _reward_json(taught) for name, taught in self.rewards.items()},
            "cost": cost,
            "effective_samples": {name: taught.effective.tolist() for name, taught in self.rewards.items()},
            "warnings": list(self.warnings),
        }


def _reward_json(taught: Taught) -> dict[str, Any]:
    lines = {
        name: {"unit": line.unit, "start": line.start}
        | {key: getattr(line, key).tolist() for key in ("mean", "low", "high", "stderr")}
        for name, line in taught.lines.items()
    }
    known = {"paid": taught.paid, "mixed": taught.mixed, "first_success": taught.first_success}
    return known | {"phases": list(range(1, taught.phases + 1))} | lines
