"""A comparison in sentences. The numbers choose every word, so that it comes out right whichever way a run ends."""

from collections.abc import Hashable, Sequence

from clipbias.validate.judge.changes import ShareChange, Skill
from clipbias.validate.judge.compare import RunComparison, StrategyTokens
from clipbias.validate.judge.finding import FEW_SEEDS
from clipbias.validate.judge.pairs import PairedDifference
from clipbias.validate.judge.scores import ArmScore
from clipbias.validate.judge.statistics import LEVEL, Interval
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.recipe.recipe import Recipe
from clipbias.validate.tasks.rewards import parse_reward


def _listing(items: Sequence[str]) -> str:
    """a; a and b; a, b and c; empty without any."""
    return " and ".join([", ".join(items[:-1]), items[-1]]) if len(items) > 1 else "".join(items)


def pvalue(p: float) -> str:
    return "p < 0.001" if p < 0.001 else f"p = {p:.3f}"


def _points(change: Interval) -> str:
    """A change of the share with its interval."""
    return f"{100 * change.mean:+.1f} points [{100 * change.low:+.1f}, {100 * change.high:+.1f}]"


def _lost_skill(names: Sequence[str], skills: dict[str, Skill]) -> str:
    """The arms that lost their skill, in one clause; empty where none did."""
    lost = [
        f"{name} lost its skill (accuracy {skills[name].first.mean:.2f} → {skills[name].last.mean:.2f})"
        for name in names
        if skills[name].survives is False
    ]
    return _listing(lost) if lost else ""


def arm_differences(recipe: Recipe) -> str:
    """In what the arms of a recipe differ from each other, in effect: what an arm states that the training says anyhow
    is no difference. Empty where there is one arm, or where all are alike."""

    def of(arm: Arm) -> dict[str, Hashable]:
        training = arm.training(recipe.training)
        return {
            "what is ignored": arm.gate,
            "what is paid": (arm.reward, training.success_prob, arm.secretly_right),
            "the problems": arm.problems,
            "how these are put": arm.style,
            "the optimizer": training.update,
            "the learning rate": training.learning_rate,
            "the number of problems in a phase": training.prompts_per_phase,
            "the number of mini-batches": training.minibatches,
            "the number of phases": training.phases,
        }

    conditions = [of(arm) for arm in recipe.arm]
    return _listing([words for words in conditions[0] if len({made[words] for made in conditions}) > 1])


def shared_draws(recipe: Recipe) -> str:
    """Which arms see the same problems and the same coin tosses, seed by seed. Problems depend on the seed, the phase,
    how many a phase takes and from which set; tosses on the seed and the place in a phase. Empty where none are shared.
    """
    problems: dict[Hashable, list[str]] = {}
    tosses: dict[Hashable, list[str]] = {}
    for arm in recipe.arm:
        training = arm.training(recipe.training)
        taken = training.prompts_per_phase
        problems.setdefault((taken, arm.problems, arm.problems != "all" and arm.style), []).append(arm.name)
        if parse_reward(arm.reward).is_random:
            tosses.setdefault((taken, training.success_prob), []).append(arm.name)

    def seen(groups: dict[Hashable, list[str]]) -> list[str]:
        alike = [names for names in groups.values() if len(names) > 1]
        return ["all arms" if len(names) == len(recipe.arm) else _listing(names) for names in alike]

    shared = {"problems": seen(problems), "coin tosses": seen(tosses)}
    if shared["problems"] == shared["coin tosses"]:
        shared = {"problems and the same coin tosses": shared["problems"]}
    clauses = [f"{names} see the same {what}" for what, groups in shared.items() for names in groups]
    return f"Seed by seed, {'; '.join(clauses)}." if clauses else ""


def arm_verdict(score: ArmScore) -> str:
    n, side = score.measured.n, "above" if score.mean_z > 0 else "below"
    count = f"{score.inside} of {n} seeds end inside the 90 % band"
    mean = f"the mean log-odds ends {abs(score.mean_z):.1f} standard errors {side} the predicted mean"
    spread = f"the seeds spread {score.spread_ratio:.2f} times as far as predicted ({pvalue(score.spread_pvalue)})"
    if score.held:
        return f"the prediction held: {_listing([count, mean, spread])}"
    width = "narrow" if score.spread_ratio > 1 else "wide"
    reasons = {"band": f"only {count}", "mean": mean, "spread": f"{spread}: its band is too {width}"}
    return f"the prediction failed: {_listing([reasons[test] for test in score.failures])}"


def paired_verdict(pair: PairedDifference, comparisons: int, skills: dict[str, Skill]) -> str:
    corrected = f", corrected for {comparisons} comparisons {pvalue(pair.pvalue_holm)}" if comparisons > 1 else ""
    number = f"{pair.log_odds.mean:+.3f}, {pvalue(pair.pvalue)}{corrected}"
    if pair.identical:
        effect = "the two arms are the same to the last bit"
    elif pair.told_from_zero:
        direction = "raised" if pair.log_odds.mean > 0 else "lowered"
        effect = f"clipping {direction} the log-odds of the strategy ({number})"
    else:
        effect = f"no effect of clipping can be told from zero ({number})"
    claim = f"the toy predicts {pair.log_odds_predicted:+.3f}"
    agreement = {
        "held": f"{claim}, which agrees",
        "failed": f"the prediction failed: {claim}",
        "cannot tell": f"{claim}, and the seeds are too few to tell",
    }[pair.verdict]
    lost = _lost_skill([pair.arm, pair.reference], skills)
    return "; ".join([effect, agreement] + ([f"{lost}, so this compares with a damaged model"] if lost else []))


def _grouped(clauses: dict[str, list[str]]) -> str:
    """verb in a (number) and b (number), other verb in c (number); verbs that nothing did are left out."""
    return _listing([f"{verb} in {_listing(names)}" for verb, names in clauses.items() if names])


def score_verdict(against_nothing: Interval) -> str:
    """Of the quantile score, where less is better."""
    if against_nothing.high < 0:
        return "better than “nothing happens”"
    return "worse than “nothing happens”" if against_nothing.low > 0 else "not distinguishable from “nothing happens”"


def _movement(strategy: str, phases: int, changes: dict[str, ShareChange]) -> str:
    rose, fell, still = "rose", "fell", "moved in no direction that can be told from zero"
    clauses: dict[str, list[str]] = {rose: [], fell: [], still: []}
    for name, share in changes.items():
        told = share.pvalue_holm < 1 - LEVEL
        verb = still if not told else rose if share.change.mean > 0 else fell
        clauses[verb].append(f"{name} ({_points(share.change)})")
    seeds = next(iter(changes.values())).end.n
    lowest, highest = min(c.lowest for c in changes.values()), max(c.highest for c in changes.values())
    return (
        f"Over {phases} phases the share of {strategy}, averaged over {seeds} seeds, {_grouped(clauses)}; single seeds"
        f" ended anywhere from {100 * lowest:.0f} % to {100 * highest:.0f} %."
    )


def _clipping(strategy: str, pairs: Sequence[PairedDifference], skills: dict[str, Skill]) -> str:
    if not pairs:
        return "No clipped arm can be paired with an unclipped one, so what clipping adds was not measured."
    raised, lowered = f"raised the log-odds of {strategy}", f"lowered the log-odds of {strategy}"
    unclear, none = "had no effect that can be told from zero", "changed nothing, to the last bit,"
    clauses: dict[str, list[str]] = {raised: [], lowered: [], unclear: [], none: []}
    for pair in pairs:
        verb = unclear if not pair.told_from_zero else raised if pair.log_odds.mean > 0 else lowered
        if pair.identical:
            clauses[none].append(pair.arm)
        else:
            clauses[verb].append(f"{pair.arm} (share {_points(pair.clip_drift)})")
    reference = pairs[0].reference
    lost = _lost_skill([reference], skills)
    damaged = f" But {lost}, so this compares with a damaged model." if lost else ""
    return f"Seed by seed against {reference}, clipping {_grouped(clauses)}.{damaged}"


def _directly(strategy: str, met: StrategyTokens) -> str:
    """How often the clip met the tokens that the question is about."""
    counted = f"{met.clipped:,} of {met.tokens:,}"
    if met.clipped:
        return f"Of the tokens that decide for or against {strategy}, {counted} were clipped."
    return (
        f"No token that decides for or against {strategy} was ever clipped ({counted}), so clipping could reach the"
        " share only by way of other tokens; what it does directly was not tested here."
    )


def _predicted(strategy: str, bands: dict[str, tuple[float, float]], pairs: Sequence[PairedDifference]) -> str:
    """bands: the shares between which 90 % of an arm's seeds were expected to end."""
    same: dict[str, list[str]] = {}
    for name, (low, high) in bands.items():
        same.setdefault(f"from {100 * low:.0f} % to {100 * high:.0f} % {strategy}", []).append(name)
    ends = _listing([f"{ends} in {_listing(names)}" for ends, names in same.items()])
    moves = [f"{pair.log_odds_predicted:+.3f} in {pair.arm}" for pair in pairs]
    clip = f"; clipping would move their mean log-odds by {_listing(moves)}" if moves else ""
    return f"Predicted beforehand: noise would spread the seeds, 90 % of them {ends}{clip}."


def _prediction(scores: dict[str, ArmScore], pairs: Sequence[PairedDifference]) -> str:
    outcomes = {name: "held" if score.held else "failed" for name, score in scores.items()}
    outcomes |= {f"the difference {pair.arm} − {pair.reference}": pair.verdict for pair in pairs}
    said = []
    for verdict, verb in (("held", "held"), ("failed", "failed"), ("cannot tell", "cannot be told")):
        names = [name for name, outcome in outcomes.items() if outcome == verdict]
        said += [f"{verb} for {_listing(names)}"] if names else []
    return f"The prediction fixed beforehand {'; it '.join(said)}."


def answer(run: RunComparison) -> list[str]:
    """The question, answered: where the share went, what clipping added, whether the prediction held."""
    skills = {name: arm.skill for name, arm in run.arms.items()}
    changes = {name: arm.share for name, arm in run.arms.items()}
    scores = {name: arm.score for name, arm in run.arms.items()}
    bands = {name: arm.share_band for name, arm in run.arms.items()}
    seeds = len(run.seeds)
    return [
        _predicted(run.strategy, bands, run.paired),
        _movement(run.strategy, run.phases, changes),
        _clipping(run.strategy, run.paired, skills),
        *([_directly(run.strategy, run.strategy_tokens)] if run.strategy_tokens else []),
        _prediction(scores, run.paired),
        *([f"With {seeds} seeds per arm only very large effects can be seen."] if seeds < FEW_SEEDS else []),
    ]


def verdicts(run: RunComparison) -> list[str]:
    """One sentence for each arm and each difference."""
    skills = {name: arm.skill for name, arm in run.arms.items()}
    arms = [f"{name}: {arm_verdict(arm.score)}." for name, arm in run.arms.items()]
    pairs = [f"{p.arm} − {p.reference}: {paired_verdict(p, len(run.paired), skills)}." for p in run.paired]
    return arms + pairs
