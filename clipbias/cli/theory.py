"""`clipbias theory`: the closed forms."""

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from clipbias.common.errors import InputError, check

from . import kinds, options
from .cost import announce
from .options import show
from .phases import evolve, phase

if TYPE_CHECKING:
    from clipbias.theory.formulas.advantage import AdvantageMoments

PARTS = ("selection", "clip_drift", "noise")


@click.group(no_args_is_help=False)
def theory() -> None:
    """Expected drift and its spread, in closed form.

    Example: clipbias theory advantage --group-size 16 --success-prob 0.5
    """


theory.add_command(phase)
theory.add_command(evolve)


@theory.command()
@options.config
@options.group_size
@click.option(
    "--reward",
    type=kinds.Choice(("coin", "uniform", "gaussian")),
    default="coin",
    show_default=True,
    help="Law of a sample's reward: coin, uniform (mu with a sampling error), gaussian.",
)
@click.option(
    "--success-prob", type=kinds.Number(float, "in [0, 1]"), help="Probability that a coin's sample is rewarded."
)
@click.option(
    "--whiten-groups",
    "groups",
    type=kinds.Number(int, "at least 1"),
    help="Whiten a coin's advantages over a buffer of so many groups.",
)
@options.stacked(options.scale, options.as_json)
def advantage(
    group_size: int, reward: str, success_prob: float | None, groups: int | None, scale: Any, as_json: bool
) -> None:
    """Moments of a group's normalised advantages when the reward looks at nothing.

    \b
    Example: clipbias theory advantage --group-size 16 --success-prob 0.5
    Example: clipbias theory advantage --group-size 16 --success-prob 0.5 --whiten-groups 32
    Example: clipbias theory advantage --group-size 16 --reward gaussian
    """
    if reward == "coin":
        moments, error = _coin_moments(group_size, success_prob, groups, scale), None
    else:
        for name, given in (("success_prob", success_prob), ("groups", groups)):
            if given is not None:
                raise InputError(name, f"be given beside --reward {reward}", verb="not")
        from clipbias.theory.formulas.continuous import gaussian_moments, uniform_moments

        gaussian = reward == "gaussian"
        moments, error = (gaussian_moments(group_size, scale), None) if gaussian else uniform_moments(group_size, scale)
    value = asdict(moments)
    keys = ("mu", "v_plus", "v_minus", "degenerate_prob", "max_abs")
    found = {key: value[key] for key in keys}
    show(found if error is None else found | {"stderr": {"mu": error}}, as_json, "Advantage")


def _coin_moments(group_size: int, success_prob: float | None, groups: int | None, scale: Any) -> "AdvantageMoments":
    from clipbias.theory.formulas.advantage import advantage_moments
    from clipbias.theory.formulas.whitening import whitened_moments

    if success_prob is None:
        context = click.get_current_context()
        param = next(param for param in context.command.params if param.name == "success_prob")
        raise click.MissingParameter(ctx=context, param=param)
    if groups is None:
        return advantage_moments(group_size, success_prob, scale)
    return whitened_moments(group_size, success_prob, groups, scale)


@theory.command()
@click.option("--old-probs", type=kinds.Probs(), required=True, help=f"The policy sampled from: {kinds.Probs.rule}.")
@options.stacked(
    options.config, options.probs, options.clip_low, options.clip_high, options.surrogate, options.group_size
)
@options.stacked(options.success_prob, options.scale, options.plot, options.as_json)
def drift(
    old_probs: tuple[float, ...],
    probs: tuple[float, ...],
    clip_low: float | None,
    clip_high: float | None,
    surrogate: Any,
    group_size: int,
    success_prob: float,
    scale: Any,
    plot: Path | None,
    as_json: bool,
) -> None:
    """Expected gradient in the logits; without clipping it would be zero. --plot: clip bounds and drift field.

    \b
    Example: clipbias theory drift --old-probs 0.65,0.35 --probs 0.8,0.2 --clip-low 0.2 --clip-high 0.2 \\
        --group-size 16 --success-prob 0.5
    """
    from clipbias.theory.formulas.advantage import advantage_moments
    from clipbias.theory.formulas.drift import expected_gradient

    mu = advantage_moments(group_size, success_prob, scale).mu
    gate = options.gate(clip_low, clip_high, surrogate)
    gradient = expected_gradient(probs, old_probs, gate, mu)

    def figure() -> Any:
        from clipbias.figures import theory as figures

        return figures.drift(gate, mu)

    options.draw(plot, figure)
    show({"mu": mu, "drift": gradient.tolist()}, as_json, "Expected gradient")


def _two_outcomes(probs: tuple[float, ...]) -> float:
    if len(probs) != 2:
        raise InputError("probs", "two entries here", len(probs), verb="have")
    return probs[0]


@theory.command()
@options.shape_options
@click.option(
    "--success-probs",
    type=kinds.SuccessProbs(),
    required=True,
    help=f"Probability that each outcome is rewarded: {kinds.SuccessProbs.rule}.",
)
@options.stacked(options.number("--phases", int, "at least 1", "Phases", 1), options.scale, options.two_outcome_method)
@options.stacked(options.plot, options.as_json)
def reward(
    probs: tuple[float, ...],
    success_probs: tuple[float, ...],
    phases: int,
    method: Any,
    plot: Path | None,
    as_json: bool,
    **flags: Any,
) -> None:
    """What a reward that depends on the outcome adds: selection, clip drift and noise apart, with two outcomes.

    \b
    Example: clipbias theory reward --probs 0.65,0.35 --success-probs 0.61,0.28 --learning-rate 0.2 --group-size 16 \\
        --groups-per-minibatch 4 --minibatches 8 --clip-low 0.2 --clip-high 0.2 --phases 5
    """
    prob = _two_outcomes(probs)
    if len(success_probs) != len(probs):
        known = f"as many entries as probs ({len(probs)})"
        raise InputError("success_probs", known, len(success_probs), verb="have")
    config = options.phase_config(success_prob=success_probs, **flags)
    from clipbias.theory.formulas.reward import reward_drift
    from clipbias.theory.laws.cost import NANOSECOND, evolve_work
    from clipbias.theory.laws.decomposition import decomposition

    three = {by: 3 * evolve_work(prob, config, phases, by) * NANOSECOND for by in (method, "gaussian")}
    announce(three[method], {"--method gaussian": three["gaussian"], "fewer --minibatches": None})
    with options.working(f"{phases} phases, three times"):
        parts = decomposition(prob, config, phases, method)
    options.warn(parts.warnings)
    first = reward_drift(probs, probs, config)

    def figure() -> Any:
        from clipbias.figures import theory as figures

        return figures.reward(parts, prob, phases)

    options.draw(plot, figure)
    value = {
        "selection_gradient": first.selection.tolist(),
        "prob_shift": dict(zip(PARTS, parts.in_prob, strict=True)) | {"total": sum(parts.in_prob)},
        "log_odds_shift": dict(zip(PARTS, parts.in_log_odds, strict=True)) | {"total": sum(parts.in_log_odds)},
    }
    show(value, as_json, f"After {phases} phases" if phases > 1 else "After one phase")


LARGEST_DRAWN = 2.0  # its neutral clip is above 50 already
SOUGHT_PHASES, DRAWN_SET_UPS = 28, 26  # of one neutral clip, and neutral clips in its figure
SET_UP = ("probs", "learning_rate", "group_size", "groups_per_minibatch", "minibatches", "success_prob")


@theory.command()
@click.option(
    "--clip-low",
    type=kinds.Number(float, "in [0, 1)"),
    required=True,
    help="Lower bound of the ratio is 1 - this (in [0, 1)).",
)
@click.option(
    "--ratio-std",
    type=kinds.Number(float, "in [0, 26)"),
    help="Standard deviation of a rare outcome's log-ratio (in [0, 26)); or give a whole set-up instead.",
)
@click.option(
    "--rest-std",
    type=kinds.Number(float, "in [0, 1.414 ratio-std]"),
    help="Root mean square of it over all outcomes, by probability (default: the same; 0 where the rest hardly moves).",
)
@click.option("--probs", type=kinds.Probs(), help="The set-up: the policy, two outcomes.")
@click.option("--learning-rate", type=kinds.Number(float, "at least 0 and finite"), help="The set-up: step size.")
@click.option("--group-size", type=kinds.Number(int, "at least 2"), help="The set-up: samples per prompt.")
@click.option("--groups-per-minibatch", type=kinds.Number(int, "at least 1"), help="The set-up: groups in a step.")
@click.option("--minibatches", type=kinds.Number(int, "at least 1"), help="The set-up: optimizer steps per phase.")
@click.option("--success-prob", type=kinds.Number(float, "in [0, 1]"), help="The set-up: chance of a reward.")
@click.option(
    "--of",
    type=kinds.Choice(("drift", "entropy")),
    default="drift",
    show_default=True,
    help="What a whole phase leaves alone: the expected log-odds (drift), or the entropy of the phase without a clip.",
)
@options.stacked(options.config, options.scale, options.two_outcome_method, options.plot, options.as_json)
def neutral(
    clip_low: float,
    ratio_std: float | None,
    rest_std: float | None,
    of: Any,
    method: Any,
    plot: Path | None,
    as_json: bool,
    **set_up: Any,
) -> None:
    """The upper clip that leaves rare outcomes alone: by the rule (--ratio-std), or for one phase of a whole set-up.
    --plot: the rule's curve, and for a set-up how far whole phases are from it over step size and prior.

    \b
    Example: clipbias theory neutral --clip-low 0.2 --ratio-std 0.1
    Example: clipbias theory neutral --clip-low 0.2 --probs 0.05,0.95 --learning-rate 1 --group-size 16 \\
        --groups-per-minibatch 16 --minibatches 8 --success-prob 0.5 --method gaussian
    """
    from clipbias.theory.formulas.neutral import neutral_clip_high
    from clipbias.theory.setup import PhaseConfig
    from clipbias.theory.surrogate import PpoClip

    if ratio_std is not None:
        for name in ("of", "scale", "method"):  # of a whole phase
            if options.is_given(name):
                raise InputError(name, "be given beside --ratio-std", verb="not")
        given = [name for name in SET_UP if options.is_given(name)]
        if given:
            beside = f"be given beside a set-up (--{given[0].replace('_', '-')})"
            raise InputError("ratio_std", beside, verb="not")
        drawable = plot is None or ratio_std <= LARGEST_DRAWN
        check(drawable, "ratio_std", f"at most {LARGEST_DRAWN:g} for a figure", ratio_std)
        clip_high = neutral_clip_high(clip_low, ratio_std, rest_std)
    else:
        check(rest_std is None, "rest_std", "with --ratio-std", rest_std)
        missing = [name for name in SET_UP if set_up[name] is None]
        if missing:
            names = ", ".join(f"--{name.replace('_', '-')}" for name in missing)
            raise InputError("ratio_std", f"given, or else {names}")
        check(clip_low > 0, "clip_low", "in (0, 1) for a set-up", 0)
        prob = _two_outcomes(set_up.pop("probs"))
        from clipbias.theory.laws.cost import NANOSECOND, phase_work
        from clipbias.theory.laws.neutral_phase import neutral_clip_high_of_phase

        config = PhaseConfig(surrogate=PpoClip(clip_low, None), **set_up)
        whole = SOUGHT_PHASES * (1 if plot is None else 1 + DRAWN_SET_UPS) * NANOSECOND
        each = {by: whole * phase_work(prob, config, by) for by in (method, "gaussian")}
        announce(each[method], {"--method gaussian": each["gaussian"], "fewer --minibatches": None})
        with options.working("one phase, at a dozen bounds"):
            clip_high = neutral_clip_high_of_phase(prob, config, of, method)

    def figure() -> Any:
        from clipbias.figures import theory as figures

        if ratio_std is not None:
            return figures.neutral(clip_low, (ratio_std, clip_high))
        return figures.neutral_phases(prob, config, method, clip_high)

    options.draw(plot, figure)
    show({"clip_high": clip_high}, as_json, "Neutral clip")
