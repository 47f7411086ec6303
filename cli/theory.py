"""`clipbias theory`: the closed forms."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from . import options
from .options import named_errors, show

if TYPE_CHECKING:
    from ..theory.config import PhaseConfig

QUANTILE_LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
PROB_THRESHOLDS = (0.5, 0.9, 0.99)


def phase_config(**flags: Any) -> "PhaseConfig":
    """The configuration that `options.phase_options` describe."""
    from ..theory.config import PhaseConfig
    from ..theory.surrogate import PpoClip

    return PhaseConfig(surrogate=PpoClip(flags.pop("clip_low"), flags.pop("clip_high")), **flags)


@click.group(no_args_is_help=False)
def theory() -> None:
    """Expected drift and its spread, in closed form.

    Example: clipbias theory advantage --group-size 16 --success-prob 0.5
    """


@theory.command()
@options.stacked(options.group_size, options.success_prob, options.scale, options.as_json)
def advantage(group_size: int, success_prob: float, scale: Any, as_json: bool) -> None:
    """Moments of a group's normalised advantages when the reward is a coin.

    Example: clipbias theory advantage --group-size 16 --success-prob 0.5
    """
    with named_errors():
        from ..theory.advantage import advantage_moments

        moments = asdict(advantage_moments(group_size, success_prob, scale))
    keys = ("mu", "v_plus", "v_minus", "degenerate_prob", "max_abs")
    show({key: moments[key] for key in keys}, as_json, "Advantage")


@theory.command()
@click.option(
    "--old-probs", type=options.Probs(), required=True, help=f"The policy sampled from: {options.Probs.rule}."
)
@options.stacked(options.probs, options.clip_low, options.clip_high, options.group_size, options.success_prob)
@options.stacked(options.scale, options.as_json)
def drift(
    old_probs: tuple[float, ...],
    probs: tuple[float, ...],
    clip_low: float | None,
    clip_high: float | None,
    group_size: int,
    success_prob: float,
    scale: Any,
    as_json: bool,
) -> None:
    """Expected gradient in the logits; without clipping it would be zero.

    \b
    Example: clipbias theory drift --old-probs 0.65,0.35 --probs 0.8,0.2 --clip-low 0.2 --clip-high 0.2 \\
        --group-size 16 --success-prob 0.5
    """
    with named_errors():
        from ..theory.advantage import advantage_moments
        from ..theory.drift import expected_gradient
        from ..theory.surrogate import PpoClip

        mu = advantage_moments(group_size, success_prob, scale).mu
        gradient = expected_gradient(probs, old_probs, PpoClip(clip_low, clip_high), mu)
    show({"mu": mu, "drift": gradient.tolist()}, as_json, "Expected gradient")


def _two_outcomes(probs: tuple[float, ...]) -> float:
    if len(probs) != 2:
        raise ValueError(f"probs must have two entries here (simulate run takes more), got {len(probs)}")
    return probs[0]


@theory.command()
@options.phase_options
@options.method
def phase(probs: tuple[float, ...], method: Any, as_json: bool, **flags: Any) -> None:
    """Expected change over one phase of rollouts, with two outcomes.

    \b
    Example: clipbias theory phase --probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 \\
        --minibatches 8 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5
    """
    with named_errors():
        prob = _two_outcomes(probs)
        config = phase_config(**flags)
        from ..theory import phase as law

        result = asdict(law.phase(prob, config, method))
    show(result, as_json, "One phase")


@theory.command()
@options.phase_options
@options.number("--phases", int, "at least 1", "Phases")
@options.method
def evolve(probs: tuple[float, ...], phases: int, method: Any, as_json: bool, **flags: Any) -> None:
    """The law of the policy after many phases, with two outcomes.

    \b
    Example: clipbias theory evolve --probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 \\
        --minibatches 8 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5 --phases 100
    """
    with named_errors():
        prob = _two_outcomes(probs)
        config = phase_config(**flags)
        from scipy.special import expit

        from ..theory import evolve as composition

        with options.working(f"{phases} phases"):
            law = composition.evolve(prob, config, phases, method).laws[-1]
        quantiles = {q: float(expit(law.quantile(q))) for q in QUANTILE_LEVELS}
        value = {
            "prob_mean": [law.prob_mean, 1 - law.prob_mean],
            "prob_quantiles": {str(q): [quantiles[q], 1 - quantiles[round(1 - q, 2)]] for q in QUANTILE_LEVELS},
            "entropy_mean": law.entropy_mean,
            "prob_above": {str(p): [law.prob_above(p), 1 - law.prob_above(1 - p)] for p in PROB_THRESHOLDS},
            "log_odds_mean": law.mean,
            "log_odds_std": law.std,
        }
    show(value, as_json, f"After {phases} phases")


@theory.command()
@click.option(
    "--clip-low",
    type=options.Number(float, "in [0, 1)"),
    required=True,
    help="Lower bound of the ratio is 1 - this (in [0, 1)).",
)
@options.number("--ratio-std", float, "in [0, 26)", "Standard deviation of a rare outcome's log-ratio")
@options.as_json
def neutral(clip_low: float, ratio_std: float, as_json: bool) -> None:
    """The upper clip that leaves rare outcomes alone.

    Example: clipbias theory neutral --clip-low 0.2 --ratio-std 0.1
    """
    with named_errors():
        from ..theory.neutral import neutral_clip_high

        value = {"clip_high": neutral_clip_high(clip_low, ratio_std)}
    show(value, as_json, "Neutral clip")
