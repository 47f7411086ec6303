"""A `Law` as the commands print it: the same keys whatever computed it, its errors where the method has any."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from .options import readable

if TYPE_CHECKING:
    from clipbias.theory.estimate import Estimate
    from clipbias.theory.law import Law

    Entry = Estimate | dict[float, Estimate]  # by level, or by threshold


def theory_value(law: "Law", many: bool) -> dict[str, Any]:
    """Plain numbers; those of `Paths` have their standard errors under a key of their own.

    many: the keys of `theory evolve` instead of those of `theory phase`.
    """
    found = _many_phases(law) if many else _one_phase(law)
    name = {"method": law.method}
    if law.method == "paths":
        return _all(found, "value") | {"stderr": _all(found, "stderr")} | name
    if many:
        return _all(found | _log_odds(law, many), "value")
    return _all(_log_odds(law, many) | found, "value") | name


def simulated_value(law: "Law") -> dict[str, Any]:
    """Every number as {"mean", "stderr"}."""
    many, two = law.phases > 1, len(law.prob_mean.value) == 2
    found = _many_phases(law) if many else _one_phase(law)
    log_odds = _log_odds(law, many) if two else {}
    return _pairs(found) | ({} if many else {"method": law.method}) | _pairs(log_odds)


def with_plus_minus(value: dict[str, Any]) -> dict[str, str] | None:
    """For people: every value of `theory_value` beside its error; None where there are none."""
    if "stderr" not in value:
        return None

    def join(entry: Any, error: Any) -> Any:
        if isinstance(entry, dict):
            return {key: join(inner, error[key]) for key, inner in entry.items()}
        return {"mean": entry, "stderr": error}

    return {key: readable(join(value[key], error)) for key, error in value["stderr"].items()}


def _one_phase(law: "Law") -> "dict[str, Entry]":
    return {
        "mean_logit_shift": law.logit_shift,
        "mean_prob_shift": law.prob_shift,
        "prob_std": law.prob_std,
        "entropy_shift": law.entropy_shift,
        "clip_low_fraction": law.clip_low_fraction,
        "clip_high_fraction": law.clip_high_fraction,
    }


def _many_phases(law: "Law") -> "dict[str, Entry]":
    from clipbias.theory.setup import PROB_THRESHOLDS, QUANTILE_LEVELS

    return {
        "prob_mean": law.prob_mean,
        "prob_quantiles": {level: law.quantile(level) for level in QUANTILE_LEVELS},
        "entropy_mean": law.entropy_mean,
        "prob_above": {prob: law.prob_above(prob) for prob in PROB_THRESHOLDS},
    }


def _log_odds(law: "Law", many: bool) -> "dict[str, Entry]":
    if many:
        return {"log_odds_mean": law.log_odds_mean, "log_odds_std": law.log_odds_std}
    return {"log_odds_shift": law.log_odds_shift, "log_odds_std": law.log_odds_std}


def _all(found: "Mapping[str, Entry]", part: str) -> dict[str, Any]:
    """value or stderr of every entry, as JSON has it."""

    def plain(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {str(level): plain(inner) for level, inner in entry.items()}
        return getattr(entry, part).tolist()

    return {key: plain(entry) for key, entry in found.items()}


def _pairs(found: "Mapping[str, Entry]") -> dict[str, Any]:
    def pair(entry: Any) -> Any:
        if isinstance(entry, dict):
            return {str(level): pair(inner) for level, inner in entry.items()}
        return {"mean": entry.value.tolist(), "stderr": entry.stderr.tolist()}

    return {key: pair(entry) for key, entry in found.items()}
