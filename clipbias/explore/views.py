"""What the explorer shows of a setting: pictures with their words, pure functions of the setting."""

import io
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, replace

from matplotlib.figure import Figure

from clipbias.figures import explore, theory
from clipbias.theory.formulas.advantage import advantage_moments
from clipbias.theory.formulas.neutral import neutral_clip_high
from clipbias.theory.laws.phase import phase
from clipbias.theory.surrogate import UNCLIPPED

from .setting import Setting, solved


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """words: what the picture says, a sentence or two; they are its text for readers who do not see it. warnings: what
    the method doubts."""

    picture: str
    words: str
    warnings: tuple[str, ...] = ()


def law(setting: Setting) -> View:
    """Where the share is after the last phase."""
    found = solved(setting)
    low, median, high = (100 * float(found.quantile(q).value[0]) for q in (0.05, 0.5, 0.95))
    words = (
        f"After {setting.phases} phases the median share is {median:.0f} %, and 90 % of trainings lie between {low:.0f}"
        f" and {high:.0f} %. The log-odds move by {found.log_odds_shift} on average and spread by"
        f" {found.log_odds_std}."
    )
    plain = bool(found.log_odds_laws)
    figure = theory.evolve(setting.share, setting.config, found) if plain else explore.ends(found, setting.share)
    return View(picture=_data(figure), words=words, warnings=found.warnings)


def drift(setting: Setting) -> View:
    """Where the clip pushes, over the old and the present share."""
    config = setting.config
    mu = advantage_moments(setting.group_size, setting.success_prob, config.scale).mu
    words = (
        f"Praise is {mu:.3f} on average. Where the ratio is between the bounds nothing drifts; beyond them the push is"
        " back inside."
    )
    return View(picture=_data(theory.drift(config.surrogate, mu)), words=words)


def neutral(setting: Setting) -> View:
    """Which bounds would leave a rare outcome alone, at the spread that the ratios of the second outcome reach."""
    spread = phase(setting.share, replace(setting.config, surrogate=UNCLIPPED), "gaussian").log_odds_std
    sigma = max(setting.share, 1 - setting.share) * spread  # of the log-ratio of the rarer of the two
    low = setting.clip_low
    figure = explore.bounds(sigma, low, setting.clip_high)
    words = f"Without a clip the log-ratio of the rarer outcome spreads by {sigma:.3f} in a phase."
    if low is not None and sigma < 1:
        words += (
            f" At a lower side of {low:g} an upper side of {neutral_clip_high(low, sigma, 0.0):.3f} leaves a rare"
            " outcome alone, if the rest hardly moves."
        )
    return View(picture=_data(figure), words=words)


def clipped(setting: Setting) -> View:
    """How often each side cuts."""
    found = solved(setting)
    low, high = (100 * float(side.value[-1]) for side in (found.clip_low_fraction, found.clip_high_fraction))
    words = f"In the last step of a phase {high:.2f} % of the samples are clipped above and {low:.2f} % below."
    if setting.minibatches == 1:
        words += " With one mini-batch the ratio is 1 and no clip can act."
    return View(picture=_data(explore.clipped(found)), words=words)


VIEWS: tuple[tuple[str, Callable[[Setting], View]], ...] = (
    ("The law after T phases", law),
    ("The drift", drift),
    ("The neutral clip", neutral),
    ("What is clipped", clipped),
)


def _data(figure: Figure) -> str:
    """An image that needs no second request."""
    drawn = io.BytesIO()
    figure.savefig(drawn, format="png", dpi=110)
    return f"data:image/png;base64,{b64encode(drawn.getvalue()).decode()}"
