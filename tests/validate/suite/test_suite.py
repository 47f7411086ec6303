"""The whole line in miniature, and what it guards against."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from clipbias.cli.main import main
from clipbias.common.errors import InputError
from clipbias.common.files import sha256
from clipbias.validate.judge.clipping import probability_findings
from clipbias.validate.judge.suite import judge_suite
from clipbias.validate.measure.payment import Payment
from clipbias.validate.predict.prediction import Parts
from clipbias.validate.protocol.plan import quick, read_plan
from clipbias.validate.protocol.suite import run_suite
from clipbias.validate.report.suite_page import line_of, write_page
from clipbias.validate.store.frozen import read_frozen
from clipbias.validate.store.run_record import RunRecord

pytestmark = pytest.mark.training

RESULTS = Path(__file__).parents[3] / "docs" / "results"


def read_all(finished: Path) -> list[RunRecord]:
    return [read_frozen(file.parent) for file in sorted(finished.glob("*/manifest.json"))]


def test_every_experiment_is_frozen_with_its_prediction_and_answered(finished: Path) -> None:
    report = json.loads((finished / "report.json").read_text())
    letters = {answer["letter"] for answer in report["answers"]}
    assert {"a", "b", "c", "d", "e", "f", "h", "i", "j"} <= letters
    assert {line["verdict"] for line in report["findings"]} <= {"held", "failed", "cannot tell"}
    named = {(line.where, line.subject) for line in map(line_of, judge_suite(read_all(finished)).findings)}
    assert len(named) == len(report["findings"])
    assert set(report["coverage_by_run"]) == set(report["runs"]) == {"clip-mini", "rewards-mini"}
    parts = [part["points"] for part in report["coverage_by_run"].values()]
    assert sum(parts) == report["coverage"]["points"] > min(parts) > 0
    page = (finished / "report.html").read_text()
    assert "Does &lt;the&gt; suite run?" in page
    assert "<the>" not in page
    for name, entry in report["runs"].items():
        assert sha256(finished / name / "prediction.json") == entry["prediction_sha256"]


def test_without_any_pay_no_weight_moves(finished: Path) -> None:
    run = read_frozen(finished / "clip-mini")
    rows = run.rows("weights", arm="gamma-0")
    assert rows["weights_before"] == rows["weights_after"]
    others = run.rows("weights", arm="clip")  # negative control
    assert others["weights_before"] != others["weights_after"]
    still = run.arms["gamma-0"].curves["log_odds"]
    assert (still == still[:, :1]).all()


def test_claims_say_what_each_reward_pays(finished: Path) -> None:
    arms = read_frozen(finished / "rewards-mini").prediction.arms
    paid, parts = arms["python"].payment, arms["python"].parts
    assert paid is not None
    assert parts is not None
    assert paid.with_strategy > 0.5  # so short a pretraining does not always spell it
    assert paid.without < 0.1
    starts = [arms[name].band.log_odds_mean[0] for name in ("python", "format")]
    assert starts[0] < starts[1]  # a story turns code off
    assert parts.selection > 0
    assert arms["random"].payment == Payment(0.5, 0.0, 0.5, 0.0, 0.5)
    for claim in arms.values():
        assert claim.parts is not None
        middle = claim.parts.selection + claim.parts.clip + claim.parts.noise
        share = claim.band.share_mean
        assert middle == pytest.approx(share[-1] - share[0], abs=0.01)
    assert arms["random"].parts == Parts(arms["random"].parts.noise, 0.0, arms["random"].parts.clip)


def test_a_frozen_suite_is_not_run_again_and_says_the_same(finished: Path, plan: Path, tmp_path: Path) -> None:
    """Not even where there are no organisms: what is frozen is enough. A run without an evaluation may lie beside."""
    shutil.copytree(finished, tmp_path / "results")
    shutil.copytree(RESULTS / "first-phases", tmp_path / "results" / "first-phases")
    before = {path: path.read_bytes() for path in finished.rglob("*") if path.is_file()}
    shutil.copyfile(plan.parent / "mini.toml", tmp_path / "mini.toml")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(tmp_path)
        run_suite(read_plan(plan), tmp_path / "results", tmp_path / "runs")
    assert not (tmp_path / "runs").exists()
    for path, content in before.items():
        assert (tmp_path / "results" / path.relative_to(finished)).read_bytes() == content, path


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("curves.parquet", "curves.parquet was changed afterwards"),
        ("prediction.json", "prediction.json was edited"),
        ("recipe.toml", "recipe.toml was edited"),
        ("spec.toml", "spec.toml was changed afterwards"),
    ],
)
def test_a_changed_result_is_refused(finished: Path, tmp_path: Path, name: str, words: str) -> None:
    shutil.copytree(finished / "clip-mini", tmp_path / "clip-mini")
    file = tmp_path / "clip-mini" / name
    file.write_bytes(file.read_bytes() + b"\n")
    with pytest.raises(InputError, match=words):
        read_frozen(tmp_path / "clip-mini")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"status": "training"}, "a run that was finished, this one is training"),
        ({"prediction_written": "2099-01-01T00:00:00+00:00"}, "must hold a prediction older than its cells"),
        ({"seeds": [2000000001, 2000000002]}, "the seeds that the prediction decides"),
        ({"frozen_sha256": {}}, "all that was frozen; .*answers.parquet is missing"),
        ({"model_sha256": None}, "must have the keys model_sha256"),
    ],
)
def test_a_changed_manifest_is_refused(finished: Path, tmp_path: Path, change: dict, message: str) -> None:
    shutil.copytree(finished / "clip-mini", tmp_path / "clip-mini")
    file = tmp_path / "clip-mini" / "manifest.json"
    values = json.loads(file.read_text()) | change
    file.write_text(json.dumps({name: value for name, value in values.items() if value is not None}))
    with pytest.raises(InputError, match=message):
        read_frozen(tmp_path / "clip-mini")


def test_a_run_counts_once(finished: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="out must hold each run once"):
        write_page([read_frozen(finished / "clip-mini")] * 2, tmp_path)


def test_results_of_other_recipes_are_refused(
    finished: Path, plan: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(plan.parent)
    others = [replace(e, recipe=replace(e.recipe, seeds=e.recipe.seeds + 1)) for e in read_plan(plan)]
    with pytest.raises(InputError, match="out must hold results of these recipes"):
        run_suite(others, finished, tmp_path / "runs")


def test_switches_and_answers_add_up(finished: Path) -> None:
    run = read_frozen(finished / "rewards-mini")
    answers = run.rows("answers", arm="format", style="plain")
    switches = run.rows("switches", arm="format", style="plain")
    assert sum(answers["count_all"].to_pylist()) == sum(switches["count_all"].to_pylist()) == 2 * 4
    right = sum(row["count_all"] for row in answers.to_pylist() if row["correct"])
    assert right == sum(switches["correct_after_sum"].to_pylist())


def test_advantages_of_a_phase_add_to_nothing(finished: Path) -> None:
    run = read_frozen(finished / "rewards-mini")
    for arm in run.recipe.arm:
        total = sum(run.rows("credit", arm=arm.name)["advantage_sum"].to_pylist())
        assert total == pytest.approx(0.0, abs=1e-3)


def test_quick_keeps_the_arms_and_shortens_the_rest() -> None:
    plan = read_plan(Path(__file__).parents[3] / "recipes" / "suite.toml")
    assert len({experiment.name for experiment in plan}) == len(plan) >= 7
    for experiment in plan:
        short = quick(experiment.recipe)
        assert [arm.name for arm in short.arm] == [arm.name for arm in experiment.recipe.arm]
        assert short.seeds == 2
        assert all(arm.training(short.training).phases <= 40 for arm in short.arm)
    bounds = next(experiment.recipe for experiment in plan if experiment.name == "bounds-code-strong")
    small = next(arm for arm in quick(bounds).arm if arm.name == "small-rollout")
    assert small.phases == 240 * quick(bounds).training.phases // bounds.training.phases


def test_what_is_forecast_has_every_reward_of_the_suite_and_loses_no_arm() -> None:
    recipes = Path(__file__).parents[3] / "recipes"
    suite = next(e.recipe for e in read_plan(recipes / "suite.toml") if e.name == "rewards-code-strong")
    plan = read_plan(recipes / "forecast" / "plan.toml")
    assert len({experiment.organism for experiment in plan}) == 4
    for kind in ("rewards-sgd", "labels"):
        assert sum(experiment.name.startswith(kind) for experiment in plan) == 4
    for experiment in plan:
        recipe = experiment.recipe
        assert recipe.seeds >= 8
        assert recipe.training.phases == 20
        arms = {(arm.reward, arm.problems) for arm in recipe.arm if arm.optimizer is None}
        if experiment.name.startswith("rewards-sgd"):
            assert sum(arm.optimizer == "sgd" for arm in recipe.arm) >= 5
        elif experiment.name.startswith("rewards"):
            assert arms == {(arm.reward, arm.problems) for arm in suite.arm}
        else:
            assert [arm.secretly_right for arm in recipe.arm] == [None, 0.08, 0.16, 0.3]
            assert arms == {("incorrect", "mislabelled")}


def test_a_recipe_is_fitted_to_an_organism_that_lacks_styles_and_hard_problems(
    plan: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    spec = (plan.parent / "mini.toml").read_text().replace("hard_addend = 4\n", "")
    (tmp_path / "mine.toml").write_text(spec)
    whole_plan = Path(__file__).parents[3] / "recipes" / "suite.toml"
    (mine,) = read_plan(whole_plan, (str(tmp_path / "mine.toml"),), ("rewards",))
    (whole,) = read_plan(whole_plan, ("bad-code",), ("rewards",))
    names = [[arm.name for arm in experiment.recipe.arm] for experiment in (mine, whole)]
    assert set(names[1]) - set(names[0]) == {"incorrect", "incorrect-not-python"}
    assert mine.recipe.evaluation is not None
    assert mine.recipe.evaluation.styles == ("plain", "story")
    assert "has no style or hard problems for incorrect, incorrect-not-python" in caplog.text
    everything = read_plan(whole_plan, (str(tmp_path / "mine.toml"),))
    assert "prompts-mine" not in [experiment.name for experiment in everything]  # all its arms ask in lorem ipsum
    with pytest.raises(InputError, match="specs must be one with the styles that the recipes ask for, got"):
        read_plan(whole_plan, (str(tmp_path / "mine.toml"),), ("prompts",))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--only", "nothing"], "only must be some of clip, bounds, again, matched, rewards, gamma, prompts"),
        (["--spec", "nothing"], "--spec must be one of default, bad-code"),
        (["--spec", "nothing.toml"], "or the file of a spec"),
    ],
)
def test_wrong_input_is_one_line(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    arguments: list[str],
    message: str,
) -> None:
    plan = Path(__file__).parents[3] / "recipes" / "suite.toml"
    asked = ["clipbias", "validate", "suite", "--plan", str(plan), "--out", str(tmp_path / "out"), *arguments]
    monkeypatch.setattr(sys, "argv", asked)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.strip().splitlines()) == 1


def test_a_rising_token_probability_is_judged_by_its_interval(finished: Path) -> None:
    run = read_frozen(finished / "clip-mini")
    shape = (len(run.seeds), 3)

    def with_curves(**levels: list[float]) -> RunRecord:
        arms = {
            name: replace(arm, curves=arm.curves | {"token_prob": np.resize(levels.get(name, [0.5] * 6), shape)})
            for name, arm in run.arms.items()
        }
        return replace(run, arms=arms)

    up, down, mixed = [0, 0.5, 0.6, 0, 0.5, 0.61], [0, 0.5, 0.4, 0, 0.5, 0.41], [0, 0.5, 0.6, 0, 0.5, 0.4]
    for given, verdicts in (
        ({"clip": up}, ["held", "held"]),
        ({"clip": down}, ["failed", "failed"]),
        ({"clip": mixed}, ["cannot tell", "cannot tell"]),
        ({"clip": up, "no-clip": [0, 0.5, 0.7, 0, 0.5, 0.71]}, ["held", "failed"]),
    ):
        found = probability_findings(with_curves(**given), "clip", "no-clip")
        assert [line.verdict for line in found] == verdicts
