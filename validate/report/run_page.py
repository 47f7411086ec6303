"""report.html (self-contained) and report.json from run folders. Everything here is offline and deterministic."""

import json
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from clipbias.common.errors import check
from clipbias.common.files import write_json, write_text
from clipbias.validate.judge.compare import RunComparison, compare
from clipbias.validate.judge.pairs import reference_arm
from clipbias.validate.judge.statistics import LEVEL
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.store.run_record import RunRecord, Sample, read_run

from . import forecast_sentences, words
from . import run_figures as plots
from .forecast_page import forecast_json, forecast_parts, foretold
from .html import image, render

SCHEMA = 2  # of report.json; 1 had sentences in it


def clip_rule(arm: Arm) -> str:
    """The tokens that the arm's clip ignores, in words."""
    if arm.surrogate is not None:
        return f"what {arm.surrogate} takes from their gradients"
    sides = []
    if arm.clip_high is not None:
        sides.append(f"tokens of paid answers above {1 + arm.clip_high:g} times their old probability")
    if arm.clip_low is not None:
        sides.append(f"tokens of unpaid answers below {1 - arm.clip_low:g} times theirs")
    return " and ".join(sides) or "nothing"


def _figures(run: RunRecord, comparison: RunComparison) -> dict[str, str | None]:
    """Every figure that has something to show; the template says in words what the others would."""
    reference = reference_arm(run.recipe)
    clipped = [arm.name for arm in run.recipe.arm if arm.clipped]
    arms = [comparison.arms[name] for name in clipped]

    def clip_events(strategy: bool) -> str | None:
        found = [arm.clip_fractions_strategy_token if strategy else arm.clip_fractions_all_tokens for arm in arms]
        if not any(events is not None and events.clipped for events in found):
            return None
        return image(plots.clip_fractions(comparison, clipped, strategy))

    paired = bool(comparison.paired)
    return {
        "shares": image(plots.share_curves(run)),
        "paired": image(plots.paired_curves(run, reference.name)) if reference and paired else None,
        "decomposition": image(plots.decomposition(comparison)) if paired else None,
        "clip_all": clip_events(strategy=False),
        "clip_strategy": clip_events(strategy=True),
        "health": image(plots.health_curves(run)),
    }


def _shown(sample: Sample) -> Sample:
    """The model's text without characters that are not seen: controls, and marks that turn the reading direction."""
    text = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in sample.text)
    return replace(sample, text=text)


def _page(run: RunRecord, comparison: RunComparison) -> dict[str, Any]:
    """What the template shows: the comparison, its sentences and figures, and what was run."""
    reference, model = reference_arm(run.recipe), run.recipe.model
    return {field.name: getattr(comparison, field.name) for field in fields(comparison)} | {
        "answer": words.answer(comparison),
        "verdicts": words.verdicts(comparison),
        "score_verdicts": {
            name: words.score_verdict(arm.quantile_scores.against_nothing) for name, arm in comparison.arms.items()
        },
        "manifest": run.manifest,
        "further_pilots": run.prediction.further_pilots,
        "figures": _figures(run, comparison),
        "model": "a small Qwen2 made for such tests" if model.organism else f"the model in {model.path}",
        "minibatches": run.recipe.training.minibatches,
        "differences": words.arm_differences(run.recipe),
        "shared_draws": words.shared_draws(run.recipe),
        "clip_rules": {arm.name: clip_rule(arm) for arm in run.recipe.arm},
        "clipped_arms": [arm.name for arm in run.recipe.arm if arm.clipped],
        "blind": all(arm.blind for arm in run.recipe.arm),
        "rewards": {arm.name: arm.reward for arm in run.recipe.arm},
        "reference": reference.name if reference else None,
        "samples": {name: [_shown(sample) for sample in arm.samples] for name, arm in run.arms.items()},
        "noise_floor": max(arm.largest_log_ratio[0] for arm in comparison.arms.values()),
        "recipe_text": (run.folder / "recipe.toml").read_text(encoding="utf-8"),
    }


def _json(run: RunRecord, comparison: RunComparison) -> dict[str, Any]:
    """Numbers; a score also says whether it held."""
    found = asdict(comparison)
    for name, arm in comparison.arms.items():
        for key, score in (("score", arm.score), ("score_without_momentum", arm.score_without_momentum)):
            found["arms"][name][key] |= {"failures": score.failures, "held": score.held}
    if run.prediction.further_pilots:
        found["further_pilots"] = {kind: asdict(further) for kind, further in run.prediction.further_pilots.items()}
    return found | {"manifest": json.loads(replace(run.manifest, cells_sha256=None).to_text())}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """What was written: the JSON's object, and every run's verdicts in words."""

    json: dict[str, Any]
    verdicts: list[str]


def write_report(folders: list[Path], out: Path) -> RunReport:
    """Write `out` and, beside it, the same name with .json."""
    own = ("manifest.json", "prediction.json")
    check(
        out.with_suffix(".json").name not in own,
        "out",
        f"a name other than those of a run's {', '.join(own)}",
        str(out),
    )
    check(out.suffix != ".json", "out", "a name that does not end in .json, which is written beside it", str(out))
    runs = [read_run(folder) for folder in folders]
    comparisons = [compare(run) for run in runs]
    pages = [_page(run, comparison) for run, comparison in zip(runs, comparisons, strict=True)]
    report: dict[str, Any] = {
        "schema": SCHEMA,
        "runs": [_json(run, comparison) for run, comparison in zip(runs, comparisons, strict=True)],
    }
    parts = forecast_parts([found for run in runs if (found := foretold(run))])
    if parts:
        report["forecasts"] = forecast_json(parts)
    page = render(
        "run.html.j2", runs=pages, level=f"{100 * LEVEL:.0f} %", forecast_parts=parts, forecast_words=forecast_sentences
    )
    write_text(out, page)
    write_json(out.with_suffix(".json"), report)
    said = [f"{found.name}: {verdict}" for found in comparisons for verdict in words.verdicts(found)]
    return RunReport(json=report, verdicts=said)
