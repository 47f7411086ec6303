"""The page of forecasts: what each reward was forecast to teach, what it taught, the scores, and what failed."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from clipbias.common.files import write_json, write_text
from clipbias.validate.judge.clip_effect import ClipEffect, clip_effects
from clipbias.validate.judge.foretold import IN_LOG_ODDS, TOKENS, Change, changes, fit, run_cases, scorecards
from clipbias.validate.judge.skill import TOLD, Case, Scorecard
from clipbias.validate.predict.causes import Causes
from clipbias.validate.store.prediction_file import read_forecasts
from clipbias.validate.store.run_record import RunRecord

from . import forecast_figures as figures
from . import forecast_sentences as words
from .html import image, render

SCHEMA = 1  # of forecast-report.json
EARLY = 2  # the phase after which measured changes are laid beside predicted ones
WORST = 12  # misses that are listed


@dataclass(frozen=True, slots=True, kw_only=True)
class Foretold:
    """A run whose forecast is scored. written: when; before: whether that was before its runs began (else the forecast
    is retrospective). cases: of its arms; organism is what it was made on. causes: of the share, by arm, where the
    forecast says them. clip: of the arms that differ from an unclipped one in their clip alone."""

    name: str
    organism: str
    prediction_sha256: str
    written: str
    before: bool
    cases: tuple[Case, ...]
    causes: Mapping[str, Causes] = field(default_factory=dict)
    clip: tuple[ClipEffect, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Miss:
    """A case that ended otherwise than forecast: by how many of the forecast's standard deviations the mean over seeds
    is off, how many seeds lie in the band, and whether a told change went the other way."""

    run: str
    change: Change
    distance: float
    inside: int
    seeds: int
    wrong_sign: bool

    @property
    def said(self) -> str:
        return words.miss(self.change, self.wrong_sign)


def misses(runs: Sequence[Foretold]) -> list[Miss]:
    """The worst first: wrong signs, then by distance."""
    found = []
    for run in runs:
        for change in changes(run.cases, -1):
            law, end = change.case.forecast, change.case.measured[:, -1]
            inside = int(((law.low[..., -1] <= end) & (end <= law.high[..., -1])).sum())
            off = abs(change.measured - change.predicted)
            spread = float(law.std[..., -1].mean())
            told = abs(change.measured) > TOLD * change.measured_stderr
            wrong = bool(told and change.measured * change.predicted <= 0)
            if wrong or inside < len(end) / 2:
                distance = off / spread if spread > 0 else float(off > 0) * 1e9
                found.append(
                    Miss(
                        run=run.name, change=change, distance=distance, inside=inside, seeds=len(end), wrong_sign=wrong
                    )
                )
    return sorted(found, key=lambda miss: (not miss.wrong_sign, -miss.distance))


def _part(runs: Sequence[Foretold]) -> dict[str, Any]:
    """What the template shows of forecasts that were all written before their runs, or all after."""
    cases = [case for run in runs for case in run.cases]
    cards = scorecards(cases)
    early, missed = changes(_in_log_odds(cases), EARLY) if _long(cases) else [], misses(runs)
    joint = cards[IN_LOG_ODDS]
    clip = [(run.name, found) for run in runs for found in run.clip]
    calibrations = [("rewards that look", joint.looking), ("random rewards", joint.random)]
    shown = [(title, part) for title, part in calibrations if part is not None]
    return {
        "answer": [words.clip_effect(name, found) for name, found in clip] + words.answer(cards, len(runs)),
        "clip": clip,
        "clip_picture": image(figures.clip_effects(clip)) if clip else None,
        "cards": cards,
        "rivals": list(dict.fromkeys(name for card in cards.values() for name in card.rivals)),
        "runs": [
            {
                "run": run,
                "bars": image(figures.change_bars(run.cases, words.observable)),
                "fans": [
                    (words.observable(name), image(figures.fans([c for c in run.cases if c.observable == name])))
                    for name in dict.fromkeys(case.observable for case in run.cases)
                ],
            }
            for run in runs
        ],
        "early": EARLY,
        "scatter": image(figures.change_scatter(early, words.observable)) if early else None,
        "fit": fit(early),
        "pit": image(figures.pit_histograms(shown)) if shown else None,
        "misses": missed[:WORST],
        "missed": len(missed),
        "all": len(cases),
    }


def _in_log_odds(cases: Sequence[Case]) -> list[Case]:
    return [case for case in cases if case.observable not in TOKENS]


def _long(cases: Sequence[Case]) -> bool:
    return all(len(case.measured[0]) > EARLY for case in cases)


@dataclass(frozen=True, slots=True, kw_only=True)
class ForecastReport:
    """What was written: the JSON's object, and the first sentences."""

    json: dict[str, Any]
    sentences: list[str]


def foretold(run: RunRecord) -> Foretold | None:
    """None where nothing was forecast beside the share, or nothing read that was."""
    forecasts = read_forecasts(run.folder)
    cases = run_cases(run, forecasts)
    if not cases:
        return None
    return Foretold(
        name=run.name,
        organism=run.organism,
        prediction_sha256=run.manifest.prediction_sha256 or "",
        written=run.manifest.prediction_written or "",
        before=True,  # or the run would not have been read
        cases=tuple(cases),
        clip=clip_effects(run, forecasts),
        causes={arm: found.causes["share"] for arm, found in forecasts.items() if "share" in found.causes},
    )


def forecast_parts(runs: Sequence[Foretold]) -> list[tuple[bool, dict[str, Any]]]:
    """What `forecast_part.html.j2` shows: of forecasts from before their runs, then of retrospective ones."""
    chosen = [(before, [run for run in runs if run.before == before]) for before in (True, False)]
    return [(before, _part(part)) for before, part in chosen if part]


def write_forecast_page(runs: Sequence[Foretold], out: Path) -> ForecastReport:
    """Write `out` and, beside it, the same name with .json. Forecasts that were written after their runs are never
    counted with the others."""
    parts = forecast_parts(runs)
    page = render("forecast.html.j2", forecast_parts=parts, forecast_words=words)
    report = {"schema": SCHEMA, "parts": forecast_json(parts)}
    write_text(out, page)
    write_json(out.with_suffix(".json"), report)
    return ForecastReport(json=report, sentences=[line for _, part in parts for line in part["answer"]])


def forecast_json(parts: Sequence[tuple[bool, dict[str, Any]]]) -> list[dict[str, Any]]:
    """Numbers, of what `forecast_parts` found."""
    return [_json(before, part) for before, part in parts]


def _json(before: bool, part: dict[str, Any]) -> dict[str, Any]:
    cards: dict[str, Scorecard] = part["cards"]
    return {
        "before": before,
        "runs": {
            entry["run"].name: {
                "prediction_sha256": entry["run"].prediction_sha256,
                "written": entry["run"].written,
                "changes": [_change(change) for change in changes(entry["run"].cases, -1)],
                "clip": [asdict(found) for found in entry["run"].clip],
            }
            for entry in part["runs"]
        },
        "scores": {name: asdict(card) for name, card in cards.items()},
        "after_two_phases": None if part["fit"] is None else asdict(part["fit"]),
        "missed": part["missed"],
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "arm": change.case.arm,
        "observable": change.case.observable,
        "predicted": change.predicted,
        "measured": change.measured,
        "measured_stderr": change.measured_stderr,
    }
