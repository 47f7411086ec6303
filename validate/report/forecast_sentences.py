"""The words of the page of forecasts."""

from clipbias.validate.judge.clip_effect import ClipEffect
from clipbias.validate.judge.foretold import IN_LOG_ODDS, TOKENS, Change
from clipbias.validate.judge.skill import Calibration, Scorecard, Span

from .forecast_words import NAMES
from .words import pvalue

_RIVALS = {
    "nothing": "nothing happens",
    "walk": "a walk with the pilot’s spread",
    "kept": "the value after a tenth of the run",
    "saturating": "a curve through the first fifth",
    "toy": "the toy of two outcomes",
    "toy mended": "that toy, mended on other organisms",
}


def observable(name: str) -> str:
    return NAMES.get(name, name).removesuffix(", tokens")


def rival(name: str) -> str:
    return _RIVALS.get(name, name)


def span(found: Span | None, digits: int = 2, percent: bool = False) -> str:
    """“0.53 [0.41, 0.66]”; “–” of nothing."""
    if found is None:
        return "–"
    factor, unit = (100, " %") if percent else (1, "")
    inside = (
        ""
        if found.low is None or found.high is None
        else f" [{factor * found.low:.{digits}f}, {factor * found.high:.{digits}f}]"
    )
    return f"{factor * found.value:.{digits}f}{unit}{inside}"


def held(found: Calibration | None) -> str:
    return "–" if found is None else span(found.inside, 0, percent=True)


def width(found: Calibration | None) -> str:
    return "–" if found is None else span(found.spread_skill)


def _verdict(found: Calibration) -> str:
    low, high = found.inside.low, found.inside.high
    if low is None or high is None:
        return "one arm cannot say whether that is right"
    if high < 0.9:
        return "the bands are too narrow, or in the wrong place"
    if low > 0.9:
        return "the bands are too wide"
    return "as many as there should be, within the error"


def answer(cards: dict[str, Scorecard], runs: int) -> list[str]:
    """The first sentences: of all log-odds together, and of the share against its own rivals."""
    joint = cards[IN_LOG_ODDS]
    arms = _count(joint.arms, "reward" if joint.looking else "arm")
    lines = [
        f"{arms} on {_count(joint.organisms, 'organism')} in {_count(runs, 'run')}: "
        f"the forecasts miss an end by {span(joint.crps)} log-odds (CRPS), where “nothing happens” misses it by "
        f"{span(joint.rivals['nothing'].crps)}.",
    ]
    for name, found in (("rewards that look", joint.looking), ("random rewards", joint.random)):
        if found is not None:
            lines.append(f"Under {name} {held(found)} of {found.seeds} ends lie in the 90 % bands: {_verdict(found)}.")
    if joint.signs.told:
        lines.append(
            f"Of {_count(joint.signs.told, 'change')} that exceed twice their error {joint.signs.right} went the way "
            "that was forecast."
        )
    lines.append(
        f"A forecast is worth {span(joint.equivalent_crps, 0, percent=True)} of a run: so much of it must be trained "
        "until keeping what it shows is as good."
    )
    share = cards.get("share")
    if share is not None:
        for name in ("toy", "toy mended"):
            if name in share.rivals:
                better = share.rivals[name]
                lines.append(
                    f"For the share alone the forecasts score {span(share.crps)}, {rival(name)} {span(better.crps)}: "
                    f"skill {span(better.skill)}."
                )
    return lines


def clip_effect(run: str, found: ClipEffect) -> str:
    """“high-only − no-clip in clip-likely-adam: the clip raised the strategy's log-odds by …”"""
    pair, change = found.pair, found.pair.log_odds
    does = "raised" if change.mean > 0 else "lowered"
    effect = f"the clip alone {does} the log-odds of the strategy" if pair.told_from_zero else "no effect can be told"
    return (
        f"{pair.arm} − {pair.reference} in {run}: {effect}, {change.mean:+.2f} [{change.low:+.2f}, {change.high:+.2f}] "
        f"in {change.n} pairs ({pvalue(pair.pvalue)}). The forecast was {found.forecast:+.2f} ± {found.stderr:.2f}, "
        f"the toy said {pair.log_odds_predicted:+.2f}."
    )


def miss(change: Change, wrong_sign: bool) -> str:
    unit = "tokens" if change.case.observable in TOKENS else "log-odds"
    text = f"{change.predicted:+.2f} forecast, {change.measured:+.2f} ± {change.measured_stderr:.2f} measured ({unit})"
    return f"{text}; the other way" if wrong_sign else text


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"
