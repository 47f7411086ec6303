"""report.html (self-contained) and report.json from run folders. Everything here is offline and deterministic."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from clipbias.common.errors import check
from clipbias.common.files import write_json, write_text
from clipbias.theory.surrogate import UNCLIPPED
from clipbias.validate.judge.compare import compare
from clipbias.validate.judge.scores import reference_arm
from clipbias.validate.judge.statistics import LEVEL
from clipbias.validate.recipe.arm import Arm
from clipbias.validate.store.run_record import RunRecord, Sample, read_run

from . import run_figures as plots
from .html import png, render


def clip_rule(arm: Arm) -> str:
    """The tokens that the arm's clip ignores, in words."""
    sides = []
    if arm.clip_high is not None:
        sides.append(f"tokens of paid answers above {arm.clip.upper_bound:g} times their old probability")
    if arm.clip_low is not None:
        sides.append(f"tokens of unpaid answers below {arm.clip.lower_bound:g} times theirs")
    return " and ".join(sides) or "nothing"


def _figures(run: RunRecord, comparison: dict[str, Any]) -> dict[str, str | None]:
    """Every figure that has something to show; the template says in words what the others would."""
    reference = reference_arm(run.recipe)
    clipped = [arm.name for arm in run.recipe.arm if arm.clip != UNCLIPPED]

    def clip_events(key: str) -> str | None:
        fractions = [comparison["arms"][name][key] for name in clipped]
        if not any(counts and counts["clipped"] for counts in fractions):
            return None
        return png(plots.clip_fractions(comparison, clipped, key))

    paired = bool(comparison["paired"])
    return {
        "shares": png(plots.share_curves(run)),
        "paired": png(plots.paired_curves(run, reference.name)) if reference and paired else None,
        "decomposition": png(plots.decomposition(comparison)) if paired else None,
        "clip_all": clip_events("clip_fractions_all_tokens"),
        "clip_strategy": clip_events("clip_fractions_strategy_token"),
        "health": png(plots.health_curves(run)),
    }


def _shown(sample: Sample) -> Sample:
    """The model's text without characters that are not seen: controls, and marks that turn the reading direction."""
    text = "".join(c if c.isprintable() or c in "\n\t" else "\N{REPLACEMENT CHARACTER}" for c in sample.text)
    return replace(sample, text=text)


def _page(run: RunRecord, comparison: dict[str, Any]) -> dict[str, Any]:
    """What the template needs beside the comparison."""
    reference, model = reference_arm(run.recipe), run.recipe.model
    return comparison | {
        "figures": _figures(run, comparison),
        "model": "a small Qwen2 made for such tests" if model.organism else f"the model in {model.path}",
        "phases": run.recipe.training.phases,
        "minibatches": run.recipe.training.minibatches,
        "clip_rules": {arm.name: clip_rule(arm) for arm in run.recipe.arm},
        "clipped_arms": [arm.name for arm in run.recipe.arm if arm.clip != UNCLIPPED],
        "blind": all(arm.blind for arm in run.recipe.arm),
        "rewards": {arm.name: arm.reward for arm in run.recipe.arm},
        "reference": reference.name if reference else None,
        "samples": {name: [_shown(sample) for sample in arm.samples] for name, arm in run.arms.items()},
        "noise_floor": max(float(run.tokens(name).largest_log_ratio[0]) for name in run.arms),
        "recipe_text": (run.folder / "recipe.toml").read_text(encoding="utf-8"),
    }


def write_report(folders: list[Path], out: Path) -> dict[str, Any]:
    """Write `out` and, beside it, the same name with .json; returns what the JSON holds."""
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
    page = render("run.html.j2", runs=pages, level=f"{100 * LEVEL:.0f} %")
    report = {"runs": comparisons}
    write_text(out, page)
    write_json(out.with_suffix(".json"), report)
    return report
