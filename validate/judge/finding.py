"""What a finding is: one claim beside one measurement, in numbers with their unit. Words are made in `report`."""

from dataclasses import dataclass
from typing import Literal

from .statistics import Interval
from .verdict import Claim, Judgement, Verdict

FEW_SEEDS = 5

# Fractions are of 1, never of 100.
Unit = Literal[
    "share", "accuracy", "log-odds", "token probability", "fraction of tokens", "fraction of answers", "advantage",
    "accuracy per share", "ratio", "seeds", "signs",
]  # fmt: skip

# What a finding is about. share, accuracy: their change over training; law: of the log-odds at the end; difference:
# arm − reference; switch: the gain by one kind of switch; rival: the end of the log-odds under one explanation;
# credit, praise: of right answers; untrained: what a spec says of its organism; across: signs over organisms.
Kind = Literal[
    "share", "accuracy", "law", "difference", "token probability", "clip low", "clip high", "push", "slope", "switch",
    "weights", "untrained", "rival", "credit", "praise", "across",
]  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Law:
    """Standard deviation over seeds, claimed and measured, and how many seeds end inside the 90 % band."""

    claimed_std: float
    measured_std: float
    inside: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """The same difference as a share; zero_pvalue: of no difference in log-odds (Holm); mean KL of a phase in nats a
    token, before its last update (so 0 where a phase has one), in the arm and in its reference."""

    share: Interval
    zero_pvalue: float
    kl: float
    reference_kl: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Minibatches:
    """The mini-batches that a finding counts, first and last, from 1."""

    first: int
    last: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Push:
    """By tenth of the old probability: how many there are, in how many the push is predicted to lower, in how many it
    is told from zero (two standard errors), and in how many of those its sign is the predicted one. size: over the
    predicted one, None where nothing is predicted."""

    tenths: int
    lowered: int
    told: int
    agree: int
    size: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Switch:
    """Whether answers had the strategy before and after training."""

    strategy: str
    before: bool
    after: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Rival:
    """One explanation of incorrect rewards: they act as paid by the wrong labels, by the format, or not at all.
    nearest: of the three; share: the measured change of the share."""

    acts_like: Literal["labels", "format", "nothing"]
    nearest: bool
    share: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Praise:
    """Share of right answers among the praised and among the blamed, means over seeds."""

    praised: float
    blamed: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Untrained:
    """Style of the prompt, which rate of the answers, and how many answers."""

    style: str
    rate: Literal["share", "accuracy", "boxed"]
    answers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class OnOrganism:
    organism: str
    claim: float
    estimate: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Across:
    """The change of accuracy on every organism that an arm ran on: of how many its sign is asked for, and how many of
    those are as predicted."""

    signs: int
    agree: int
    organisms: tuple[OnOrganism, ...]


Details = Law | Difference | Minibatches | Push | Switch | Rival | Praise | Untrained | Across


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One line of the report.

    experiment: its letter (docs/experiments.md). run, arm: whose it is, where it is of one. reference: the arm that is
    subtracted. claim: the number claimed, None where only a direction is. estimate: what was measured, None where it
    has no interval. margin: how far off would not matter; claim_stderr: the claim's own error, which all seeds share.
    pvalue, margin_pvalue: see `verdict.Judgement`; None where the verdict is no t test. seeds: 0 where none were
    trained. details: numbers that this kind alone has.
    """

    experiment: str
    kind: Kind
    unit: Unit
    organism: str
    run: str | None
    arm: str | None
    verdict: Verdict
    seeds: int
    claim: float | None = None
    estimate: Interval | None = None
    margin: float | None = None
    claim_stderr: float = 0.0
    reference: str | None = None
    pvalue: float | None = None
    margin_pvalue: float | None = None
    details: Details | None = None


def finding(
    experiment: str,
    kind: Kind,
    unit: Unit,
    *,
    organism: str,
    run: str,
    arm: str | None,
    claim: Claim,
    judgement: Judgement,
    reference: str | None = None,
    details: Details | None = None,
) -> Finding:
    """A finding whose verdict is the judge's."""
    return Finding(
        experiment=experiment,
        kind=kind,
        unit=unit,
        organism=organism,
        run=run,
        arm=arm,
        reference=reference,
        claim=claim.value,
        estimate=claim.estimate,
        margin=claim.margin,
        claim_stderr=claim.stderr,
        seeds=claim.estimate.n,
        pvalue=judgement.pvalue,
        margin_pvalue=judgement.margin_pvalue,
        verdict=judgement.verdict,
        details=details,
    )
