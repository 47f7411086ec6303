"""What is claimed before a run, as types: written to prediction.json once, hashed, and read back from it ever after.

The JSON is schema 1: its keys, their order and every float's digits are what the hash covers, so that `to_text` and
`from_text` must stay each other's inverse to the byte (tested on every frozen prediction).
"""

import json
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from clipbias.common.arrays import Array
from clipbias.common.errors import check
from clipbias.validate.measure.answer_rates import UntrainedRates
from clipbias.validate.measure.payment import Payment
from clipbias.validate.measure.pilot_noise import PilotNoise
from clipbias.validate.measure.start import Start
from clipbias.validate.recipe.recipe import ToyLine

FILE = "prediction.json"
SCHEMA = 1  # of the JSON; a file that does not say is of schema 1


def _array(values: Any) -> Array:
    return np.asarray(values, dtype=np.float64)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Band:
    """The law of single seeds' log-odds after 0…T phases.

    log_odds_quantiles [T + 1, L], at the prediction's levels; log_odds_mean, log_odds_std, share_mean,
    strategy_entropy_mean (nats) [T + 1]. start_stderr: counting error of the start, which all seeds share (0 where the
    share was read exactly).
    """

    log_odds_quantiles: Array
    log_odds_mean: Array
    log_odds_std: Array
    start_stderr: float
    share_mean: Array
    strategy_entropy_mean: Array

    def _to_json(self) -> dict[str, Any]:
        return {
            "log_odds_quantiles": self.log_odds_quantiles.tolist(),
            "log_odds_mean": self.log_odds_mean.tolist(),
            "log_odds_std": self.log_odds_std.tolist(),
            "start_stderr": self.start_stderr,
            "share_mean": self.share_mean.tolist(),
            "strategy_entropy_mean": self.strategy_entropy_mean.tolist(),
        }

    @classmethod
    def _from_json(cls, found: dict[str, Any]) -> "Band":
        return cls(
            log_odds_quantiles=_array(found["log_odds_quantiles"]),
            log_odds_mean=_array(found["log_odds_mean"]),
            log_odds_std=_array(found["log_odds_std"]),
            start_stderr=found["start_stderr"],
            share_mean=_array(found["share_mean"]),
            strategy_entropy_mean=_array(found["strategy_entropy_mean"]),
        )


@dataclass(frozen=True, slots=True)
class Parts:
    """The mean share's change at the end by cause, which add up: what a blind reward paid as often does without a clip,
    what looking adds, and what the bounds add to both."""

    noise: float
    selection: float
    clip: float


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipFractions:
    """Expected shares of tokens clipped low and high in mini-batches 1…M; [M] each."""

    low: Array
    high: Array


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ArmClaim:
    """Everything claimed of one arm.

    band: with what the optimizer's momentum does to the toy's law; it is the one that is judged. without_momentum: the
    same without. strategy_clipped: of the tokens that decide the strategy, by the toy; tokens_clipped: of all tokens,
    from the pilot's log-ratios, with momentum and without. payment and parts: where the untrained model was surveyed.
    accuracy_mean [T + 1]: on held-out problems if only the share moved, where there is an evaluation.
    """

    band: Band
    without_momentum: Band
    strategy_clipped: ClipFractions
    tokens_clipped: ClipFractions
    tokens_clipped_without_momentum: ClipFractions
    payment: Payment | None = None
    parts: Parts | None = None
    accuracy_mean: Array | None = None

    def _to_json(self) -> dict[str, Any]:
        claim = self.band._to_json() | {
            "without_momentum": self.without_momentum._to_json(),
            "strategy_clip_low": self.strategy_clipped.low.tolist(),
            "strategy_clip_high": self.strategy_clipped.high.tolist(),
            "token_clip_low": self.tokens_clipped.low.tolist(),
            "token_clip_high": self.tokens_clipped.high.tolist(),
            "token_clip_low_without_momentum": self.tokens_clipped_without_momentum.low.tolist(),
            "token_clip_high_without_momentum": self.tokens_clipped_without_momentum.high.tolist(),
        }
        if self.payment is not None:
            claim["payment"] = asdict(self.payment)
        if self.parts is not None:
            claim["parts"] = asdict(self.parts)
        if self.accuracy_mean is not None:
            claim["accuracy_mean"] = self.accuracy_mean.tolist()
        return claim

    @classmethod
    def _from_json(cls, found: dict[str, Any]) -> "ArmClaim":
        def clipped(name: str, suffix: str = "") -> ClipFractions:
            low, high = (_array(found[f"{name}_clip_{side}{suffix}"]) for side in ("low", "high"))
            return ClipFractions(low=low, high=high)

        return cls(
            band=Band._from_json(found),
            without_momentum=Band._from_json(found["without_momentum"]),
            strategy_clipped=clipped("strategy"),
            tokens_clipped=clipped("token"),
            tokens_clipped_without_momentum=clipped("token", "_without_momentum"),
            payment=Payment(**found["payment"]) if "payment" in found else None,
            parts=Parts(**found["parts"]) if "parts" in found else None,
            accuracy_mean=_array(found["accuracy_mean"]) if "accuracy_mean" in found else None,
        )


@dataclass(frozen=True, slots=True)
class Calibration:
    """The toy's learning rate at the pilot's spread, and the mixture over the spread's own error: spreads, the rates
    that they give, and weights that add to 1."""

    learning_rate: float
    spreads: tuple[float, ...]
    learning_rates: tuple[float, ...]
    weights: tuple[float, ...]

    def _to_json(self) -> dict[str, Any]:
        return {
            "learning_rate": self.learning_rate,
            "spreads": list(self.spreads),
            "learning_rates": list(self.learning_rates),
            "weights": list(self.weights),
        }

    @classmethod
    def _from_json(cls, found: dict[str, Any]) -> "Calibration":
        listed = {key: tuple(value) for key, value in found.items() if key != "learning_rate"}
        return cls(found["learning_rate"], **listed)


@dataclass(frozen=True, slots=True, kw_only=True)
class FurtherPilot:
    """What was measured under another kind of optimizer than the training's own, and the toy of it."""

    pilot: PilotNoise
    calibration: Calibration

    def _to_json(self) -> dict[str, Any]:
        return {"pilot": asdict(self.pilot), "calibration": self.calibration._to_json()}

    @classmethod
    def _from_json(cls, found: dict[str, Any]) -> "FurtherPilot":
        return cls(
            pilot=PilotNoise(**found["pilot"]),
            calibration=Calibration._from_json(found["calibration"]),
        )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Prediction:
    """A run's claims. levels: of the bands' quantiles. pilot and calibration: of the training's own optimizer;
    further_pilots: by the other kinds that arms name, mostly none. untrained: by style, with the SHA-256 of what it was
    read from by file, where there is an evaluation. toy: as the recipe asks for it. forecast_sha256: of forecast.json,
    where the recipe asks for one."""

    recipe_sha256: str
    model_sha256: dict[str, str]
    strategy: str
    levels: tuple[float, ...]
    start: Start
    pilot: PilotNoise
    calibration: Calibration
    arms: dict[str, ArmClaim]
    untrained: dict[str, UntrainedRates] | None = None
    untrained_sha256: dict[str, str] | None = None
    toy: ToyLine | None = None
    further_pilots: dict[str, FurtherPilot] = field(default_factory=dict)
    forecast_sha256: str | None = None

    def pilot_of(self, kind: str) -> PilotNoise:
        """The pilot from which the arms with this kind of optimizer are claimed."""
        return self.further_pilots[kind].pilot if kind in self.further_pilots else self.pilot

    def _to_json(self) -> dict[str, Any]:
        found: dict[str, Any] = {
            "recipe_sha256": self.recipe_sha256,
            "model_sha256": self.model_sha256,
            "strategy": self.strategy,
            "levels": list(self.levels),
            "measured": asdict(self.start),
            "pilot": asdict(self.pilot),
            "calibration": self.calibration._to_json(),
            "arms": {name: claim._to_json() for name, claim in self.arms.items()},
        }
        if self.untrained is not None:
            found["untrained"] = {style: asdict(rates) for style, rates in self.untrained.items()}
        if self.untrained_sha256 is not None:
            found["untrained_sha256"] = self.untrained_sha256
        if self.toy is not None:
            found["toy"] = asdict(self.toy)
        if self.further_pilots:
            found["further_pilots"] = {kind: further._to_json() for kind, further in self.further_pilots.items()}
        if self.forecast_sha256 is not None:
            found["forecast_sha256"] = self.forecast_sha256
        return found

    def to_text(self) -> str:
        """What prediction.json holds, to the byte."""
        return json.dumps(self._to_json(), indent=1, allow_nan=False) + "\n"

    @classmethod
    def from_text(cls, text: str) -> "Prediction":
        """Raises KeyError, TypeError, ValueError or AttributeError where the text is no prediction of this schema;
        `store` says it to people."""
        found = json.loads(text)
        check(found.get("schema", SCHEMA) == SCHEMA, FILE, f"of schema {SCHEMA}", found.get("schema"))
        return cls._from_json(found)

    @classmethod
    def _from_json(cls, found: dict[str, Any]) -> "Prediction":
        """Raises KeyError or TypeError where a key of schema 1 is missing or unknown; `store` says it to people."""
        untrained = found.get("untrained")
        return cls(
            recipe_sha256=found["recipe_sha256"],
            model_sha256=found["model_sha256"],
            strategy=found["strategy"],
            levels=tuple(found["levels"]),
            start=Start(**found["measured"]),
            pilot=PilotNoise(**found["pilot"]),
            calibration=Calibration._from_json(found["calibration"]),
            arms={name: ArmClaim._from_json(claim) for name, claim in found["arms"].items()},
            untrained=None if untrained is None else {s: UntrainedRates(**rates) for s, rates in untrained.items()},
            untrained_sha256=found.get("untrained_sha256"),
            toy=ToyLine(**found["toy"]) if "toy" in found else None,
            further_pilots={kind: FurtherPilot._from_json(f) for kind, f in found.get("further_pilots", {}).items()},
            forecast_sha256=found.get("forecast_sha256"),
        )
