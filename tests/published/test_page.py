"""The page is what the command writes, and its numbers are those of the JSON."""

import ast
import json
import re
from pathlib import Path

import pytest
from click.testing import CliRunner

import clipbias.published.page as page_module
from clipbias.cli.main import clipbias
from clipbias.cli.validate import PUBLISHED_SECONDS
from clipbias.published.answer import Answer, published
from clipbias.published.deciding import RECIPE
from clipbias.published.page import page
from clipbias.published.verdict import VERDICTS
from clipbias.theory.formulas.power import WANTED, paired_power
from clipbias.validate.recipe.recipe import load_recipe

PAGE = Path(__file__).parents[2] / "docs" / "published.md"
CODE = Path(page_module.__file__).parent
RECORD = CODE / "record"
NAMES = re.compile(
    r"MATH-500|Qwen2\.5-Math-7B|SHA-256|\bv[01]\b|share\.random\.150|^\d\. \*|\b0\b", re.M
)  # and no change

pytestmark = pytest.mark.statistical


@pytest.fixture(scope="module")
def answer() -> Answer:
    return published()


def test_the_page_is_generated(answer: Answer) -> None:
    assert PAGE.read_text(encoding="utf-8") == page(answer, "published.png")
    assert PAGE.with_suffix(".png").exists()


def test_the_command_says_what_it_costs_and_writes_page_figure_and_json(
    answer: Answer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("clipbias.published.answer.published", lambda: answer)
    asked = ["validate", "published", "--page", str(tmp_path / "published.md"), "--plot", str(tmp_path / "x.svg")]
    done = CliRunner().invoke(clipbias, [*asked, "--json"], catch_exceptions=False)
    assert json.loads(done.stdout)["rules_sha256"] == answer.rules_sha256
    assert f"about {PUBLISHED_SECONDS:.0f} seconds" in done.stderr
    assert (tmp_path / "published.md").read_text(encoding="utf-8") == page(answer, "published.png")
    assert {file.name for file in tmp_path.iterdir()} == {"published.md", "published.png", "x.svg"}


def test_a_page_that_is_no_markdown_is_refused_before_anything_is_computed(tmp_path: Path) -> None:
    done = CliRunner().invoke(clipbias, ["validate", "published", "--page", str(tmp_path / "published.txt")])
    assert done.exit_code != 0
    assert list(tmp_path.iterdir()) == []


def typed_numbers(source: str) -> list[str]:
    """Digits in what a module says, docstrings and formats aside."""
    tree = ast.parse(source)
    described = {
        node.body[0].value
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and isinstance(node.body[0], ast.Expr)
    }
    formats = {part for node in ast.walk(tree) if isinstance(node, ast.FormattedValue) and node.format_spec
               for part in ast.walk(node.format_spec)}  # fmt: skip
    said = [node.value for node in ast.walk(tree) if isinstance(node, ast.Constant) and node not in described | formats]
    return [text for text in said if isinstance(text, str) and re.search(r"\d", NAMES.sub("", text))]


@pytest.mark.parametrize("module", ["page", "page_rivals"])
def test_no_number_of_the_page_is_typed_by_hand(module: str) -> None:
    source = (CODE / f"{module}.py").read_text(encoding="utf-8")
    assert typed_numbers(source) == []
    assert typed_numbers(source.replace("brings what the second row says", "brings 10.1 points")) or module != "page"


def test_json_gives_every_line_with_source_and_verdict(answer: Answer) -> None:
    found = json.loads(json.dumps(answer.to_json(), allow_nan=False))
    entries = [e for e in found["entries"] if e["kind"] != "out of scope"]
    assert len(entries) >= 60
    assert len({e["source"]["where"] for e in entries}) >= 10
    for entry in entries:
        assert entry["verdict"] in VERDICTS
        assert entry["source"]["work"]
        assert entry["source"]["place"]
        if entry["kind"] == "predicted":
            low, high = entry["predicted"]["band"]
            assert low <= entry["predicted"]["value"] <= high
    assert sum(found["counts"].values()) == len(found["entries"])


def test_the_parts_of_the_gain_add_up(answer: Answer) -> None:
    early, end = answer.headline.at_150, answer.headline.at_end
    assert early.by_share + early.which_problems + early.kept == pytest.approx(early.total)
    assert end.by_share + end.which_problems + end.open == pytest.approx(end.total)
    assert early.total == pytest.approx(answer.record.figure("gain-150.random").value)


def test_the_rivals_can_be_told_apart(answer: Answer) -> None:
    """Every account differs from the clip's somewhere, and some measurement sets the clip apart from all of them."""
    assert answer.rivals.telling
    assert all(standing.apart for standing in answer.rivals.standings[1:])


def test_the_deciding_run_has_its_seeds_its_plan_and_its_power(answer: Answer) -> None:
    """The recipe asks for the seeds that are needed, and `clipbias validate plan` says the same of it as the page."""
    run, recipe = answer.deciding, load_recipe(RECORD / RECIPE)
    assert run.design.one_sided
    assert recipe.seeds == run.design.seeds
    assert recipe.training.phases == run.design.steps
    assert {(arm.gate.low, arm.gate.high) for arm in recipe.arm} == {(None, 0.2), (0.2, None)}
    powers = {p.seeds: p for p in run.powers}
    assert powers[recipe.seeds].power >= WANTED > paired_power(run.design.effect, run.design.std, recipe.seeds - 1)
    asked = ["validate", "plan", str(RECORD / RECIPE), "--gpus", str(run.gpus), "--json"]
    told = json.loads(CliRunner().invoke(clipbias, asked, catch_exceptions=False).output)
    assert told["hours"] == run.hours
    assert powers[recipe.seeds].gpu_hours == pytest.approx(told["runs"] * told["hours"] * run.gpus)
