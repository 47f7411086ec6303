"""The points that a sweep file stands for, and the random numbers that each of them gets."""

import itertools
import tomllib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clipbias.common.errors import InputError
from clipbias.simulate.sweeps.design import read_design
from clipbias.simulate.sweeps.point import Point
from clipbias.theory.surrogate import Cispo, PpoClip
from clipbias.theory.update_rule import Adam, Sgd, UpdateRule

BASE = """
[base]
probs = [0.9, 0.1]
learning_rate = 1
group_size = 16
groups_per_minibatch = 4
minibatches = 8
success_prob = 0.5
"""
POINT = Point((0.9, 0.1), 1.0, 16, 4, 8, 0.2, 0.28, 0.5)


def points(design: str, base: str = BASE) -> list[Point]:
    return read_design(base + design)


def test_a_grid_is_the_product_of_its_axes_in_the_order_of_the_file() -> None:
    found = points('[grid]\nclip_low = [0.1, "none"]\nclip_high = { from = 0.2, to = 0.3, num = 3 }')
    assert [(p.clip_low, p.clip_high) for p in found] == [
        (low, high) for low in (0.1, None) for high in (0.2, 0.25, 0.3)
    ]
    assert {replace(p, clip_low=0.2, clip_high=0.28) for p in found} == {POINT}


def test_ranges_of_every_kind() -> None:
    found = points(
        "[grid]\nprobs = { from = 0.1, to = 0.3, num = 3 }\ngroup_size = { from = 4, to = 64, num = 3, scale = 'log' }",
        BASE.replace("probs = [0.9, 0.1]", "clip_low = 0.2\nclip_high = 0.2").replace("group_size = 16", ""),
    )
    assert sorted({p.probs for p in found}) == [(0.1, 0.9), (0.2, 0.8), (0.3, 0.7)]
    assert sorted({p.group_size for p in found}) == [4, 16, 64]


@given(low=st.floats(1e-3, 0.4), width=st.floats(1e-3, 0.5), count=st.integers(2, 30), log=st.booleans())
def test_a_range_reaches_both_ends_in_equal_steps(low: float, width: float, count: int, log: bool) -> None:
    scale = "log" if log else "linear"
    table = f"{{ from = {low!r}, to = {low + width!r}, num = {count}, scale = '{scale}' }}"
    values = [p.clip_low for p in points(f"[grid]\nclip_low = {table}\nclip_high = ['none']")]
    assert len(values) == count
    assert (values[0], values[-1]) == (pytest.approx(low), pytest.approx(low + width))
    steps = [b / a if log else b - a for a, b in itertools.pairwise(values)]
    assert steps == pytest.approx([steps[0]] * len(steps), rel=1e-6)


def test_a_value_in_a_range_is_the_one_in_a_list() -> None:
    """0.04 + 8·0.02 is not 0.2 in binary; a range that changes nothing must not change the random numbers."""
    ranged = points("[grid]\nclip_low = { from = 0.04, to = 0.5, num = 24 }\nclip_high = [0.28]")
    assert POINT in ranged


RANDOM = """
[random]
points = {points}
seed = {seed}
clip_low = {{ from = 0.1, to = 0.5 }}
clip_high = [0.2, 0.28, "none"]
learning_rate = {{ from = 0.01, to = 1.0, scale = "log" }}
minibatches = {{ from = 1, to = 4 }}
"""
FEWER = BASE.replace("learning_rate = 1", "").replace("minibatches = 8", "")


@given(st.integers(0, 2**40))
def test_random_points_are_in_their_ranges_and_a_longer_sweep_begins_with_a_shorter(seed: int) -> None:
    found = points(RANDOM.format(points=20, seed=seed), FEWER)
    assert found[:7] == points(RANDOM.format(points=7, seed=seed), FEWER)
    assert found[:7] != points(RANDOM.format(points=7, seed=seed + 1), FEWER)
    for p in found:
        assert p.clip_low is not None
        assert 0.1 <= p.clip_low <= 0.5
        assert p.clip_high in (0.2, 0.28, None)
        assert 0.01 <= p.learning_rate <= 1.0
        assert p.minibatches in (1, 2, 3, 4)


def test_random_points_follow_their_law() -> None:
    """Counts of 4,000 draws, each within 5 standard deviations."""
    found = points(RANDOM.format(points=4000, seed=0), FEWER)
    for share, hits in (
        *((1 / 4, sum(p.minibatches == m for p in found)) for m in (1, 2, 3, 4)),
        (1 / 2, sum(p.learning_rate < 0.1 for p in found)),
        (1 / 4, sum((p.clip_low or 0) < 0.2 for p in found)),
        (1 / 3, sum(p.clip_high is None for p in found)),
    ):
        assert abs(hits - 4000 * share) < 5 * (4000 * share * (1 - share)) ** 0.5


def test_the_order_of_a_file_and_its_other_points_change_no_seed() -> None:
    both = points("[grid]\nclip_low = [0.1, 0.2]\nclip_high = [0.28, 0.2]")
    turned = points("[grid]\nclip_high = [0.2, 0.28, 0.3]\nclip_low = [0.2, 0.1]")
    assert set(both) < set(turned)
    assert {p.stream for p in both} < {p.stream for p in turned}
    assert len({p.stream for p in turned}) == len(turned)
    lines = RANDOM.format(points=5, seed=1).strip().splitlines()
    assert points("\n".join([lines[0], *reversed(lines[1:])]), FEWER) == points("\n".join(lines), FEWER)


def test_what_a_seed_is_made_of() -> None:
    """A setting at its default is left out: settings that clipbias gets later must not change these numbers."""
    assert POINT.stream == 659379848253668255
    assert replace(POINT, phases=1, replicates=100_000).digest == POINT.digest
    changed = [
        replace(POINT, **change)
        for change in (
            {"seed": 1},
            {"clip_low": None},
            {"clip_high": 0.2},
            {"phases": 2},
            {"scale": "none"},
            {"probs": (0.1, 0.9)},
            {"replicates": 10},
            {"success_prob": (0.5, 0.5)},
            {"clip_low": None, "clip_high": None},
            {"clip_low": None, "clip_high": None, "surrogate": "probability"},
            {"optimizer": "adam"},
            {"max_grad_norm": 1.0},
            {"epochs": 2},
            {"split": True},
            {"whiten": True},
            {"kl_coefficient": 0.1},
        )
    ]
    assert len({p.stream for p in [POINT, *changed]}) == len(changed) + 1
    assert all(0 <= p.stream < 2**63 for p in changed)


def test_whatever_simulate_run_can_do_can_be_swept() -> None:
    found = points(
        "[grid]\nsurrogate = ['cispo:cap=1.28', 'ppo:low=0.2,high=none']\noptimizer = ['sgd:momentum=0.9', 'adam']\n"
        "epochs = { from = 1, to = 3, num = 3 }\nsplit = [true, false]",
        BASE.replace("= 0.5", "= [0.6, 0.3]") + "max_grad_norm = 1\nwhiten = true\nkl_coefficient = 0.01\n",
    )
    assert len(found) == 24
    first = found[0]
    assert first.surrogate == "cispo:cap=1.28"
    assert first.optimizer == "sgd:momentum=0.9"
    assert first.config().surrogate == Cispo(1.28)
    assert first.config().success_prob == (0.6, 0.3)
    assert found[-1].config().surrogate == PpoClip(0.2, None)
    assert first.training() == UpdateRule(
        optimizer=Sgd(0.9), max_grad_norm=1.0, split=True, whiten=True, kl_coefficient=0.01
    )
    assert found[-1].training() == UpdateRule(
        optimizer=Adam(), max_grad_norm=1.0, epochs=3, split=False, whiten=True, kl_coefficient=0.01
    )


def test_a_range_may_span_all_numbers() -> None:
    (low, middle, high) = points(GRID + "\nkl_coefficient = { from = 1e-300, to = 1e300, num = 3, scale = 'log' }")
    assert (low.kl_coefficient, high.kl_coefficient) == (1e-300, 1e300)
    assert middle.kl_coefficient == pytest.approx(1.0)


def test_one_setting_written_in_two_ways_has_one_stream() -> None:
    ways = ["ppo:low=0.2,high=none", "ppo:high=none,low=.20,dual=none"]
    one, other = (points(f"[grid]\nsurrogate = ['{way}']") for way in ways)
    assert one == other


def test_a_chance_for_each_outcome_is_one_at_every_point_or_at_none() -> None:
    with pytest.raises(InputError, match="success_prob must be a number at every point, or a list at every point"):
        points(GRID + "\nsuccess_prob = [0.5, [0.6, 0.3]]", BASE.replace("success_prob = 0.5", ""))


GRID = "[grid]\nclip_low = [0.2]\nclip_high = [0.2]"
WRONG = [
    ("[grid", "the sweep file must be valid TOML"),
    ("", "the sweep file must be one with either [grid] or [random], got 'neither'"),
    (
        f"{GRID}\n[random]\npoints = 1",
        "the sweep file must be one with either [grid] or [random], got 'grid and random'",
    ),
    ("[grid]", "grid must be a table with at least one setting to vary"),
    (f"{GRID}\n[rest]", "rest must be in a table, one of base, grid and random, got 'rest'"),
    (f"{GRID}\nclip_hihg = [1]", "grid.clip_hihg must be one of the known settings probs, learning_rate"),
    (f"{GRID}\nlearning_rate = [1]", "learning_rate must be in only one of [base] and [grid], got 'both'"),
    ("[grid]\nclip_low = [0.2]", "base.clip_high must be given"),
    ("[grid]\nclip_low = [0.2, 1.5]\nclip_high = [0.2]", "grid.clip_low must be in (0, 1] or none, got 1.5"),
    ("[grid]\nclip_low = [0.2]\nclip_high = [-1]", "grid.clip_high must be positive and finite, or none, got -1.0"),
    ("[grid]\nclip_low = [0.2]\nclip_high = ['off']", "grid.clip_high[0] must be a finite number or none, got 'off'"),
    ("[grid]\nclip_low = 0.2\nclip_high = [0.2]", "grid.clip_low must be a list, or a range with from and to, got 0.2"),
    (
        "[grid]\nclip_low = [0.2, 0.2]\nclip_high = [1]",
        "grid must be a design without repeated points, got '1 repeated'",
    ),
    (f"{GRID}\nscale = ['max']", "grid.scale[0] must be one of std, std-unbiased, none, got 'max'"),
    (f"{GRID}\nscale = {{ from = 1, to = 2, num = 2 }}", "grid.scale must be a list, got {"),
    (f"{GRID}\nphases = [1.5]", "grid.phases[0] must be a whole number, got 1.5"),
    (f"{GRID}\nphases = [true]", "grid.phases[0] must be a whole number, got True"),
    (f"{GRID}\nphases = [0]", "grid.phases must be in [1, 1000000], got 0"),
    (f"{GRID}\nreplicates = [1]", "grid.replicates must be in [2, 1000000000], got 1"),
    (f"{GRID}\nsplit = [1]", "grid.split[0] must be true or false, got 1"),
    (f"{GRID}\nsplit = {{ from = 1, to = 2, num = 2 }}", "grid.split must be a list, got {"),
    (f"{GRID}\noptimizer = ['rmsprop']", "grid.optimizer[0] must be one of sgd, adam (rmsprop"),
    (
        f"{GRID}\noptimizer = ['adam:beta1=2']",
        "grid.optimizer[0] must be one of sgd, adam (beta1 must",
    ),
    (f"{GRID}\nepochs = [0]", "grid.epochs must be in [1, 10000], got 0"),
    (f"{GRID}\nmax_grad_norm = [0]", "grid.max_grad_norm must be positive and finite, or none, got 0.0"),
    (
        f"{GRID}\noptimizer = ['sgd', 'sgd:momentum=0']",
        "grid must be a design without repeated points, got '1 repeated'",
    ),
    (f"{GRID}\noptimizer = ['adam:epsilon=1_5']", "(epsilon must be a number or none, got 1_5"),
    (f"{GRID}\nlearning_rate = [1{'0' * 400}]", "learning_rate must be in only one of"),
    (f"{GRID}\nkl_coefficient = [1{'0' * 400}]", "grid.kl_coefficient[0] must be a finite number, got 1000"),
    (f"{GRID}\nseed = [{10**30}]", "grid.seed must be in [0, 9223372036854775807]"),
    ("a = " + "[" * 5000, "the sweep file must be valid TOML"),
    (f"{GRID}\nsurrogate = ['cispo:cap=5']", "clip_low must be left out beside surrogate, got 'both'"),
    (
        "[grid]\nsurrogate = ['cispo:cap=0.5']",
        "grid.surrogate[0] must be one of ppo, cispo, sapo",
    ),
    ("[grid]\nsurrogate = [5]", "grid.surrogate[0] must be text, got 5"),
    (f"{GRID}\nseed = [-1]", "grid.seed must be in [0, 9223372036854775807], got -1"),
    (
        f"{GRID}\nphases = {{ from = 1, to = 9, num = 1 }}",
        "grid.phases.num must be a whole number in [2, 100000], got 1",
    ),
    (f"{GRID}\nphases = {{ from = 1, to = 2, num = 5 }}", "grid must be a design without repeated points"),
    (f"{GRID}\nphases = {{ from = 1, to = 9 }}", "grid.phases.num must be a whole number in [2, 100000], got None"),
    (f"{GRID}\nphases = {{ to = 9, num = 3 }}", "grid.phases must be a list, or a range of from, to, num and scale"),
    (f"{GRID}\nphases = {{ from = 1, to = 9, step = 3 }}", "grid.phases must be a list, or a range of from, to, num"),
    (f"{GRID}\nphases = {{ from = 1, to = 9.5, num = 3 }}", "grid.phases.to must be a whole number, got 9.5"),
    (f"{GRID}\nphases = {{ from = 9, to = 1, num = 3 }}", "grid.phases.to must be above from (9), got 1"),
    (f"{GRID}\nphases = {{ from = 0, to = 9, num = 3, scale = 'log' }}", "grid.phases.from must be positive on a log"),
    (f"{GRID}\nphases = {{ from = 1, to = 9, num = 3, scale = 'x' }}", "grid.phases.scale must be one of linear, log"),
    (
        "[grid]\nclip_low = { from = 0.1, to = 0.2, num = 1000 }\nclip_high = { from = 0.1, to = 0.2, num = 1000 }",
        "grid must be of at most 100000 points, got 1000000",
    ),
    ("[random]\npoints = 0\nseed = 0\nclip_low = [1]\nclip_high = [1]", "random.points must be a whole number in [1, "),
    (
        "[random]\npoints = 1\nclip_low = [1]\nclip_high = [1]",
        "random.seed must be a whole number, at least 0, got None",
    ),
    ("[random]\npoints = 9\nseed = 0\nclip_low = [1]\nclip_high = [1]", "random must be a design without repeated"),
]


@pytest.mark.parametrize(("design", "message"), WRONG)
def test_wrong_input_is_refused_with_the_field_and_its_range(design: str, message: str) -> None:
    with pytest.raises(InputError) as caught:
        points(design)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("probs = [0.9, 0.2]", "base.probs must be at least two numbers in (0, 1) that add to 1"),
        ("probs = 'a'", "base.probs must be a list of numbers, or of two outcomes the first one's, got 'a'"),
        ("probs = 1.5", "base.probs must be at least two numbers in (0, 1) that add to 1"),
        ("learning_rate = inf", "base.learning_rate must be a finite number, got inf"),
        ("learning_rate = -1", "base.learning_rate must be at least 0 and finite, got -1.0"),
        ("seed = 'x'", "base.seed must be a whole number, got 'x'"),
        ("group_size = 1", "base.group_size must be at least 2, got 1"),
        ("success_prob = 2", "base.success_prob must be in [0, 1], got 2.0"),
        ("success_prob = [0.5, 2]", "base.success_prob must be in [0, 1], got (0.5, 2.0)"),
        ("success_prob = [0.5, 0.4, 0.3]", "base.success_prob must be one number or as many as outcomes (2), got 3"),
        ("success_prob = ['a']", "base.success_prob must be a number, or a list of numbers, got ['a']"),
    ],
)
def test_wrong_settings_of_all_points(line: str, message: str) -> None:
    name = line.split(" ")[0]
    rest = {k: v for k, v in tomllib.loads(BASE)["base"].items() if k != name}
    with pytest.raises(InputError) as caught:
        read_design("\n".join(["[base]", *(f"{k} = {v}" for k, v in rest.items()), line, GRID]))
    assert message in str(caught.value)
