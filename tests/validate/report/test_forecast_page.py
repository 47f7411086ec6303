"""The page of forecasts: it says what the numbers say, keeps what was forecast too late apart, and escapes what it is
given."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.stats import ttest_rel

from clipbias.validate.judge.foretold import IN_LOG_ODDS, arm_cases, changes, fit, scorecards
from clipbias.validate.judge.rivals import TOY_ON_THE_FIRST_FOUR, Law
from clipbias.validate.judge.skill import Case
from clipbias.validate.predict.causes import Causes, Part
from clipbias.validate.predict.forecast import Forecast, Outlook
from clipbias.validate.report import forecast_sentences as words
from clipbias.validate.report.forecast_figures import change_bars, change_scatter, clip_effects, fans, pit_histograms
from clipbias.validate.report.forecast_page import Foretold, foretold, misses, write_forecast_page
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.prediction_file import read_forecasts

pytestmark = pytest.mark.statistical

RESULTS = Path(__file__).parents[3] / "docs" / "results"

PHASES, SEEDS = 20, 8
T = np.arange(PHASES + 1) / PHASES
READ = np.isin(np.arange(PHASES + 1), (0, 1, 2, 5, 10, 20))
NAMES = ("share", "right_with", "right_without", "boxed_with", "length")


@pytest.fixture(autouse=True)
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pages are asked for words and numbers here, figures in a test of their own."""
    monkeypatch.setattr("clipbias.validate.report.forecast_page.image", lambda figure: "data:,")


def outlook(change: float, spread: float) -> Outlook:
    mean, std, stderr = change * np.sqrt(T), spread * np.sqrt(T), 0.1 * np.sqrt(T)
    half = 1.645 * np.hypot(std, stderr)
    return Outlook(mean=mean, std=std, stderr=stderr, low=mean - half, high=mean + half, start_stderr=0.01)


def cases(organism: str, wrong: tuple[str, ...], rng: np.random.Generator) -> tuple[Case, ...]:
    """Six rewards whose forecasts are right, but for those named in `wrong`, which go the other way."""
    found: list[Case] = []
    for i, arm in enumerate(("truth", "format", "python", "majority", "wrong labels", "coin")):
        looks = arm != "coin"
        change = {name: float(looks) * rng.normal(0, 2.0) + 0.5 * looks for name in NAMES}
        forecast = Forecast(
            observables={name: outlook(change[name], 0.4) for name in NAMES},
            paid=0.5,
            mixed=0.9,
            first_success=1.0,
            effective=16 - 4 * T,
            clip_low=np.full(8, 0.01),
            clip_high=np.full(8, 0.01),
            kl=np.full(PHASES, 0.01),
            seeds=48,
            unread=(),
        )
        observed = {}
        for name in NAMES:
            end = (-1.0 if arm in wrong else 1.0) * change[name] + rng.normal(0, 0.1)
            walk = np.cumsum(rng.normal(0, 0.4 / np.sqrt(PHASES), (SEEDS, PHASES)), axis=1)
            values = 0.3 * i + end * np.sqrt(T) + np.concatenate([np.zeros((SEEDS, 1)), walk], axis=1)
            observed[name] = np.where(READ, values, np.nan)
        toy = Law.normal(0.3 * i + 1.8 * change["share"] * T, 0.5 * np.sqrt(T))
        rivals = {"toy": toy, "toy mended": TOY_ON_THE_FIRST_FOUR.of(toy)}
        found += arm_cases(organism, arm, looks, forecast, observed, rivals)
    return tuple(found)


def run(name: str, rng: np.random.Generator, before: bool = True, wrong: tuple[str, ...] = ()) -> Foretold:
    return Foretold(
        name=f"rewards-{name}",
        organism=name,
        prediction_sha256="ab" * 32,
        written="2026-11-26T12:00:00+00:00",
        before=before,
        cases=cases(name, wrong, rng),
        causes={"truth": Causes(noise=Part(0.01, 0.02), selection=Part(1.5, 0.1), clip=Part(-0.25, 0.03))},
    )


def test_the_page_says_what_the_numbers_say(tmp_path: Path) -> None:
    rng = np.random.default_rng(1)
    runs = [run(name, rng) for name in ("rare", "likely", "even", "three")]
    report = write_forecast_page(runs, tmp_path / "forecasts.html")
    page, found = (tmp_path / "forecasts.html").read_text(), json.loads((tmp_path / "forecasts.json").read_text())
    card = found["parts"][0]["scores"][IN_LOG_ODDS]
    assert 0.86 <= card["looking"]["inside"]["value"] <= 0.94
    assert card["rivals"]["nothing"]["skill"]["low"] > 0.5
    assert found["parts"][0]["scores"]["share"]["rivals"]["toy"]["skill"]["low"] > 0.3
    assert "toy" not in card["rivals"]  # it speaks of the share alone
    assert "as many as there should be, within the error" in page
    assert "<td>+0.01 ± 0.02</td><td>+1.50 ± 0.10</td><td>-0.25 ± 0.03</td>" in page
    assert f"{card['signs']['right']} went the way" in page
    assert report.sentences[0].startswith("24 rewards on 4 organisms in 4 runs: the forecasts miss an end by 0.")
    assert page.count("<img") == 4 * (1 + len(NAMES)) + 2
    assert "http" not in page.replace("http-equiv", "")
    fitted = found["parts"][0]["after_two_phases"]
    assert 0.9 < fitted["slope"] < 1.1


def test_the_command_scores_frozen_runs_and_refuses_those_without_a_forecast(
    answer: Callable[[str], dict[str, Any]], clipbias: Callable[[str], Any], tmp_path: Path
) -> None:
    kept, page = RESULTS / "clip-rare-adam", tmp_path / "page.html"
    (part,) = answer(f"validate report {kept} --out {page}")["parts"]
    run, record = part["runs"]["clip-rare-adam"], read_frozen(kept)
    assert run["prediction_sha256"] == record.manifest.prediction_sha256
    change = next(c for c in run["changes"] if (c["arm"], c["observable"]) == ("high-only", "share"))
    share = record.arms["high-only"].observed["share"]
    assert change["measured"] == pytest.approx((share[:, -1] - share[:, 0]).mean(), abs=1e-9)
    assert [effect["pair"]["arm"] for effect in run["clip"]] == ["high-only", "low-only"]
    assert "What the clip alone did to the share" in page.read_text()
    refused = clipbias(f"validate report {RESULTS / 'clip-code-strong'} --out {page}")
    assert refused.returncode == 2
    assert "frozen runs whose recipe has a [forecast]" in refused.stderr


@pytest.mark.parametrize("name", ["clip-rare-adam", "clip-likely-sgd"])
def test_where_arms_differ_in_their_clip_alone_it_is_said_what_that_did(name: str) -> None:
    """Against scipy's paired test, on the curves and the forecasts as they are kept."""
    record, found = read_frozen(RESULTS / name), foretold(read_frozen(RESULTS / name))
    assert found is not None
    plain, share = record.arms["no-clip"].curves["log_odds"][:, -1], read_forecasts(RESULTS / name)
    assert [effect.pair.arm for effect in found.clip] == [arm.name for arm in record.recipe.arm if arm.clipped]
    for effect in found.clip:
        test = ttest_rel(record.arms[effect.pair.arm].curves["log_odds"][:, -1], plain)
        assert (effect.pair.pvalue, effect.pair.log_odds.n) == (pytest.approx(test.pvalue), len(record.seeds))
        interval = test.confidence_interval(0.95)
        assert (effect.pair.log_odds.low, effect.pair.log_odds.high) == pytest.approx((interval.low, interval.high))
        laws = [share[arm].observables["share"] for arm in (effect.pair.arm, "no-clip")]
        (gain, plain_gain) = (law.mean[-1] - law.start for law in laws)
        assert effect.forecast == pytest.approx(gain - plain_gain)
        assert effect.stderr**2 == pytest.approx(sum(law.stderr[-1] ** 2 for law in laws))
        does = "raised" if effect.pair.arm == "low-only" or "likely" in name else "lowered"
        assert words.clip_effect(name, effect).startswith(
            f"{effect.pair.arm} − no-clip in {name}: the clip alone {does}"
        )
    clip_effects([(name, effect) for effect in found.clip]).draw_without_rendering()


def test_what_failed_is_listed_and_the_bands_are_called_wrong(tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    runs = [run(name, rng, wrong=("truth", "format", "python")) for name in ("rare", "likely", "even", "three")]
    listed = [miss.change.case.arm for miss in misses(runs) if miss.wrong_sign]
    turned = [arm for arm in listed if arm in ("truth", "format", "python")]
    assert len(turned) > 3 * len(NAMES) * len(runs) / 2
    assert len(listed) - len(turned) <= 4  # of 60: what is forecast near zero is told from it by chance
    write_forecast_page(runs, tmp_path / "forecasts.html")
    page = (tmp_path / "forecasts.html").read_text()
    assert "the bands are too narrow, or in the wrong place" in page
    assert "the other way" in page


def test_what_was_forecast_after_its_run_is_counted_with_no_other(tmp_path: Path) -> None:
    rng = np.random.default_rng(3)
    blind, late = run("rare", rng), run("old", rng, before=False, wrong=("truth",))
    both = write_forecast_page([blind, late], tmp_path / "both.html").json["parts"]
    alone = write_forecast_page([blind], tmp_path / "alone.html").json["parts"]
    assert [part["before"] for part in both] == [True, False]
    assert both[0]["scores"] == alone[0]["scores"]
    assert "Retrospective" in (tmp_path / "both.html").read_text()


def test_figures_are_drawn() -> None:
    some = cases("rare", (), np.random.default_rng(7))
    share = [case for case in some if case.observable == "share"]
    card = scorecards(some)[IN_LOG_ODDS]
    assert card.looking is not None
    drawn = (
        (change_bars(some, str), len(NAMES)),
        (change_scatter(changes(some, 2), str), 1),
        (fans(share), 6),
        (pit_histograms([("rewards that look", card.looking)]), 1),
    )
    for figure, panels in drawn:
        assert len(figure.axes) == panels
        figure.draw_without_rendering()


def test_names_are_escaped(tmp_path: Path) -> None:
    write_forecast_page([run("<script>alert(1)</script>", np.random.default_rng(4))], tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text()
    assert "<script" not in page
    assert "&lt;script&gt;" in page


def test_what_cannot_be_scored_is_left_out() -> None:
    rng = np.random.default_rng(5)
    whole = cases("rare", (), rng)
    assert len(whole) == 6 * len(NAMES)
    observed = {"share": np.where(READ, np.inf, np.nan) * np.ones((3, 1)), "unknown": np.zeros((3, PHASES + 1))}
    forecast = Forecast(
        observables={"share": outlook(1.0, 0.4)}, paid=0.5, mixed=0.9, first_success=1.0, effective=T, clip_low=T,
        clip_high=T, kl=T, seeds=48, unread=(),
    )  # fmt: skip
    assert arm_cases("rare", "truth", True, forecast, observed, {}) == []


def test_a_fit_of_what_is_exact_and_of_what_is_half(tmp_path: Path) -> None:
    found = changes(cases("rare", (), np.random.default_rng(6)), 2)
    assert len(found) == 6 * len(NAMES)
    assert fit(found[:2]) is None
    exact = [type(c)(case=c.case, predicted=c.measured, measured=c.measured, measured_stderr=0.1) for c in found]
    half = [type(c)(case=c.case, predicted=2 * c.measured, measured=c.measured, measured_stderr=0.1) for c in found]
    perfect, shrunk = fit(exact), fit(half)
    assert perfect is not None
    assert (perfect.slope, perfect.r2) == pytest.approx((1.0, 1.0))
    assert shrunk is not None
    assert shrunk.slope == pytest.approx(0.5)
    assert shrunk.r2 < 0.3
