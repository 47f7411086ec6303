"""What the explorer says of a setting, against the library's own answers, and that its sliders are bounded."""

from base64 import b64decode
from dataclasses import replace

import pytest

from clipbias.common.errors import InputError
from clipbias.explore import views
from clipbias.explore.setting import SLIDERS, Setting
from clipbias.figures.explore import KNOWN, bounds
from clipbias.theory.formulas.neutral import neutral_clip_high
from clipbias.theory.laws.phase import phase

SETTING = Setting(
    share=0.65,
    clip_low=0.2,
    clip_high=0.2,
    learning_rate=1.0,
    group_size=16,
    groups_per_minibatch=4,
    minibatches=8,
    success_prob=0.5,
    phases=1,
    optimizer="plain",
)


@pytest.mark.parametrize("slider", SLIDERS, ids=lambda slider: slider.field)
def test_sliders_are_the_bounds(slider) -> None:
    whole = int if slider.step == 1 else float
    for inside in (slider.low, slider.start, slider.high):
        replace(SETTING, **{slider.field: whole(inside)})
    for outside in (slider.low - slider.step, slider.high + slider.step, float("nan")):
        with pytest.raises(InputError, match=slider.field):
            replace(SETTING, **{slider.field: outside})


def test_an_optimizer_without_a_name_is_refused() -> None:
    with pytest.raises(InputError, match="optimizer must be one of plain, momentum, adam"):
        replace(SETTING, optimizer="rmsprop")


def test_the_law_is_that_of_one_phase() -> None:
    """T4 by itself, where the explorer goes through T10."""
    alone = phase(0.65, SETTING.config, "gaussian")
    shown = views.law(SETTING)
    assert f"move by {alone.log_odds_shift:.4g} on average and spread by {alone.log_odds_std:.4g}" in shown.words
    assert b64decode(shown.picture.partition(",")[2]).startswith(b"\x89PNG")


def test_a_step_without_a_ratio_clips_nothing() -> None:
    shown = views.clipped(replace(SETTING, minibatches=1))
    assert shown.words.startswith(
        "In the last step of a phase 0.00 % of the samples are clipped above and 0.00 % below"
    )
    assert "no clip can act" in shown.words
    assert "no clip can act" not in views.clipped(SETTING).words


@pytest.mark.parametrize(("sigma", "line", "rest"), [(0.154, 1, 0.154), (0.109, 0, 0.0)])
def test_the_lines_are_the_rule_and_dapo_lies_where_it_is_published(sigma: float, line: int, rest: float) -> None:
    """DAPO's upper side is neutral at 0.154 where all spread alike, and at 0.109 beside a quiet rest."""
    x, y = bounds(sigma, None, None).axes[0].lines[line].get_data()
    at = abs(x - 0.2).argmin()
    assert y[at] == pytest.approx(neutral_clip_high(float(x[at]), sigma, rest), abs=1e-12)
    assert {name: high for name, _, high in KNOWN}["DAPO"] == pytest.approx(y[at], abs=3e-3)
