"""The whole comparison of a run with its prediction, in numbers. `report` makes the page and its sentences of it."""

from dataclasses import dataclass

from scipy.special import expit

from clipbias.validate.measure.pilot_noise import PilotNoise
from clipbias.validate.measure.start import Start
from clipbias.validate.predict.prediction import Calibration
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.store.run_record import ArmRecord, RunRecord

from .changes import ShareChange, Skill, share_changes, skill
from .clip_events import ClipEvents, clip_events
from .pairs import PairedDifference, paired_differences, reference_arm
from .scores import ArmScore, score_arm
from .statistics import QuantileScores, correlations, quantile_scores


@dataclass(frozen=True, slots=True, kw_only=True)
class BothSides:
    """Shares of tokens clipped low and high in mini-batches 1…M."""

    low: list[float]
    high: list[float]


@dataclass(frozen=True, slots=True, kw_only=True)
class ArmComparison:
    """One arm. share_band: shares between which 90 % of its seeds were expected to end. clip_fractions_strategy_token:
    None where the strategy is told by counting, not from the first token. largest_log_ratio: [M] over seeds, phases and
    tokens. undecided_*: see `TokenRecord`."""

    score: ArmScore
    score_without_momentum: ArmScore
    quantile_scores: QuantileScores
    share: ShareChange
    share_band: tuple[float, float]
    clip_fractions_all_tokens: ClipEvents
    clip_fractions_without_momentum: BothSides
    clip_fractions_strategy_token: ClipEvents | None
    largest_log_ratio: list[float]
    skill: Skill
    undecided_tokens: float
    undecided_clipped: float


@dataclass(frozen=True, slots=True, kw_only=True)
class StrategyTokens:
    """Of all clipped arms: tokens that decide the strategy, and how many of them were clipped."""

    tokens: int
    clipped: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunComparison:
    """measured: the untrained model. strategy_tokens: None where they are not known. arm_correlation: smallest and
    largest correlation over seeds between two arms' ends."""

    name: str
    question: str
    strategy: str
    phases: int
    seeds: tuple[int, ...]
    prediction_sha256: str | None
    prediction_written: str | None
    measured: Start
    pilot: PilotNoise
    calibration: Calibration
    arms: dict[str, ArmComparison]
    strategy_tokens: StrategyTokens | None
    arm_correlation: list[float] | None
    paired: tuple[PairedDifference, ...]


def compare(run: RunRecord) -> RunComparison:
    base, changes = reference_arm(run.recipe), share_changes(run)
    reference = run.arms[base.name] if base else None
    arms = {arm.name: _arm(run, arm, changes[arm.name], reference) for arm in run.recipe.arm}
    clipped = [arm.name for arm in run.recipe.arm if arm.clipped]
    events = [found for name in clipped if (found := arms[name].clip_fractions_strategy_token)]
    met = StrategyTokens(tokens=sum(e.tokens for e in events), clipped=sum(e.clipped for e in events))
    return RunComparison(
        name=run.recipe.name,
        question=run.recipe.question,
        strategy=run.prediction.strategy,
        phases=run.recipe.training.phases,
        seeds=run.seeds,
        prediction_sha256=run.manifest.prediction_sha256,
        prediction_written=run.manifest.prediction_written,
        measured=run.prediction.start,
        pilot=run.prediction.pilot,
        calibration=run.prediction.calibration,
        arms=arms,
        strategy_tokens=met if met.tokens else None,
        arm_correlation=correlations([data.curves["log_odds"][:, -1] for data in run.arms.values()]),
        paired=tuple(paired_differences(run)),
    )


def _arm(run: RunRecord, arm: Arm, change: ShareChange, reference: ArmRecord | None) -> ArmComparison:
    name, data, levels = arm.name, run.arms[arm.name], run.prediction.levels
    claim, log_odds, relative = run.prediction.arms[name], data.curves["log_odds"], run.pilot(arm).relative_stderr
    ends, exact = expit(claim.band.log_odds_quantiles[-1]), run.prediction.start.samples is None
    walk, tokens = claim.tokens_clipped_without_momentum, run.tokens(name)
    return ArmComparison(
        score=score_arm(name, log_odds, claim.band, levels, relative),
        score_without_momentum=score_arm(name, log_odds, claim.without_momentum, levels, relative),
        quantile_scores=quantile_scores(log_odds, claim.band, claim.without_momentum, levels),
        share=change,
        share_band=(float(ends[0]), float(ends[-1])),
        clip_fractions_all_tokens=clip_events(tokens.all_tokens, claim.tokens_clipped),
        clip_fractions_without_momentum=BothSides(low=walk.low.tolist(), high=walk.high.tolist()),
        clip_fractions_strategy_token=clip_events(tokens.strategy_token, claim.strategy_clipped) if exact else None,
        largest_log_ratio=tokens.largest_log_ratio.tolist(),
        skill=skill(data, reference),
        undecided_tokens=tokens.undecided_tokens,
        undecided_clipped=tokens.undecided_clipped,
    )
