"""All that the frozen runs of a suite say: findings by question, bands, errors."""

from collections import Counter
from dataclasses import dataclass

from clipbias.common.errors import InputError
from clipbias.validate.recipe.arm import PLAIN
from clipbias.validate.store.run_record import RunRecord

from .clipping import difference_findings, probability_findings
from .coverage import LEAST_CHANGE, Coverage, Errors, coverage, errors
from .finding import Across, Finding, OnOrganism
from .gains import Gain, accuracy_findings, gains, law_findings, share_findings, standstill
from .hypotheses import FORMAT, INCORRECT, credit_findings, rival_findings
from .prompts import style_findings
from .questions import QUESTIONS, REWARDS, Question, arm_letter, recipe_of
from .switching import slope_finding, switching_findings
from .tokens import FIRST, token_findings
from .verdict import VERDICTS, Verdict

UNCLIPPED = ("no-clip", "matched-kl")
TRUTH = "ground-truth"


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One question on the first page: shown findings, and how many of all of its findings came to which verdict."""

    question: Question
    shown: tuple[Finding, ...]
    counts: dict[Verdict, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteJudgement:
    """findings: in the order of the questions. gains, by_run: by run; by_run leaves out runs in which no arm is
    predicted to move. least_seeds: of any run."""

    answers: tuple[Answer, ...]
    findings: tuple[Finding, ...]
    gains: dict[str, tuple[Gain, ...]]
    coverage: Coverage | None
    by_run: dict[str, Coverage]
    errors: Errors
    least_seeds: int


def judge_suite(runs: list[RunRecord]) -> SuiteJudgement:
    hashes = [run.manifest.prediction_sha256 for run in runs]
    if len(set(hashes)) < len(hashes):
        raise InputError("out", "each run once; two of its folders have the same prediction", verb="hold")
    found = {run.name: gains(run) for run in runs}
    everything = [gain for part in found.values() for gain in part]
    lines = [line for run in runs for line in _experiment(run, found[run.name])]
    lines += _untrained(runs)
    lines += _across([gain for run in runs if recipe_of(run) == REWARDS for gain in found[run.name]])
    lines.sort(key=lambda line: line.experiment)
    return SuiteJudgement(
        answers=tuple(_answers(lines)),
        findings=tuple(lines),
        gains={name: tuple(part) for name, part in found.items()},
        coverage=coverage(runs),
        by_run={run.name: part for run in runs if (part := coverage([run]))},
        errors=errors(everything),
        least_seeds=min(len(run.seeds) for run in runs),
    )


def reference_of(run: RunRecord) -> str | None:
    """The arm that the others are compared with, seed by seed."""
    names = [arm.name for arm in run.recipe.arm]
    return next((name for name in UNCLIPPED if name in names), None)


def coin_arm(run: RunRecord) -> str | None:
    """The first arm that is paid by a fair coin, clipped on both sides, in the shared shape and style."""
    shared = run.recipe.training
    plain = [a for a in run.recipe.arm if a.blind and a.clip_low and a.clip_high and a.style == PLAIN]
    return next((arm.name for arm in plain if arm.training(shared) == shared), None)


def _experiment(run: RunRecord, found: list[Gain]) -> list[Finding]:
    """Everything that one run says; what that is follows from the arms that it has."""
    names, lines = [gain.arm for gain in found], []
    for letter in dict.fromkeys(arm_letter(run, name) for name in names):
        part = [gain for gain in found if arm_letter(run, gain.arm) == letter]
        lines += share_findings(letter, part) + law_findings(letter, part) + accuracy_findings(letter, part)
    lines += [standstill(run, arm.name) for arm in run.recipe.arm if arm.success_prob == 0.0]
    reference, coin = reference_of(run), coin_arm(run)
    if reference is not None:
        lines += difference_findings(run, reference)
    if coin is not None:
        lines += credit_findings(run, coin) + probability_findings(run, coin, reference)
        lines += token_findings(run, coin) if run.recipe.training.minibatches >= FIRST else []
    if TRUTH in names:
        lines += [slope_finding(run, TRUTH), *switching_findings(run, TRUTH)]
    if {INCORRECT, FORMAT} <= set(names):
        lines += rival_findings(run)
    return lines


def _untrained(runs: list[RunRecord]) -> list[Finding]:
    """What the way of asking does to each organism, which all of its runs measured alike."""
    asked = [run for run in runs if run.spec and run.recipe.evaluation and len(run.recipe.evaluation.styles) > 1]
    return [
        line
        for run in {run.organism: run for run in reversed(asked)}.values()
        if run.spec and run.recipe.evaluation
        for line in style_findings(run, run.spec, run.recipe.evaluation.styles)
    ]


def _across(found: list[Gain]) -> list[Finding]:
    """Arms that ran on several organisms: does the sign of the accuracy's change carry over, as predicted or not? It is
    asked where a change was predicted (more than a point) and one is told from zero. Counted in signs."""
    lines = []
    for arm in dict.fromkeys(gain.arm for gain in found):
        part = [gain for gain in found if gain.arm == arm]
        if len({gain.organism for gain in part}) < 2:
            continue
        told = [g for g in part if g.accuracy.low > 0 or g.accuracy.high < 0]
        clear = [g for g in told if abs(g.accuracy_predicted) > LEAST_CHANGE]
        agree = sum((g.accuracy_predicted > 0) == (g.accuracy.mean > 0) for g in clear)
        lines.append(
            Finding(
                experiment="l",
                kind="across",
                unit="signs",
                organism="all",
                run=None,
                arm=arm,
                claim=float(len(clear)),
                seeds=min(g.accuracy.n for g in part),
                verdict="cannot tell" if not clear else "held" if agree == len(clear) else "failed",
                details=Across(
                    signs=len(clear),
                    agree=agree,
                    organisms=tuple(
                        OnOrganism(organism=g.organism, claim=g.accuracy_predicted, estimate=g.accuracy) for g in part
                    ),
                ),
            )
        )
    return lines


def _answers(lines: list[Finding]) -> list[Answer]:
    """What a spec says of its untrained organism is no claim of the theory's, and is not counted."""
    answers = []
    for question in QUESTIONS:
        part = [line for line in lines if line.experiment == question.letter]
        if part:
            chosen = [line for line in part if any(shown.covers(line) for shown in question.shown)] or part
            counts = Counter(line.verdict for line in part if line.kind != "untrained")
            answers.append(
                Answer(
                    question=question,
                    shown=tuple(chosen),
                    counts={verdict: counts[verdict] for verdict in VERDICTS},
                )
            )
    return answers
