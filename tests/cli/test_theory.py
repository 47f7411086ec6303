"""`clipbias theory` as a user runs it: its two streams and its exit status."""

import math
import resource
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from clipbias.cli.options import readable
from clipbias.theory.formulas.continuous import gaussian_moments, uniform_moments
from clipbias.theory.formulas.whitening import whitened_moments
from clipbias.theory.laws.phase import phase
from clipbias.theory.surrogate import PpoClip
from setups import STANDARD

SHAPE = (
    "--probs 0.65,0.35 --learning-rate 0.5 --group-size 16 --groups-per-minibatch 4 --minibatches 8 --success-prob 0.5"
)
PHASE = f"{SHAPE} --clip-low 0.2 --clip-high none"


def test_advantage(answer):
    found = answer("theory advantage --group-size 16 --success-prob 0.5")
    assert list(found) == ["mu", "v_plus", "v_minus", "degenerate_prob", "max_abs"]
    assert found["mu"] == pytest.approx(0.4835, abs=5e-5)
    unbiased = answer("theory advantage --group-size 16 --success-prob 0.5 --scale std-unbiased")
    assert unbiased["mu"] == pytest.approx(0.4682, abs=5e-5)


def test_advantage_of_other_rewards(answer):
    found = answer("theory advantage --group-size 16 --reward gaussian --scale std-unbiased")
    assert found == {name: pytest.approx(getattr(gaussian_moments(16, "std-unbiased"), name)) for name in found}
    assert list(found) == ["mu", "v_plus", "v_minus", "degenerate_prob", "max_abs"]
    uniform = answer("theory advantage --group-size 4 --reward uniform")
    assert list(uniform) == [*found, "stderr"]
    moments, error = uniform_moments(4)
    assert (uniform["mu"], uniform["stderr"]["mu"]) == (moments.mu, error)
    assert uniform["degenerate_prob"] == 0.0


def test_advantage_whitened_over_a_buffer(answer):
    plain = answer("theory advantage --group-size 4 --success-prob 0.1")
    found = answer("theory advantage --group-size 4 --success-prob 0.1 --whiten-groups 32")
    assert found == {name: getattr(whitened_moments(4, 0.1, 32), name) for name in plain}
    assert found["mu"] > plain["mu"]  # most groups are silent, and the rest make up for them


def test_drift(answer):
    """R = (0.8/0.65, 0.2/0.35): the first is praised no more, the second no longer blamed."""
    found = answer(
        "theory drift --old-probs 0.65,0.35 --probs 0.8,0.2 --clip-low 0.2 --clip-high 0.2 "
        "--group-size 16 --success-prob 0.5"
    )
    assert list(found) == ["mu", "drift"]
    assert found["drift"] == pytest.approx([-0.32 * found["mu"], 0.32 * found["mu"]])


def test_phase(answer):
    found = answer(f"theory phase {PHASE}")
    law = phase(0.65, replace(STANDARD, learning_rate=0.5, surrogate=PpoClip(0.2, None)))
    assert set(found) == {
        *("mean_logit_shift", "mean_prob_shift", "prob_std", "entropy_shift", "clip_low_fraction"),
        *("clip_high_fraction", "method", "log_odds_shift", "log_odds_std"),
    }
    assert found["log_odds_shift"] == law.log_odds_shift
    assert found["clip_high_fraction"] == [0.0] * 8
    assert found["method"] == "exact"


def test_more_than_two_outcomes_come_with_errors(answer):
    """Two outcomes that are alike, split off the second of two, move as it does; and the keys are the same."""
    two = answer(f"theory phase {PHASE}")
    found = answer(f"theory phase {PHASE} --probs 0.65,0.175,0.175")
    assert set(found) == (set(two) - {"log_odds_shift", "log_odds_std"}) | {"stderr"}
    assert found["method"] == "paths"
    assert set(found["stderr"]) == set(found) - {"stderr", "method"}
    apart = found["mean_prob_shift"][1] - found["mean_prob_shift"][2]
    assert abs(apart) < 6 * (found["stderr"]["mean_prob_shift"][1] + 1e-5)
    many = answer(f"theory evolve {PHASE} --probs 0.65,0.175,0.175 --phases 3")
    assert list(many["prob_quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
    assert len(many["stderr"]["prob_above"]["0.9"]) == 3
    assert sum(many["prob_mean"]) == pytest.approx(1.0)
    doubted = answer(f"theory evolve {PHASE} --method paths --phases 3")
    sure = answer(f"theory evolve {PHASE} --phases 3")
    assert abs(doubted["prob_mean"][0] - sure["prob_mean"][0]) < 6 * doubted["stderr"]["prob_mean"][0]


def test_many_phases_outside_the_stated_domain_say_so(clipbias):
    done = clipbias(f"theory evolve {PHASE} --learning-rate 4 --phases 2 --json")
    assert done.returncode == 0
    assert done.stderr.startswith("Warning: one step moves the log-odds by")
    assert done.stderr.count("\n") == 1
    assert done.stdout.count("\n") == 1


def test_other_surrogates(answer):
    found = answer(f"theory phase {SHAPE} --surrogate ppo:low=0.2,high=none")
    assert found == answer(f"theory phase {PHASE}")
    quiet = answer(f"theory phase {SHAPE} --surrogate cispo:cap=1.2")
    assert abs(quiet["log_odds_shift"]) < 1e-9
    drift = answer(
        "theory drift --old-probs 0.5,0.5 --probs 0.6,0.4 --surrogate dppo:low=0.2,high=0.05 --group-size 16 "
        "--success-prob 0.5"
    )
    assert drift["drift"] == pytest.approx([-0.24 * drift["mu"], 0.24 * drift["mu"]])


def test_evolve(answer):
    found = answer(f"theory evolve {PHASE} --phases 10")
    assert list(found["prob_quantiles"]) == ["0.05", "0.25", "0.5", "0.75", "0.95"]
    assert list(found["prob_above"]) == ["0.5", "0.9", "0.99"]
    assert sum(found["prob_mean"]) == pytest.approx(1.0)
    assert found["prob_quantiles"]["0.25"][1] == pytest.approx(1 - found["prob_quantiles"]["0.75"][0])
    assert {"entropy_mean", "log_odds_mean", "log_odds_std"} <= set(found)


def test_neutral(answer):
    assert answer("theory neutral --clip-low 0.2 --ratio-std 0") == {"clip_high": pytest.approx(0.25)}
    quiet = answer("theory neutral --clip-low 0.2 --ratio-std 0.2 --rest-std 0")
    assert quiet == {"clip_high": pytest.approx(math.exp(2 * 0.2**2) / 0.8 - 1)}


WRONG = [
    (f"theory phase {PHASE} --clip-low 1.3", "--clip-low must be in (0, 1] or none, got 1.3"),
    (f"theory phase {PHASE} --clip-low off", "--clip-low must be in (0, 1] or none, got off"),
    (f"theory phase {PHASE} --clip-high -1", "--clip-high must be positive and finite, or none"),
    (f"theory phase {PHASE} --group-size 1", "--group-size must be at least 2, got 1"),
    (f"theory phase {PHASE} --group-size 2.5", "--group-size must be a whole number, at least 2, got 2.5"),
    (f"theory phase {PHASE} --minibatches 0", "--minibatches must be at least 1, got 0"),
    (
        f"theory phase {PHASE} --groups-per-minibatch x",
        "--groups-per-minibatch must be a whole number, at least 1, got x",
    ),
    (f"theory phase {PHASE} --learning-rate inf", "--learning-rate must be at least 0 and finite, got inf"),
    (f"theory phase {PHASE} --success-prob nan", "--success-prob must be in [0, 1], got nan"),
    (f"theory phase {PHASE} --probs 0.5,0.6", "--probs must be at least two numbers in (0, 1) that add to 1"),
    (f"theory phase {PHASE} --probs 0.5,0.3,0.2 --method exact", "--method must be paths for more than two outcomes"),
    (f"theory phase {PHASE} --method normal", "--method must be one of exact, gaussian, paths, got normal"),
    (f"theory phase {PHASE} --surrogate sapo", "--clip-low must not be given beside --surrogate\n"),
    (f"theory phase {SHAPE} --surrogate sapo:tau=1", "(sapo takes plus, minus, not tau)"),
    (f"theory phase {SHAPE} --surrogate cispo:cap=0.5", "(cap must be above 1 and finite, got 0.5)"),
    (f"theory phase {SHAPE} --surrogate grpo", "--surrogate must be one of ppo, cispo, sapo, dppo, gspo, probability"),
    (f"theory phase {SHAPE} --clip-low 0.2", "--clip-high is required: positive and finite, or none"),
    (f"theory phase {PHASE} --group-size 300", "--group-size must be at most 128 for the exact method"),
    (f"theory phase {PHASE} --group-size 200", "(method gaussian takes any), got 200"),
    (f"theory phase {PHASE} --scale max", "--scale must be one of std, std-unbiased, none, got max"),
    (
        f"theory phase {SHAPE} --surrogate gspo:low=0.2,high=0.2,length=100000000",
        "length must be a whole number from 1 to",
    ),
    (f"theory phase {SHAPE} --surrogate ppo:low=0.2,low=0.3,high=1", "(low is given twice)"),
    (
        "theory reward --probs 0.5,0.3,0.2 --success-probs 0.5,0.5,0.5 --learning-rate 1 --group-size 16"
        " --groups-per-minibatch 4 --minibatches 8 --clip-low 0.2 --clip-high 0.2",
        "--probs must have two entries here, got 3",
    ),
    (f"theory phase {SHAPE} --surrogate cispo:cap=1=2", "cap must be a number or none, got 1=2"),
    ("theory neutral --clip-low 0.2 --ratio-std 0.1 --probs 0.1,0.9", "--ratio-std must not be given beside a set-up"),
    ("theory neutral --clip-low 0.2 --ratio-std 0.1 --of drift", "--of must not be given beside --ratio-std"),
    ("theory neutral --clip-low 0.2 --ratio-std 0.1 --method exact", "--method must not be given beside --ratio-std"),
    ("theory neutral --clip-low 0.2 --ratio-std 25 --plot x.png", "--ratio-std must be at most 2 for a figure, got 25"),
    (
        "theory neutral --clip-low 0 --probs 0.1,0.9 --learning-rate 1 --group-size 16 --groups-per-minibatch 4"
        " --minibatches 8 --success-prob 0.5",
        "--clip-low must be in (0, 1) for a set-up, got 0",
    ),
    (f"theory evolve {PHASE} --phases 10000000", "--phases must be at most"),
    (f"theory evolve {PHASE} --phases 0", "--phases must be at least 1, got 0"),
    ("theory advantage --success-prob 0.5", "--group-size is required: at least 2"),
    ("theory advantage --group-size 4 --reward gaussian --success-prob 0.5", "--success-prob must not be given beside"),
    ("theory advantage --group-size 4 --reward uniform --whiten-groups 8", "--whiten-groups must not be given beside"),
    ("theory advantage --group-size 4 --reward uniform --scale none", "--scale must be one of std, std-unbiased, got"),
    ("theory advantage --group-size 300 --reward uniform", "--group-size must be at most 256 for uniform rewards"),
    ("theory advantage --group-size 4 --success-prob 0.5 --whiten-groups 0", "--whiten-groups must be at least 1"),
    ("theory advantage --group-size 4 --success-prob 0.5 --whiten-groups 9999999", "--whiten-groups must be at most"),
    ("theory advantage --group-size 4 --success-prob 0.5 --whiten-groups 8 --scale none", "--scale must be one of"),
    ("theory advantage --group-size 4", "--success-prob is required: in [0, 1]"),
    ("theory neutral --clip-low 0.2", "--ratio-std must be given, or else --probs, --learning-rate, --group-size"),
    (
        "theory neutral --clip-low 0.2 --probs 0.5,0.5 --learning-rate 1 --group-size 16 --groups-per-minibatch 4"
        " --minibatches 8 --success-prob 0.5",
        "--clip-low must have a neutral clip_high in [0.001, 10] here, and 0.2 has none",
    ),
    (f"theory phase {PHASE} --plot x.gif", "--plot must end in .png, .pdf, .svg, got x.gif"),
    (f"theory phase {PHASE} --plot /no/such/x.png", "--plot must be in a folder that exists"),
    (
        "theory reward --probs 0.5,0.5 --success-probs 0.5 --learning-rate 1 --group-size 16"
        " --groups-per-minibatch 4 --minibatches 8 --clip-low 0.2 --clip-high 0.2",
        "--success-probs must have as many entries as probs (2), got 1",
    ),
    (
        "theory reward --probs 0.5,0.5 --success-probs 0.5,2 --learning-rate 1 --group-size 16"
        " --groups-per-minibatch 4 --minibatches 8 --clip-low 0.2 --clip-high 0.2",
        "--success-probs must be numbers in [0, 1], one for each outcome, got 0.5,2",
    ),
    (f"theory evolve {PHASE}", "--phases is required: at least 1"),
    ("validate run", "RECIPE is required"),
    (f"theory phase {PHASE} --learning-rate 1e160", "--learning-rate must be at most 1e+100"),
    (f"theory phase {PHASE} --minibatches 100000000000", "--minibatches must be at most 10000, got 100000000000"),
    (f"theory phase {PHASE} --groups-per-minibatch 1000", "--groups-per-minibatch must be at most 500 for the exact"),
    ("theory advantage --group-size 99999999999999999999 --success-prob .5", "--group-size must be at most 1000000"),
    ("theory neutral --clip-low 0.9999999999999999 --ratio-std 25.99", "--clip-low must be smaller at this ratio_std"),
    ("theory phase", "--probs is required: at least two numbers in (0, 1)"),
    ("theory neutral --clip-low 1 --ratio-std 0.1", "--clip-low must be in [0, 1), got 1.0"),
    ("theory neutral --clip-low 0.2 --ratio-std -1", "--ratio-std must be in [0, 26), got -1.0"),
    ("theory neutral --clip-low 0.2 --ratio-std 0.1 --rest-std 1", "--rest-std must be in [0, 0.141421] at this"),
    ("theory neutral --clip-low 0.2 --rest-std 0.1", "--rest-std must be with --ratio-std, got 0.1"),
    ("theory advantage --group-size 16 --success-prob 2", "--success-prob must be in [0, 1], got 2.0"),
    (
        "theory drift --old-probs 0.5,0.3,0.2 --probs 0.5,0.5 --clip-low 0.2 --clip-high 0.2 --group-size 16 "
        "--success-prob 0.5",
        "--old-probs must have as many entries as probs (2), got 3",
    ),
    ("theory advantage --group 3", "'--group'"),
    ("theory nothing", "No such command"),
    ("theory", "Missing command"),
    ("", "Missing command"),
]
LEADS_TO_NO_COMMAND = ("theory nothing", "theory", "")


@pytest.mark.parametrize(
    ("arguments", "message"),
    WRONG + [(f"{arguments} --json", message) for arguments, message in WRONG if arguments not in LEADS_TO_NO_COMMAND],
)
def test_wrong_input_is_one_line(clipbias, arguments, message):
    done = clipbias(arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert done.stderr.count(", got ") <= 1


def test_too_little_memory_is_one_line(clipbias, monkeypatch):
    monkeypatch.setattr("clipbias.theory.law.law", lambda *_, **__: np.empty(2**55))  # NumPy's own refusal
    done = clipbias(f"theory phase {PHASE}")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Error: memory must suffice for what was asked; fewer outcomes and phases, ")
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    "command",
    [
        "",
        *(f"theory {c}" for c in ("", "advantage", "drift", "phase", "evolve", "neutral")),
        "simulate",
        "simulate run",
    ],
)
def test_help_has_an_example_and_goes_to_stdout(clipbias, command):
    done = clipbias(f"{command} --help")
    assert (done.returncode, done.stderr) == (0, "")
    assert "Example: clipbias" in done.stdout


@pytest.mark.parametrize("command", ["advantage", "drift", "phase", "evolve", "neutral"])
def test_the_example_of_the_help_runs(clipbias, command):
    text = clipbias(f"theory {command} --help").stdout.split("Options:")[0]
    example = text.split("Example: clipbias ")[1].replace("\\\n", " ")
    done = clipbias(example)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


def test_start_up_imports_nothing_heavy():
    """Help needs neither NumPy nor torch nor any command, the closed forms no numba."""
    for arguments, absent in (
        (["--help"], {"numpy", "scipy", "numba", "torch", "rich", "clipbias.cli.options"}),
        (["theory", "neutral", "--clip-low", "0.2", "--ratio-std", "0.1", "--json"], {"numba", "torch", "rich"}),
    ):
        code = (
            "import sys; sys.argv = ['clipbias'] + sys.argv[1:]\n"
            "from clipbias.cli.main import main\n"
            "try: main()\nexcept SystemExit: pass\n"
            "print('LOADED', *sys.modules)"
        )
        done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=True)
        loaded = set(done.stdout.split("LOADED")[1].split())
        assert not absent & loaded


def test_every_command_of_the_list_is_there(clipbias):
    """The list is written without importing them."""
    lines = clipbias("--help").stdout.split("Commands:\n")[1].splitlines()
    assert len(lines) == 7
    for line in lines:
        assert len(line) <= 78
        done = clipbias(f"{line.split()[0]} --help")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.startswith(f"Usage: clipbias {line.split()[0]} ")


def test_help_is_quick(program):
    """0.15 s by design; twice that of processor time for the best of five runs, since the machine may be busy."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        program("--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert 0 < min(seconds) < 0.3


def test_a_table_shows_both_ends_of_what_has_many_entries() -> None:
    many = readable([float(i) for i in range(1000)])
    assert many.split("  ") == ["0", "1", "2", "3", "… 992 more …", "996", "997", "998", "999"]
    assert readable({"mean": [1.0] * 17, "stderr": [0.1] * 17}).count("±") == 8
    assert readable([0.5] * 16).count("0.5") == 16
