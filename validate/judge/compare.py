"""The whole comparison of a run with its prediction, ready for JSON."""

from dataclasses import asdict
from typing import Any

from scipy.special import expit

from clipbias.theory.surrogate import UNCLIPPED
from clipbias.validate.report import words
from clipbias.validate.store.run_record import RunRecord

from .scores import ArmScore, clip_fractions, paired_differences, reference_arm, score_arm, share_changes, skill
from .statistics import correlations, quantile_scores


def _judged(score: ArmScore) -> dict[str, Any]:
    return asdict(score) | {"held": score.held, "verdict": words.arm_verdict(score)}


def compare(run: RunRecord) -> dict[str, Any]:
    prediction, base = run.prediction, reference_arm(run.recipe)
    levels, relative_stderr = prediction.levels, prediction.pilot.relative_stderr
    exact = prediction.start.samples is None
    changes, pairs = share_changes(run), paired_differences(run)
    scores = {
        name: score_arm(name, data.curves["log_odds"], prediction.arms[name].band, levels, relative_stderr)
        for name, data in run.arms.items()
    }
    skills = {name: skill(data, run.arms[base.name] if base else None) for name, data in run.arms.items()}
    arms: dict[str, Any] = {}
    for name, data in run.arms.items():
        predicted, tokens, log_odds = prediction.arms[name], run.tokens(name), data.curves["log_odds"]
        walk = predicted.without_momentum
        quantile = quantile_scores(log_odds, predicted.band, walk, levels)
        arms[name] = {
            "score": _judged(scores[name]),
            "score_without_momentum": _judged(score_arm(name, log_odds, walk, levels, relative_stderr)),
            "quantile_scores": asdict(quantile) | {"verdict": words.score_verdict(quantile.against_nothing)},
            "share": asdict(changes[name]),
            "clip_fractions_all_tokens": asdict(clip_fractions(tokens.all_tokens, predicted.tokens_clipped)),
            "clip_fractions_without_momentum": {
                "low": predicted.tokens_clipped_without_momentum.low.tolist(),
                "high": predicted.tokens_clipped_without_momentum.high.tolist(),
            },
            "clip_fractions_strategy_token": asdict(clip_fractions(tokens.strategy_token, predicted.strategy_clipped))
            if exact
            else None,
            "largest_log_ratio": tokens.largest_log_ratio.tolist(),
            "skill": asdict(skills[name]),
            "undecided_tokens": tokens.undecided_tokens,
            "undecided_clipped": tokens.undecided_clipped,
        }
    clipped = {arm.name for arm in run.recipe.arm if arm.clip != UNCLIPPED}
    counts = [entry["clip_fractions_strategy_token"] for name, entry in arms.items() if name in clipped]
    met = (sum(c["tokens"] for c in counts), sum(c["clipped"] for c in counts)) if exact else None
    ends = {name: expit(prediction.arms[name].band.log_odds_quantiles[-1]) for name in run.arms}
    bands = {name: (float(end[0]), float(end[-1])) for name, end in ends.items()}
    paired = [asdict(p) | {"held": p.held, "verdict": words.paired_verdict(p, len(pairs), skills)} for p in pairs]
    return {
        "name": run.recipe.name,
        "question": run.recipe.question,
        "strategy": prediction.strategy,
        "answer": words.answer(
            prediction.strategy, run.recipe.training.phases, scores, changes, pairs, skills, met, bands
        ),
        "seeds": list(run.seeds),
        "prediction_sha256": run.manifest.prediction_sha256,
        "prediction_written": run.manifest.prediction_written,
        "measured": asdict(prediction.start),
        "pilot": asdict(prediction.pilot),
        "calibration": prediction.calibration.to_json(),
        "arms": arms,
        "arm_correlation": correlations([data.curves["log_odds"][:, -1] for data in run.arms.values()]),
        "paired": paired,
        "verdicts": [f"{name}: {entry['score']['verdict']}." for name, entry in arms.items()]
        + [f"{p['arm']} − {p['reference']}: {p['verdict']}." for p in paired],
        "manifest": {key: value for key, value in run.manifest.to_json().items() if key != "cells_sha256"},
    }
