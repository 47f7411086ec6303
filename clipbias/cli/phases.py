"""`clipbias theory phase` and `evolve`: one phase and many, by the law for two outcomes or along paths for more."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from . import options
from .options import named_errors, readable, show

if TYPE_CHECKING:
    from clipbias.theory.setup import PhaseConfig


def _by_paths(probs: tuple[float, ...], method: str | None) -> bool:
    if len(probs) > 2 and method in options.TWO_OUTCOME_METHODS:
        raise ValueError(f"method must be paths for more than two outcomes, got {method}")
    return len(probs) > 2 or method == "paths"


def _follow(probs: tuple[float, ...], config: "PhaseConfig", phases: int) -> Any:
    from clipbias.theory.laws.paths import paths

    with options.doubts(), options.working(f"{phases} phases"):
        return paths(probs, config, phases)


def _with_errors(found: dict[str, Any]) -> dict[str, Any]:
    """Values of `theory.paths`, and their standard errors under a key of their own."""

    def part(entry: Any, name: str) -> Any:
        if isinstance(entry, dict):
            return {str(key): part(inner, name) for key, inner in entry.items()}
        return getattr(entry, name).tolist()

    return part(found, "value") | {"stderr": part(found, "stderr"), "method": "paths"}


def _with_plus_minus(value: dict[str, Any]) -> dict[str, str] | None:
    """For people: every value beside its error; None where there are none."""
    if "stderr" not in value:
        return None

    def join(entry: Any, error: Any) -> Any:
        if isinstance(entry, dict):
            return {key: join(inner, error[key]) for key, inner in entry.items()}
        return {"mean": entry, "stderr": error}

    return {key: readable(join(value[key], error)) for key, error in value["stderr"].items()}


@click.command()
@options.phase_options
@options.method
@options.plot
def phase(probs: tuple[float, ...], method: Any, plot: Path | None, as_json: bool, **flags: Any) -> None:
    """Expected change over one phase of rollouts. --plot: entropy over clip low and clip high (two outcomes), or every
    outcome's move.

    \b
    Example: clipbias theory phase --probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 \\
        --minibatches 8 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5
    """
    with named_errors():
        config = options.phase_config(**flags)
        followed = _by_paths(probs, method)
        if followed:
            found = _follow(probs, config, 1)
            value = _with_errors(
                {
                    "mean_logit_shift": found.logit_shift,
                    "mean_prob_shift": found.prob_shift,
                    "prob_std": found.prob_std,
                    "entropy_shift": found.entropy_shift,
                    "clip_low_fraction": found.clip_low_fraction,
                    "clip_high_fraction": found.clip_high_fraction,
                }
            )
        else:
            from clipbias.theory.laws import phase as law

            value = asdict(law.phase(probs[0], config, method or "exact"))

    def figure() -> Any:
        from clipbias.figures import theory as figures

        if followed:
            return figures.outcomes(probs, found, 1)
        return figures.entropy_map(probs[0], config)

    options.draw(plot, figure)
    show(value, as_json, "One phase", _with_plus_minus(value))


@click.command()
@options.phase_options
@options.number("--phases", int, "at least 1", "Phases")
@options.method
@options.plot
def evolve(probs: tuple[float, ...], phases: int, method: Any, plot: Path | None, as_json: bool, **flags: Any) -> None:
    """The law of the policy after many phases. --plot: bands over the phases and a portrait (two outcomes), or every
    outcome's move.

    \b
    Example: clipbias theory evolve --probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 \\
        --minibatches 8 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5 --phases 100
    """
    with named_errors():
        config = options.phase_config(**flags)
        followed = _by_paths(probs, method)
        if followed:
            result = _follow(probs, config, phases)
            value = _with_errors(
                {
                    "prob_mean": result.prob_mean,
                    "prob_quantiles": result.prob_quantiles,
                    "entropy_mean": result.entropy_mean,
                    "prob_above": result.prob_above,
                }
            )
        else:
            value, result = _evolve_two(probs[0], config, phases, method or "exact")

    def figure() -> Any:
        from clipbias.figures import theory as figures

        return figures.outcomes(probs, result, phases) if followed else figures.evolve(probs[0], config, result)

    options.draw(plot, figure)
    show(value, as_json, f"After {phases} phases", _with_plus_minus(value))


def _evolve_two(prob: float, config: "PhaseConfig", phases: int, method: Any) -> tuple[dict[str, Any], Any]:
    from scipy.special import expit

    from clipbias.theory.laws import evolve as composition
    from clipbias.theory.setup import PROB_THRESHOLDS, QUANTILE_LEVELS

    with options.doubts(), options.working(f"{phases} phases"):
        result = composition.evolve(prob, config, phases, method)
    law = result.laws[-1]
    quantiles = {q: float(expit(law.quantile(q))) for q in QUANTILE_LEVELS}
    value = {
        "prob_mean": [law.prob_mean, 1 - law.prob_mean],
        "prob_quantiles": {str(q): [quantiles[q], 1 - quantiles[round(1 - q, 2)]] for q in QUANTILE_LEVELS},
        "entropy_mean": law.entropy_mean,
        "prob_above": {str(p): [law.prob_above(p), 1 - law.prob_above(1 - p)] for p in PROB_THRESHOLDS},
        "log_odds_mean": law.mean,
        "log_odds_std": law.std,
    }
    return value, result
