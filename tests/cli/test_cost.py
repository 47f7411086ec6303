"""What commands say of their cost. `benchmarks/cost.py` draws thousands; here are a few, and the rules."""

import importlib.util
import math
import random
import time
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import click
import pytest

from clipbias.cli.cost import announce, in_words, insist, watched
from clipbias.simulate.cost import monte_carlo_work
from clipbias.theory.laws.cost import evolve_work, paths_work, phase_work
from clipbias.theory.laws.evolve import evolve
from clipbias.theory.laws.lattice import propagate
from clipbias.theory.laws.two_outcome_step import PhaseLaw
from setups import STANDARD

SHAPE = "--group-size 16 --groups-per-minibatch 4 --clip-low 0.2 --clip-high 0.2 --success-prob 0.5"
LONG = {
    "gaussian": f"theory phase --probs 0.3,0.7 --learning-rate 0.1 --minibatches 10000 {SHAPE} --plot x.png",
    "--method gaussian": "theory neutral --clip-low 0.2 --probs 0.3,0.7 --learning-rate 0.1 --minibatches 10000"
    " --group-size 16 --groups-per-minibatch 4 --success-prob 0.5",
    "simulate run": f"theory evolve --probs 0.2,0.3,0.5 --learning-rate 0.1 --minibatches 1000 --phases 100 {SHAPE}",
    "--replicates": f"simulate run --probs 0.2,0.3,0.5 --learning-rate 0.1 --minibatches 1000 --phases 1000 {SHAPE}",
}


@pytest.fixture(scope="module")
def drawn() -> ModuleType:
    """The benchmark, for the commands that it draws."""
    file = Path(__file__).parents[2] / "benchmarks" / "cost.py"
    spec = importlib.util.spec_from_file_location("drawn_commands", file)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_drawn_command_ends_in_a_traceback(drawn: ModuleType, clipbias, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those expected to take more than a second are refused here, so that the test is quick."""
    monkeypatch.setattr("clipbias.cli.cost.SAID_SECONDS", 1.0)
    monkeypatch.setattr("clipbias.cli.cost.ASKED_SECONDS", 1.0)
    rng, began = random.Random(1), time.monotonic()
    for _ in range(60):
        done = clipbias(drawn.command(rng) + " --json")
        assert done.returncode in (0, 2)
        if time.monotonic() - began > 30.0:  # a loaded machine
            break


@pytest.mark.parametrize("line", LONG.values(), ids=LONG)
def test_what_takes_minutes_needs_insisting(line: str, clipbias, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clipbias.cli.cost.SAID_SECONDS", 2.0)
    done = clipbias(line)
    error = [text for text in done.stderr.splitlines() if text.startswith("Error")]
    assert done.returncode == 2
    assert len(error) == 1
    assert "--insist; cheaper: " in error[0]


@pytest.mark.parametrize(
    ("line", "words"),
    [
        (f"theory evolve --probs 0.3,0.7 --learning-rate 0.1 --minibatches 8 {SHAPE} --phases -5", "--phases must be"),
        (f"theory evolve --probs 0.3,0.7 --learning-rate 0.1 --minibatches 8 {SHAPE} --phases 9 --group-size 200",
         "--group-size must be at most 128"),
        (f"theory phase --probs 0.3,0.7 --learning-rate 0.1 --minibatches 8 {SHAPE} --groups-per-minibatch 5000",
         "--groups-per-minibatch must be at most 500"),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_said_before_what_it_would_cost(
    line: str, words: str, clipbias, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipbias.cli.cost.SAID_SECONDS", 2.0)
    assert words in clipbias(line).stderr


def said(capsys: pytest.CaptureFixture[str], seconds: float, *arguments: str) -> tuple[str, str]:
    """What is written, and the refusal."""

    @click.command()
    @insist
    def command() -> None:
        announce(seconds, {"something else": 3.0, "as dear": seconds, "less of it": None})

    refusal = ""
    try:
        command.main(list(arguments), standalone_mode=False)
    except click.UsageError as error:
        refusal = error.message
    return capsys.readouterr().err, refusal


def test_short_is_silent_long_is_said_and_longer_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert said(capsys, 1.9) == ("", "")
    assert said(capsys, 21.0) == ("about 20 seconds\n", "")
    cheaper = "cheaper: something else (about 3 seconds), or less of it"
    assert said(capsys, 300.0)[1].endswith(f"needs --insist; {cheaper}")
    assert said(capsys, 300.0, "--insist") == (f"about 5 minutes; {cheaper}\n", "")


def test_a_clock_speaks_where_nothing_else_does(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clipbias.cli.cost.SAID_SECONDS", 1.05)
    with click.Context(click.Command("nothing")), watched():
        time.sleep(0.3)
    assert capsys.readouterr().err == "at work\n"


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(2.6, "3 seconds"), (119, "100 seconds"), (131, "2 minutes"), (8000, "2 hours"), (3e6, "30 days")],
)
def test_times_in_words(seconds: float, words: str) -> None:
    assert in_words(seconds) == words


def test_more_work_costs_more() -> None:
    assert phase_work(0.3, STANDARD) < evolve_work(0.3, STANDARD, 10) < evolve_work(0.3, STANDARD, 1000)
    assert paths_work(3, STANDARD, 1) < paths_work(3, STANDARD, 9) < paths_work(30, STANDARD, 9)
    assert monte_carlo_work(2, STANDARD, 1, 1000) < monte_carlo_work(3, STANDARD, 1, 1000)


def test_nothing_costs_nothing() -> None:
    assert phase_work(0.3, replace(STANDARD, learning_rate=0.0)) < 1e7
    assert evolve_work(0.3, replace(STANDARD, learning_rate=1e-12), 1000) < 1e7


@pytest.mark.parametrize(("rates", "most"), [((0.33, 0.72), 1.5), (0.5, 1.1)])
def test_closer_starts_where_rewards_select_are_counted(
    rates: float | tuple[float, float], most: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The starts that `evolve` takes, counted, against those that are told."""
    config = replace(STANDARD, learning_rate=0.075, group_size=4, minibatches=4, success_prob=rates)
    taken = []

    def counted(*given: Any) -> PhaseLaw:
        taken.append(given)
        return propagate(*given)

    monkeypatch.setattr("clipbias.theory.laws.evolve.propagate", counted)
    evolve(0.425, config, 20, "gaussian")
    monkeypatch.setattr("clipbias.theory.laws.cost.propagate_work", lambda *_: 1e12)
    told = evolve_work(0.425, config, 20, "gaussian") / 1e12 - 1  # one is the phase from the start itself
    assert 1 / most < len(taken) / told < most


@pytest.mark.parametrize("prob", [1e-12, 1e-4, 0.5])
@pytest.mark.parametrize("rate", [1e-8, 1e-3, 0.3])
def test_the_cost_of_what_selects_is_told_for_any_start(prob: float, rate: float) -> None:
    """Also where hardly anything moves, on a grid of almost no width, and far out, where `evolve` refuses."""
    config = replace(STANDARD, learning_rate=rate, success_prob=(0.8, 0.2))
    assert 0 < evolve_work(prob, config, 1) < math.inf
