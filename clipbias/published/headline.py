"""How much of the published gain under random rewards is explained, by what, and what an account by the clip needs."""

import math
from dataclasses import dataclass, replace

from scipy.special import expit

from clipbias.theory.formulas.mixture import gain_parts
from clipbias.theory.formulas.power import LEVEL as TEST_LEVEL
from clipbias.theory.formulas.power import WANTED, paired_power, seeds_needed
from clipbias.theory.laws.evolve import LogOddsLaw
from clipbias.theory.laws.phase import phase

from .confront import Line
from .record import Record
from .training import RESOLUTION, Geometry, ImpliedActivation, law_after, rate_of
from .verdict import Number

_COIN = 0.5
FEW_SEEDS = 3  # the most that published comparisons have


@dataclass(frozen=True, slots=True, kw_only=True)
class Share:
    """Of the gain at step 150, in points. total: measured. by_share: what the new share of code would bring at the old
    accuracies (T11), with its band. which_problems: what those that switched gained beyond that; switched: both
    together. kept: what those gained that kept their strategy."""

    total: float
    by_share: float
    by_share_band: tuple[float, float]
    which_problems: float
    switched: float
    kept: float


@dataclass(frozen=True, slots=True, kw_only=True)
class End:
    """Of the gain at the end, in points: of the rest beyond by_share, the counts of step 150 would give which_problems
    to the choice of problems if they held on; `open` is what no count speaks of.

    by_share_as_printed: with the accuracy of language as v0 and v1 print it. accuracy: at the end; ceiling: what the
    mixture gives if all answers were with code. forced: gain of the untrained model by an opening forced to code.
    over_best_prompt: accuracy at the end less that of the untrained model with the best of the published prompts."""

    total: float
    by_share: float
    by_share_band: tuple[float, float]
    which_problems: float
    open: float
    by_share_as_printed: float
    accuracy: float
    ceiling: float
    forced: float
    over_best_prompt: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Needed:
    """What the share of code after `steps` asks of a clip-only account: the activation, against the one reported, and
    the spread of the log-ratio of an answer's first choice over an unclipped phase that each stands for, as `ratio_std`
    has it; and at that activation the 90 % range of the share over seeds, and the chance that a seed ends below its
    start."""

    steps: int
    activation: float
    activation_band: tuple[float, float]
    reported: float
    ratio: float
    reported_ratio: float
    share_low: float
    share_high: float
    falls: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """Two arms of paired seeds under random rewards that differ in one thing. one_sided: each has one bound. effect,
    std: of the difference of their log-odds of code after `steps`, if the clip is what moves it and acts at
    `activation`; noise expects 0. seeds: for a power of WANTED; power: with FEW_SEEDS."""

    arms: str
    one_sided: bool
    steps: int
    activation: float
    effect: float
    std: float
    seeds: int
    power: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Headline:
    at_150: Share
    at_end: End
    needed: Needed
    designs: tuple[Design, ...]


def headline(record: Record, lines: tuple[Line, ...]) -> Headline:
    found = {line.entry.id: line for line in lines}
    early = _at_150(record, found)
    number = _number(found["moved.end.random"])
    total = record.figure("v1.math-7b.random").value
    end = End(
        total=total,
        by_share=100 * number.value,
        by_share_band=(100 * number.low, 100 * number.high),
        which_problems=early.which_problems,
        open=total - 100 * number.value - early.which_problems,
        by_share_as_printed=100 * _number(found["moved.end.random.printed"]).value,
        accuracy=record.figure("end.random").value,
        ceiling=100 * _number(found["moved.end.ceiling"]).value,
        forced=record.figure("forced.math-7b").value - record.figure("base.math-7b").value,
        over_best_prompt=_over_best_prompt(record),
    )
    implied = found["activation.implied"]
    return Headline(at_150=early, at_end=end, needed=_needed(implied), designs=_designs(found, implied))


def _over_best_prompt(record: Record) -> float:
    best = max(figure.value for name, figure in record.figures.items() if name.startswith("prompt."))
    return record.figure("end.random").value - best


def _number(line: Line) -> Number:
    assert isinstance(line.prediction, Number)
    return line.prediction


def _at_150(record: Record, found: dict[str, Line]) -> Share:
    """From the counts of those that kept and switched their strategy."""

    def counts(what: str) -> list[float]:
        return [record.figure(f"switch.{what}.random.{subset}").value for subset in ("CC", "CL", "LC", "LL")]

    n, before, after = counts("n"), counts("before"), counts("after")
    problems = sum(n)
    code, later = (n[0] + n[1]) / problems, (n[0] + n[2]) / problems
    parts = gain_parts(
        [code, 1 - code],
        [(before[0] + before[1]) / (n[0] + n[1]), (before[2] + before[3]) / (n[2] + n[3])],
        [later, 1 - later],
        [(after[0] + after[2]) / (n[0] + n[2]), (after[1] + after[3]) / (n[1] + n[3])],
    )
    switched = (after[1] - before[1] + after[2] - before[2]) / problems
    kept = (after[0] - before[0] + after[3] - before[3]) / problems
    number = _number(found["moved.150.random"])
    return Share(
        total=100 * parts.total,
        by_share=100 * parts.switching,
        by_share_band=(100 * number.low, 100 * number.high),
        which_problems=100 * (switched - parts.switching),
        switched=100 * switched,
        kept=100 * kept,
    )


def _needed(implied: Line) -> Needed:
    asked, number = implied.entry.question, _number(implied)
    assert isinstance(asked, ImpliedActivation)
    law = _law(asked, number.value, asked.geometry, int(asked.steps))
    return Needed(
        steps=int(asked.steps),
        activation=number.value,
        activation_band=(number.low, number.high),
        reported=implied.entry.figure.plain,
        ratio=ratio_std(asked, number.value),
        reported_ratio=ratio_std(asked, implied.entry.figure.plain),
        share_low=float(expit(law.quantile(0.05))),
        share_high=float(expit(law.quantile(0.95))),
        falls=law.prob_below(asked.share),
    )


def ratio_std(asked: ImpliedActivation, activation: float) -> float:
    """σ of log π/b of what is sampled, at the end of a phase without a clip: √(p(1 − p))·std(Δx) to first order.

    From d log p = (1 − p)·dx and d log(1 − p) = −p·dx, in the mean of squares over the two outcomes.
    """
    rate = rate_of(activation, asked.share, asked.geometry)
    spread = phase(asked.share, asked.geometry.free.config(rate, _COIN), "gaussian", RESOLUTION).log_odds_std
    return math.sqrt(asked.share * (1 - asked.share)) * spread


def _law(asked: ImpliedActivation, activation: float, geometry: Geometry, steps: int) -> LogOddsLaw:
    rate = rate_of(activation, asked.share, asked.geometry)
    return law_after(asked.share, rate, geometry, _COIN, steps)


def _designs(found: dict[str, Line], implied: Line) -> tuple[Design, ...]:
    """The clip against none, and its upper side alone against its lower, at both activations: needed and reported."""
    asked, number = implied.entry.question, _number(implied)
    assert isinstance(asked, ImpliedActivation)
    both = asked.geometry
    high, low = replace(both, clip_low=None), replace(both, clip_high=None)
    designs = []
    for activation in (number.value, implied.entry.figure.plain):
        for arms, this, other in (("clip against none", both, both.free), ("upper against lower side", high, low)):
            steps = int(asked.steps)
            laws = [_law(asked, activation, geometry, steps) for geometry in (this, other)]
            effect = laws[0].mean - laws[1].mean
            std = math.hypot(laws[0].std, laws[1].std)
            designs.append(
                Design(
                    arms=arms,
                    one_sided=this is high,
                    steps=steps,
                    activation=activation,
                    effect=effect,
                    std=std,
                    seeds=seeds_needed(effect, std, WANTED, TEST_LEVEL),
                    power=paired_power(effect, std, FEW_SEEDS, TEST_LEVEL),
                )
            )
    return tuple(designs)
