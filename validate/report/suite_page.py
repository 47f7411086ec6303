"""The suite's report: a first page that answers every experiment in one line, then what stands behind each answer."""

import re
from collections import Counter
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from clipbias.common.errors import InputError
from clipbias.common.files import write_json, write_text
from clipbias.validate.judge.clipping import (
    difference_findings,
    differences,
    probability_findings,
    token_findings,
    token_test,
)
from clipbias.validate.judge.coverage import LEAST_CHANGE, coverage, errors
from clipbias.validate.judge.finding import Finding, points
from clipbias.validate.judge.gains import Gain, accuracy_findings, band_findings, gains, share_findings, standstill
from clipbias.validate.judge.hypotheses import FORMAT, INCORRECT, credit_findings, incorrect_findings
from clipbias.validate.judge.prompts import UNTRAINED, style_findings
from clipbias.validate.judge.statistics import LEVEL
from clipbias.validate.judge.switching import slope_finding, switching_findings
from clipbias.validate.store.run_record import RunRecord

from . import suite_figures as figures
from .html import png, render

UNCLIPPED = ("no-clip", "matched-kl")
# Letter, question, and which of its findings the first page shows (by the beginning of their subject; all if none).
QUESTIONS = (
    ("a", "Which rewards move the strategy, and accuracy with it?", r"(ground-truth|format|random): (share|accuracy)"),
    ("b", "Does it matter how often a random reward pays?", r".*(share|weights)"),
    (
        "c",
        "What do the clip, its removal and other bounds do under random rewards?",
        r"(clip|high-only|low-only) − .*log-odds",
    ),
    ("d", "Does mini-batch 2 predict what the clip meets, and do tokens grow surer?", r"clip( − |: )"),
    ("e", "Does accuracy follow the strategy, and who brings the gain?", r"ground-truth: slope"),
    (
        "f",
        "Can a strategy be induced by a prompt or a reward, and inhibited?",
        r"(python|format-not-python|truth-not-python|untr).*share",
    ),
    ("g", "Does a reward against repetition remove the habit?", r""),
    ("h", "What is it in incorrect rewards that teaches?", r""),
    ("i", "Do random rewards teach because most rewarded answers are right?", r"random: "),
    ("j", "Does the strategy survive other numbers, and the problem told as a story?", r".*share"),
    ("k", "What do prompts, spurious ones included, do before and under training?", r".*(share|accuracy)"),
    ("l", "Does what works on one organism work on another?", r""),
)
VERDICTS = ("held", "failed", "cannot tell")


@dataclass(frozen=True, slots=True)
class Answer:
    """One experiment on the first page: shown findings, and how many of all of its findings came to which verdict."""

    letter: str
    question: str
    shown: list[Finding]
    counts: dict[str, int]


def _letter(run: RunRecord, arm: str) -> str:
    kind = run.name.removesuffix(f"-{run.organism}")
    if kind != "rewards":
        return {"gamma": "b", "clip": "c", "again": "c", "matched": "c", "bounds": "c", "prompts": "k"}.get(kind, "a")
    if "python" in arm:
        return "f"
    return "g" if arm == "no-repetition" and run.organism == "repetition" else "a"


def _experiment(run: RunRecord, found: list[Gain]) -> list[Finding]:
    """Everything that one run says; what that is follows from the arms that it has."""
    names, lines = [gain.arm for gain in found], []
    for letter in dict.fromkeys(_letter(run, name) for name in names):
        part = [gain for gain in found if _letter(run, gain.arm) == letter]
        lines += share_findings(letter, part) + band_findings(letter, part) + accuracy_findings(letter, part)
    lines += [standstill(run, arm.name) for arm in run.recipe.arm if arm.success_prob == 0.0]
    reference = _reference(names)
    if reference is not None:
        lines += difference_findings(run, reference)
    for name in _coin_arms(run)[:1]:
        lines += credit_findings(run, name) + probability_findings(run, name, reference)
        lines += token_findings(run, name) if run.recipe.training.minibatches > 2 else []
    if "ground-truth" in names:
        lines += [slope_finding(run, "ground-truth"), *switching_findings(run, "ground-truth")]
    if {INCORRECT, FORMAT} <= set(names):
        lines += incorrect_findings(run)
    return lines


def _untrained(runs: list[RunRecord]) -> list[Finding]:
    """What the way of asking does to each organism, which all of its runs measured alike."""
    asked = [run for run in runs if run.spec and run.recipe.evaluation and len(run.recipe.evaluation.styles) > 1]
    return [
        replace(line, run=run.name)
        for run in {run.organism: run for run in reversed(asked)}.values()
        if run.spec and run.recipe.evaluation
        for line in style_findings(run, run.spec, run.recipe.evaluation.styles)
    ]


def _reference(names: list[str]) -> str | None:
    """The arm that the others are compared with, seed by seed."""
    return next((name for name in UNCLIPPED if name in names), None)


def _coin_arms(run: RunRecord) -> list[str]:
    """Arms that are paid by a fair coin, clipped on both sides, in the shared shape and style."""
    plain = [a for a in run.recipe.arm if a.blind and a.clip_low and a.clip_high and a.style == "plain"]
    return [a.name for a in plain if a.training(run.recipe.training) == run.recipe.training]


def _across(found: list[Gain]) -> list[Finding]:
    """Arms that ran on several organisms: does the sign of the accuracy's change carry over, as predicted or not? It is
    asked where a change was predicted (more than a point) and one is told from zero."""
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
                organism="all",
                subject=f"{arm}: accuracy, organism by organism",
                predicted="; ".join(f"{g.organism} {100 * g.accuracy_predicted:+z.1f}" for g in part),
                measured="; ".join(f"{g.organism} {points(g.accuracy)}" for g in part)
                + f": {agree} of {len(clear)} signs as predicted",
                verdict="cannot tell" if not clear else "held" if agree == len(clear) else "failed",
            )
        )
    return lines


def _answers(lines: list[Finding]) -> list[Answer]:
    answers = []
    for letter, question, shown in QUESTIONS:
        part = [line for line in lines if line.experiment == letter]
        if part:
            chosen = [line for line in part if re.match(shown, line.subject)] or part
            counts = Counter(line.verdict for line in part if not line.subject.startswith(UNTRAINED))
            answers.append(Answer(letter, question, chosen, {verdict: counts[verdict] for verdict in VERDICTS}))
    return answers


def _sections(lines: list[Finding]) -> list[tuple[str, list[Finding]]]:
    """Title and findings. What a spec says of its untrained organism is no claim of the theory's."""
    written = [line for line in lines if line.subject.startswith(UNTRAINED)]
    claimed = [line for line in lines if line not in written]
    return [
        ("What the theory got wrong", [line for line in claimed if line.verdict == "failed"]),
        ("What it got right", [line for line in claimed if line.verdict == "held"]),
        ("What the seeds are too few to tell", [line for line in claimed if line.verdict == "cannot tell"]),
        ("Organisms that are not what their specs say", [line for line in written if line.verdict == "failed"]),
        ("Organisms that are what their specs say", [line for line in written if line.verdict == "held"]),
    ]


def _side_by_side(shown: list[Finding]) -> tuple[list[str], list[tuple[str, list[Finding | None]]]]:
    """Column heads, and by subject a finding for each column: organisms, or runs where two are of one organism."""
    by_organism = len({(line.organism, line.subject) for line in shown}) == len(shown)

    def head(line: Finding) -> str:
        return line.organism if by_organism else line.run or line.organism

    heads = list(dict.fromkeys(map(head, shown)))
    cells = {(line.subject, head(line)): line for line in shown}
    subjects = dict.fromkeys(line.subject for line in shown)
    return heads, [(subject, [cells.get((subject, name)) for name in heads]) for subject in subjects]


def _figures(run: RunRecord, found: list[Gain]) -> list[tuple[str, str]]:
    """(caption, figure) of one experiment."""
    names = [gain.arm for gain in found]
    shown = [("Change of the share and of accuracy, predicted and measured", png(figures.gain_panels(found)))]
    reference = _reference(names)
    if reference is not None:
        compared = png(figures.difference_panel(differences(run, reference), reference))
        shown.append((f"Every arm against {reference}, seed by seed", compared))
        kept = tuple(name for name in ("clip", reference, "clip-higher", "true-reward") if name in names)
        shown.append(("Over training: mean over seeds with its interval", png(figures.training_curves(run, kept))))
    for name in _coin_arms(run)[:1] if run.recipe.training.minibatches > 2 else []:
        test = token_test(run, name)
        shown.append((f"{name}: the clip token by token, from mini-batch 3 on", png(figures.token_panels(test))))
    return shown


def write_page(runs: list[RunRecord], out: Path) -> dict[str, Any]:
    """Write report.html and report.json into `out`; returns what the JSON holds."""
    hashes = [run.manifest.prediction_sha256 for run in runs]
    if len(set(hashes)) < len(hashes):
        raise InputError("out must hold each run once; two of its folders have the same prediction")
    found = {run.name: gains(run) for run in runs}
    everything = [gain for part in found.values() for gain in part]
    lines = [replace(line, run=run.name) for run in runs for line in _experiment(run, found[run.name])]
    lines += _untrained(runs)
    lines += _across([gain for gain in everything if gain.run.startswith("rewards-")])
    lines.sort(key=lambda line: line.experiment)
    covered, error = coverage(runs), errors(everything)
    by_run = {run.name: part for run in runs if (part := coverage([run]))}
    few = min(len(run.seeds) for run in runs)
    report = {
        "answers": [asdict(answer) for answer in _answers(lines)],
        "findings": [asdict(line) for line in lines],
        "coverage": asdict(covered) if covered else None,
        "coverage_by_run": {name: asdict(part) for name, part in by_run.items()},
        "errors": asdict(error),
        "runs": {
            run.name: {
                "prediction_sha256": run.manifest.prediction_sha256,
                "prediction_written": run.manifest.prediction_written,
                "seeds": list(run.seeds),
                "arms": {gain.arm: _row(gain) for gain in found[run.name]},
            }
            for run in runs
        },
    }
    page = render(
        "suite.html.j2",
        answers=[(answer, *_side_by_side(answer.shown)) for answer in _answers(lines)],
        sections=_sections(lines),
        coverage=covered,
        coverage_by_run=by_run,
        coverage_figure=png(figures.coverage_panel(covered)) if covered else None,
        errors=error,
        few=few,
        level=f"{100 * LEVEL:.0f} %",
        runs=[{"run": run, "gains": found[run.name], "figures": _figures(run, found[run.name])} for run in runs],
    )
    write_text(out / "report.html", page)
    write_json(out / "report.json", report)
    return report


def _row(gain: Gain) -> dict[str, Any]:
    return {
        "share_start": gain.share_start,
        "share_predicted": gain.share_predicted,
        "share": asdict(gain.share),
        "parts": asdict(gain.parts) if gain.parts else {},
        "accuracy_start": gain.accuracy_start,
        "accuracy_predicted": gain.accuracy_predicted,
        "accuracy": asdict(gain.accuracy),
        "score": asdict(gain.score) | {"held": gain.score.held},
    }
