"""The suite's report: a first page that answers every question in one line, then what stands behind each answer."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from clipbias.common.files import write_json, write_text
from clipbias.validate.judge import margins
from clipbias.validate.judge.clipping import differences
from clipbias.validate.judge.finding import Finding
from clipbias.validate.judge.gains import Gain
from clipbias.validate.judge.statistics import LEVEL
from clipbias.validate.judge.suite import Answer, SuiteJudgement, coin_arm, judge_suite, reference_of
from clipbias.validate.judge.tokens import FIRST, token_test
from clipbias.validate.judge.verdict import Verdict
from clipbias.validate.store.run_record import RunRecord

from . import finding_words as words
from . import forecast_sentences
from . import suite_figures as figures
from .forecast_page import forecast_json, forecast_parts, foretold
from .html import image, render

SCHEMA = 2  # of report.json; 1 had sentences in it


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """A finding in words. where: its run, or its organism where it is of no run."""

    experiment: str
    where: str
    organism: str
    subject: str
    predicted: str
    measured: str
    verdict: Verdict


def line_of(finding: Finding) -> Line:
    return Line(
        experiment=finding.experiment,
        where=finding.run or finding.organism,
        organism=finding.organism,
        subject=words.subject(finding),
        predicted=words.claimed(finding),
        measured=words.measured(finding),
        verdict=finding.verdict,
    )


def _sections(findings: Sequence[Finding]) -> list[tuple[str, list[Line]]]:
    """Title and findings. What a spec says of its untrained organism is no claim of the theory's."""

    def lines(untrained: bool, verdict: Verdict) -> list[Line]:
        chosen = [f for f in findings if (f.kind == "untrained") == untrained and f.verdict == verdict]
        return [line_of(finding) for finding in chosen]

    return [
        ("What the theory got wrong", lines(False, "failed")),
        ("What it got right", lines(False, "held")),
        ("What the seeds are too few to tell", lines(False, "cannot tell")),
        ("Organisms that are not what their specs say", lines(True, "failed")),
        ("Organisms that are what their specs say", lines(True, "held")),
        ("Organisms of which that cannot be told", lines(True, "cannot tell")),
    ]


def _side_by_side(shown: Sequence[Finding]) -> tuple[list[str], list[tuple[str, list[Line | None]]]]:
    """Column heads, and by subject a line for each column: organisms, or runs where two are of one organism."""
    lines = [line_of(finding) for finding in shown]
    by_organism = len({(line.organism, line.subject) for line in lines}) == len(lines)

    def head(line: Line) -> str:
        return line.organism if by_organism else line.where

    heads = list(dict.fromkeys(map(head, lines)))
    cells = {(line.subject, head(line)): line for line in lines}
    subjects = dict.fromkeys(line.subject for line in lines)
    return heads, [(subject, [cells.get((subject, name)) for name in heads]) for subject in subjects]


def _figures(run: RunRecord, found: Sequence[Gain]) -> list[tuple[str, str]]:
    """(caption, figure) of one experiment."""
    names = [gain.arm for gain in found]
    shown = [("Change of the share and of accuracy, predicted and measured", image(figures.gain_panels(found)))]
    reference, coin = reference_of(run), coin_arm(run)
    if reference is not None:
        compared = image(figures.difference_panel(differences(run, reference), reference))
        shown.append((f"Every arm against {reference}, seed by seed", compared))
        kept = tuple(name for name in ("clip", reference, "clip-higher", "true-reward") if name in names)
        shown.append(("Over training: mean over seeds with its interval", image(figures.training_curves(run, kept))))
    if coin is not None and run.recipe.training.minibatches >= FIRST:
        test = token_test(run, coin)
        shown.append((f"{coin}: the clip token by token, from mini-batch 3 on", image(figures.token_panels(test))))
    return shown


@dataclass(frozen=True, slots=True, kw_only=True)
class SuiteReport:
    """What was written: the JSON's object, and the answers of the first page."""

    json: dict[str, Any]
    answers: tuple[Answer, ...]


def write_page(runs: list[RunRecord], out: Path) -> SuiteReport:
    """Write report.html and report.json into `out`."""
    judged = judge_suite(runs)
    parts = forecast_parts([found for run in runs if (found := foretold(run))])
    page = render(
        "suite.html.j2",
        forecast_parts=parts,
        forecast_words=forecast_sentences,
        answers=[(answer, *_side_by_side(answer.shown)) for answer in judged.answers],
        sections=_sections(judged.findings),
        coverage=judged.coverage,
        coverage_by_run=judged.by_run,
        coverage_figure=image(figures.coverage_panel(judged.coverage)) if judged.coverage else None,
        errors=judged.errors,
        few=judged.least_seeds,
        level=f"{100 * LEVEL:.0f} %",
        margins=margins,
        runs=[
            {"run": run, "gains": judged.gains[run.name], "figures": _figures(run, judged.gains[run.name])}
            for run in runs
        ],
    )
    report = _json(runs, judged)
    if parts:
        report["forecasts"] = forecast_json(parts)
    write_text(out / "report.html", page)
    write_json(out / "report.json", report)
    return SuiteReport(json=report, answers=judged.answers)


def _json(runs: list[RunRecord], judged: SuiteJudgement) -> dict[str, Any]:
    """Numbers with their units; `shown` are places in the list of findings."""
    return {
        "schema": SCHEMA,
        "answers": [
            {
                "letter": answer.question.letter,
                "question": answer.question.text,
                "shown": [judged.findings.index(finding) for finding in answer.shown],
                "counts": answer.counts,
            }
            for answer in judged.answers
        ],
        "findings": [asdict(finding) for finding in judged.findings],
        "coverage": asdict(judged.coverage) if judged.coverage else None,
        "coverage_by_run": {name: asdict(part) for name, part in judged.by_run.items()},
        "errors": asdict(judged.errors),
        "runs": {
            run.name: {
                "prediction_sha256": run.manifest.prediction_sha256,
                "prediction_written": run.manifest.prediction_written,
                "seeds": list(run.seeds),
                "arms": {gain.arm: _row(gain) for gain in judged.gains[run.name]},
            }
            for run in runs
        },
    }


def _row(gain: Gain) -> dict[str, Any]:
    found = asdict(gain)
    score = found["score"] | {"failures": gain.score.failures, "held": gain.score.held}
    return {name: value for name, value in found.items() if name not in ("run", "organism", "arm")} | {"score": score}
