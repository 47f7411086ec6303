"""`clipbias simulate run` as a user runs it."""

import json

import pyarrow.compute as pc
import pyarrow.parquet as pq
import pytest

pytestmark = pytest.mark.statistical

FLAGS = (
    "--learning-rate 1 --group-size 16 --groups-per-minibatch 4 --minibatches 3 "
    "--clip-low 0.2 --clip-high 0.2 --success-prob 0.5"
)


def test_one_phase_has_the_keys_and_values_of_theory_phase(answer):
    found = answer(f"simulate run --probs 0.65,0.35 {FLAGS} --replicates 20000")
    expected = answer(f"theory phase --probs 0.65,0.35 {FLAGS}")
    assert set(found) == set(expected)
    for key, value in expected.items():
        if key == "method":
            continue
        means, errors, values = (
            part if isinstance(part, list) else [part] for part in (found[key]["mean"], found[key]["stderr"], value)
        )
        assert len(means) == len(errors) == len(values)
        for mean, error, entry in zip(means, errors, values, strict=True):
            assert abs(mean - entry) <= 4 * error + 1e-5, key


def test_many_phases_have_the_keys_of_theory_evolve(answer):
    found = answer(f"simulate run --probs 0.65,0.35 {FLAGS} --phases 3 --replicates 5000")
    expected = answer(f"theory evolve --probs 0.65,0.35 {FLAGS} --phases 3")
    assert set(found) == set(expected)
    for key in ("prob_quantiles", "prob_above"):
        assert set(found[key]) == set(expected[key])
        assert all(set(entry) == {"mean", "stderr"} for entry in found[key].values())
    assert len(found["prob_mean"]["mean"]) == 2


def test_more_outcomes_and_sides_off(answer):
    found = answer(f"simulate run --probs 0.5,0.3,0.2 {FLAGS} --clip-low none --replicates 2000")
    assert "log_odds_shift" not in found
    assert len(found["mean_logit_shift"]["stderr"]) == 3
    assert found["clip_low_fraction"]["mean"] == [0.0] * 3


def test_no_reward_at_all_is_a_number(answer):
    found = answer(f"simulate run --probs 0.5,0.5 {FLAGS} --success-prob 0 --replicates 100")
    assert found["prob_std"] == {"mean": [0.0, 0.0], "stderr": [0.0, 0.0]}


def test_a_seed_is_a_result(clipbias):
    run = f"simulate run --probs 0.65,0.35 {FLAGS} --replicates 3000 --json --seed"
    first, again, other = (clipbias(f"{run} {seed}").stdout for seed in (1, 1, 2))
    assert first == again
    assert first != other


def test_the_table_is_for_people(clipbias):
    done = clipbias(f"simulate run --probs 0.65,0.35 {FLAGS} --replicates 2000")
    assert (done.returncode, done.stderr) == (0, "")
    assert "log_odds_shift" in done.stdout
    assert "±" in done.stdout


def test_trajectories_are_the_policies_of_the_run(answer, clipbias, tmp_path):
    """Their means are the ones that are printed, and writing them changes no number."""
    run, file = f"simulate run --probs 0.5,0.3,0.2 {FLAGS} --phases 4 --replicates 3000", tmp_path / "paths.parquet"
    written = clipbias(f"{run} --trajectories {file} --json")
    assert (written.returncode, written.stderr) == (0, f"wrote {file}\n")
    found = json.loads(written.stdout)
    assert found == answer(run)
    paths = pq.read_table(file)
    assert paths.column_names == ["replicate", "phase", "p1", "p2", "p3"]
    assert paths.num_rows == 3000 * 5
    for phase, means in ((0, [0.5, 0.3, 0.2]), (4, found["prob_mean"]["mean"])):
        rows = paths.filter(pc.equal(paths["phase"], phase))
        assert rows["replicate"].to_pylist() == list(range(3000))
        assert [pc.mean(rows[f"p{a}"]).as_py() for a in (1, 2, 3)] == pytest.approx(means, rel=1e-12)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--seed -1", "--seed must be in [0, 9223372036854775807], got -1"),
        ("--replicates 1", "--replicates must be in [2, 1000000000], got 1"),
        ("--replicates many", "--replicates must be a whole number, in [2, 1000000000], got many"),
        ("--phases 0", "--phases must be in [1, 1000000], got 0"),
        ("--phases 1000000000000", "--phases must be in [1, 1000000], got 1000000000000"),
        (
            "--phases 9999 --trajectories x.parquet",
            "--trajectories must have at most 268435456 numbers, got 2000000000",
        ),
        ("--clip-high nan", "--clip-high must be positive and finite, or none, got nan"),
        ("--optimizer rmsprop", "--optimizer must be one of sgd, adam"),
        ("--epochs 0", "--epochs must be in [1, 10000], got 0"),
        ("--kl-coefficient -1", "--kl-coefficient must be at least 0 and finite, got -1.0"),
        ("--max-grad-norm 0", "--max-grad-norm must be positive and finite, or none, got 0.0"),
        ("--trajectories /tmp", "--trajectories must end in .parquet, got /tmp"),
        ("--trajectories x.csv", "--trajectories must end in .parquet, got x.csv"),
        ("--unheard-of 1", "No such option"),
    ],
)
def test_wrong_input_is_one_line(clipbias, change, message):
    done = clipbias(f"simulate run --probs 0.65,0.35 {FLAGS} {change} --json")
    assert (done.returncode, done.stdout) == (2, "")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_huge_steps_run_through_and_overflow_is_one_line(answer, clipbias):
    found = answer(f"simulate run --probs 0.65,0.35 {FLAGS} --learning-rate 200 --phases 5 --replicates 2000")
    assert found["prob_mean"]["stderr"][0] > 0
    for flags, words in (
        (
            "--clip-low none --clip-high none --learning-rate 1e99",
            "--learning-rate must keep logits finite, with all other settings",
        ),
        ("--group-size 999999999", "--group-size must be at most 1000000"),
    ):
        done = clipbias(f"simulate run --probs 0.65,0.35 {FLAGS} {flags} --replicates 2000")
        assert (done.returncode, done.stdout) == (2, "")
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
