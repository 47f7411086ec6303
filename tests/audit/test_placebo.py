"""A gain over a placebo: against the paired t interval by hand, on logs made by hand, and on trainings by TRL."""

import json
import math
from pathlib import Path

import numpy as np
import pytest

from clipbias.audit.audit import audit
from clipbias.validate.judge.statistics import interval

LOGS = Path(__file__).with_name("logs")
T_2 = 4.302652729911275  # 97.5 % quantile of Student's t with 2 degrees of freedom


def made(folder: Path, name: str, level: float) -> Path:
    path = folder / f"{name}.jsonl"
    rows = [{"step": i, "loss": 0.1, "rewards/right/mean": level, "reward": 1.0, "entropy": 1.0} for i in range(8)]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def compared(folder: Path, ours: list[float], theirs: list[float]) -> dict[str, object]:
    paths = [made(folder, f"real-{i}", level) for i, level in enumerate(ours)]
    placebos = [made(folder, f"coin-{i}", level) for i, level in enumerate(theirs)]
    found: dict[str, object] = audit(paths, placebos).to_json()["diagnosis"][0]
    return found


def test_paired_interval_by_hand(tmp_path: Path) -> None:
    found = compared(tmp_path, [0.6, 0.7, 0.8], [0.5, 0.5, 0.5])
    evidence = found["evidence"]
    assert isinstance(evidence, dict)
    half = T_2 * 0.1 / math.sqrt(3)
    assert evidence["difference"] == pytest.approx(0.2)
    assert evidence["high"] == pytest.approx(0.2 + half)
    assert found["code"] == "gain-unclear", "0.2 ± 0.248 holds 0"


def test_pairs_are_used(tmp_path: Path) -> None:
    """Seeds that differ much and gain alike: the paired interval excludes 0, that of unpaired runs would not."""
    ours, theirs = [0.21, 0.50, 0.83], [0.10, 0.40, 0.72]
    assert compared(tmp_path, ours, theirs)["code"] == "gain-over-placebo"
    spread = np.std(ours, ddof=1) / math.sqrt(3)
    assert T_2 * spread > 0.1


def test_a_placebo_that_is_better_is_said(tmp_path: Path) -> None:
    assert compared(tmp_path, [0.1, 0.2, 0.3], [0.5, 0.61, 0.7])["code"] == "loss-under-placebo"


def test_trainings_of_trl() -> None:
    """Answers that hold an "a" are paid in one arm, a coin in the other: over seeds, and over seeds and problems."""
    paths = {name: [LOGS / f"{name}-{seed}" for seed in range(3)] for name in ("real", "coin")}
    found = audit(paths["real"], paths["coin"]).to_json()["diagnosis"]
    gains = {f["evidence"]["measure"]: f for f in found if f["code"] == "gain-over-placebo"}
    assert gains.keys() == {"rewards/holds_a/mean", "holds_a of the answers"}
    assert all(gain["strength"] == "strong" and gain["evidence"]["n"] == 3 for gain in gains.values())
    assert 5 < gains["holds_a of the answers"]["evidence"]["problems"] <= 10


def test_one_seed_has_an_interval_over_its_problems_only() -> None:
    found = audit([LOGS / "real-0"], [LOGS / "coin-0"]).to_json()
    gain = found["diagnosis"][0]
    assert (gain["code"], gain["strength"]) == ("gain-over-placebo", "weak")
    assert "problems" in gain["evidence"]["over"]
    assert "what another seed would do" in {gap["what"] for gap in found["cannot_conclude"]}


def test_without_pairs_nothing_is_concluded(tmp_path: Path) -> None:
    found = audit([made(tmp_path, "real-1", 0.9)], [made(tmp_path, "coin-2", 0.1)]).to_json()
    assert not {f["code"] for f in found["diagnosis"]} & {"gain-over-placebo", "gain-unclear"}
    assert any("seed" in gap["why"] for gap in found["cannot_conclude"])


def test_the_reward_of_one_is_not_the_reward_of_the_other(tmp_path: Path) -> None:
    paths = []
    for name in ("real-1", "coin-1"):
        paths.append(tmp_path / f"{name}.jsonl")
        paths[-1].write_text(
            "".join(f'{{"step": {i}, "loss": 0.1, "reward": 0.{i}, "entropy": 1}}\n' for i in range(8))
        )
    found = audit(paths[:1], paths[1:]).to_json()
    assert any("measured in both" in gap["why"] for gap in found["cannot_conclude"])


@pytest.mark.parametrize(
    ("reward", "rest", "needs"),
    [
        ("reward", '"frac_reward_zero_std": 0.5', "reward_weights"),
        ("critic/score/mean", '"actor/pg_clipfrac": 0.01, "actor/ppo_kl": 0.0', "trainer.test_freq"),
        ("score", '"entropy": 1', "evaluation"),
    ],
)
def test_what_would_measure_is_said_in_the_logs_own_framework(
    tmp_path: Path, reward: str, rest: str, needs: str
) -> None:
    paths = [tmp_path / "real-1.jsonl", tmp_path / "coin-1.jsonl"]
    for path in paths:
        path.write_text("".join(f'{{"step": {i}, "{reward}": 0.{i}, {rest}}}\n' for i in range(8)))
    found = audit(paths[:1], paths[1:]).to_json()
    (gap,) = (gap for gap in found["cannot_conclude"] if "measured in both" in gap["why"])
    assert needs in gap["switch_on"]
    assert ("TRL" in gap["switch_on"]) is False


@pytest.mark.parametrize(
    ("framework", "series", "needs"),
    [
        ("trl", "sampling/importance_sampling_ratio", "log_completions"),
        ("verl", "rollout_corr/rollout_is", "trainer.rollout_data_dir"),
    ],
)
def test_which_answers_were_dropped_is_told_by_other_things_in_verl(
    tmp_path: Path, framework: str, series: str, needs: str
) -> None:
    rest = {"trl": '"frac_reward_zero_std": 0.5', "verl": '"actor/ppo_kl": 0.1'}[framework]
    path = tmp_path / "log.jsonl"
    path.write_text(
        "".join(
            f'{{"step": {i}, "{series}{"/" if framework == "trl" else "_"}mean": 0.2,'
            f' "{series}{"/" if framework == "trl" else "_"}min": 0.0, {rest}}}\n'
            for i in range(8)
        )
    )
    (gap,) = (gap for gap in audit([path]).to_json()["cannot_conclude"] if "dropped" in gap["what"])
    assert needs in gap["switch_on"]


def test_the_interval_is_the_projects_own() -> None:
    assert interval(np.asarray([0.1, 0.2, 0.3])).high == pytest.approx(0.2 + T_2 * 0.1 / math.sqrt(3))


def chart(folder: Path, name: str, columns: dict[str, list[float]]) -> Path:
    """As W&B exports it: a column for each run."""
    rows = [",".join(map(str, (i, *values))) for i, values in enumerate(zip(*columns.values(), strict=True))]
    names = ",".join(["Step", *(f"{run} - rewards/right/mean" for run in columns)])
    (folder / name).write_text("\n".join([names, *rows]) + "\n")
    return folder / name


def runs(name: str, level: float, apart: float = 0.01) -> dict[str, list[float]]:
    return {f"{name}-{seed}": [level + apart * seed + 0.02 * i for i in range(8)] for seed in range(3)}


@pytest.mark.parametrize(("real", "coin"), [("real2.csv", "coin2.csv"), ("real_v1.csv", "coin_v2.csv")])
def test_a_columns_seed_goes_before_its_files_number(real: str, coin: str, tmp_path: Path) -> None:
    paths = chart(tmp_path, real, runs("real", 0.5)), chart(tmp_path, coin, runs("coin", 0.2, apart=0.02))
    found = audit([paths[0]], [paths[1]]).to_json()["diagnosis"][0]
    assert (found["code"], found["evidence"]["n"]) == ("gain-over-placebo", 3)


def test_files_tell_seeds_apart_where_columns_do_not(tmp_path: Path) -> None:
    sides = []
    for name, level in (("real", 0.5), ("coin", 0.2)):
        columns = runs(name, level, apart=level / 20).values()
        sides.append([chart(tmp_path, f"{name}-{i}.csv", {"grpo2": values}) for i, values in enumerate(columns)])
    assert audit(sides[0], sides[1]).to_json()["diagnosis"][0]["evidence"]["n"] == 3


def test_runs_that_are_the_same_count_once(tmp_path: Path) -> None:
    """Three copies have no interval; two copies and one other have that of two seeds; a copied placebo is no seed."""
    real, coin = runs("real", 0.5), runs("coin", 0.2, apart=0.02)
    copies = dict.fromkeys(real, real["real-0"]), dict.fromkeys(coin, coin["coin-0"])
    found = audit([chart(tmp_path, "real.csv", copies[0])], [chart(tmp_path, "coin.csv", copies[1])]).to_json()
    assert found["diagnosis"][0]["evidence"] == {"pairs": 3, "distinct": 1}
    assert not any(f["code"].startswith(("gain", "loss")) for f in found["diagnosis"])
    assert "one pair of runs has no error" in {gap["why"] for gap in found["cannot_conclude"]}

    two = real | {"real-1": real["real-0"]}, coin | {"coin-1": coin["coin-0"]}
    found = audit([chart(tmp_path, "real.csv", two[0])], [chart(tmp_path, "coin.csv", two[1])]).to_json()
    assert found["diagnosis"][1]["evidence"]["n"] == 2

    found = audit([chart(tmp_path, "real.csv", real)], [chart(tmp_path, "coin.csv", copies[1])]).to_json()
    assert found["diagnosis"][0]["evidence"] == {"pairs": 3, "distinct": 1}


def test_a_score_that_stays_0_is_no_copy(tmp_path: Path) -> None:
    never = {f"coin-{seed}": [0.0] * 8 for seed in range(3)}
    found = audit([chart(tmp_path, "real.csv", runs("real", 0.5))], [chart(tmp_path, "coin.csv", never)]).to_json()
    assert found["diagnosis"][0]["evidence"]["n"] == 3
