"""Every form of a log: what real writers wrote (logs/, by `make_logs.py` and tensorboard), and each console's lines."""

import csv
import io
import json
import struct
from pathlib import Path

import numpy as np
import pandas
import pytest

from clipbias.audit.audit import audit
from clipbias.audit.log import Log, Role
from clipbias.audit.read.read import read_path
from clipbias.common.errors import InputError

LOGS = Path(__file__).with_name("logs")


def one(path: Path, framework: str | None = None) -> Log:
    (log,) = read_path(path, framework)
    return log


def write(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_what_was_printed_is_what_was_saved() -> None:
    """TRL prints four digits of what it saves."""
    saved, printed = (one(LOGS / "real-0" / name) for name in ("trainer_state.json", "printed.txt"))
    for role in (Role.ENTROPY, Role.CLIP_HIGH, Role.REWARD, Role.GRAD):
        a, b = saved.of(role), printed.of(role)
        assert a is not None
        assert b is not None
        assert a.values == pytest.approx(b.values, rel=1e-3, abs=1e-12)
        assert a.rows.tolist() == b.rows.tolist()


def test_events_of_torchs_writer_are_what_was_saved() -> None:
    saved = one(LOGS / "high-only" / "trainer_state.json")
    events = one(LOGS / "high-only" / "events.out.tfevents.1.trl")
    assert events.framework == "trl"
    for role in (Role.ENTROPY, Role.CLIP_HIGH, Role.REWARD):
        a, b = saved.of(role), events.of(role)
        assert a is not None
        assert b is not None
        assert a.values == pytest.approx(b.values, rel=1e-6)
        assert saved.steps[a.rows].tolist() == events.steps[b.rows].tolist()
    assert audit([LOGS / "high-only" / "events.out.tfevents.1.trl"]).diagnosis.steps_per_rollout == 4


def test_events_that_hold_tensors() -> None:
    """As TensorFlow's writers store scalars: a float32 and a float64 of one entry; the text among them is no number."""
    log = one(LOGS / "events.out.tfevents.2.tensors")
    entropy, clip = log.of(Role.ENTROPY), log.of(Role.CLIP)
    assert entropy is not None
    assert clip is not None
    assert entropy.values == pytest.approx(0.5 - 0.02 * np.arange(12), rel=1e-6)
    assert clip.values == pytest.approx(0.001 * np.arange(12))
    assert "text" not in log.series


def test_torn_events_end_where_they_are_torn(tmp_path: Path) -> None:
    whole = (LOGS / "high-only" / "events.out.tfevents.1.trl").read_bytes()
    (tmp_path / "events.out.tfevents.torn").write_bytes(whole[: len(whole) // 2])
    log = one(tmp_path / "events.out.tfevents.torn")
    assert 10 < len(log.steps) < 40


def test_trls_folder_has_its_completions_beside_the_state() -> None:
    log = one(LOGS / "real-0")
    assert log.answers is not None
    assert set(log.answers.scores) == {"holds_a", "coin"}
    assert len(log.answers.problems) == 4 * 32
    assert log.of(Role.ENTROPY) is not None


def test_verls_console(tmp_path: Path) -> None:
    line = (
        "\x1b[36m(TaskRunner pid=17)\x1b[0m step:{} - actor/entropy:{} - actor/pg_clipfrac:0.00012 - "
        "actor/ppo_kl:-3.1e-05 - critic/rewards/mean:0.5 - response_length/clip_ratio:0.01 - perf/throughput:1234.5\n"
    )
    text = "INFO 2026-01-01 12:00:00 starting: workers=8 port:1234\n"
    text += "".join(line.format(i, 0.5 - i / 100) for i in range(9))
    log = one(write(tmp_path, "run.log", text))
    assert (log.framework, log.decimals, log.steps.tolist()) == ("verl", None, list(map(float, range(9))))
    truncated, clip = log.of(Role.TRUNCATED), log.of(Role.CLIP)
    assert truncated is not None
    assert clip is not None
    assert (truncated.mean, clip.mean) == pytest.approx((0.01, 0.00012))


def test_a_progress_bars_end(tmp_path: Path) -> None:
    bar = "Train epoch [1/1]: 100%|███| 8/8 [00:10<00:00, act_loss=0.0123, reward=0.{}, kl=0.001, act_lr=1e-6]\r"
    log = one(write(tmp_path, "out.txt", "".join(bar.format(i) for i in range(3))))
    assert log.framework == "openrlhf"
    reward = log.of(Role.REWARD)
    assert reward is not None
    assert reward.values.tolist() == [0.0, 0.1, 0.2]
    gaps = {gap["what"]: gap["switch_on"] for gap in audit([tmp_path / "out.txt"]).to_json()["cannot_conclude"]}
    assert "ppo_clip_ratio" in gaps["whether the clip acted"]
    assert "entropy_coef=0" in gaps["whether entropy fell"]


def test_columns_as_pandas_writes_them(tmp_path: Path) -> None:
    table = pandas.DataFrame(
        {"step": [1, 2, 3], "actor/ppo_kl": [0.1, np.nan, 0.3], "actor/pg_clipfrac": [0.0, 0.1, 0.2]}
    )
    paths = [tmp_path / name for name in ("a.csv", "columns.json", "records.json", "lines.jsonl")]
    table.to_csv(paths[0], index=False)
    table.to_json(paths[1])
    table.to_json(paths[2], orient="records")
    table.to_json(paths[3], orient="records", lines=True)
    for path in paths:
        log = one(path)
        moved = log.of(Role.KL_OLD)
        assert moved is not None
        assert (moved.values.tolist(), moved.rows.tolist()) == ([0.1, 0.3], [0, 2]), "what was not logged is no fault"
        assert log.steps.tolist() == [1, 2, 3]


def test_charts_exported_from_wandb(tmp_path: Path) -> None:
    """A column for each run, and its least and largest value."""
    buffer = io.StringIO()
    names = [
        "real-1 - train/entropy",
        "real-1 - train/entropy__MIN",
        "real-1 - train/entropy__MAX",
        "coin-1 - train/entropy",
    ]
    rows = csv.writer(buffer)
    rows.writerow(["Step", *names])
    for i in range(6):
        rows.writerow([i, 2 - i / 10, 9, 9, "" if i == 3 else 2])
    logs = read_path(write(tmp_path, "wandb_export.csv", buffer.getvalue()), "trl")
    assert [log.name for log in logs] == ["wandb_export.csv: real-1", "wandb_export.csv: coin-1"]
    entropy = [log.of(Role.ENTROPY) for log in logs]
    assert [series.values.size for series in entropy if series] == [6, 5]
    assert entropy[0] is not None
    assert entropy[0].mean == pytest.approx(1.75)


def varint(value: int) -> bytes:
    low, rest = value & 0x7F, value >> 7
    return bytes([low | 0x80]) + varint(rest) if rest else bytes([low])


def field(number: int, data: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(data)) + data


def test_an_offline_run_whose_record_spans_blocks(tmp_path: Path) -> None:
    """Written here by the format's description: a long record in three pieces, and two whole ones."""

    def history(values: dict[str, object]) -> bytes:
        items = [field(1, field(2, k.encode()) + field(16, json.dumps(v).encode())) for k, v in values.items()]
        return field(2, b"".join(items))

    records = [
        history({"_step": 0, "train/entropy": 1.5, "table": "x" * 40_000}),
        history({"_step": 1, "train/entropy": 1.25, "train/grad_norm": "NaN"}),
    ]
    data = b":W&B" + b"\0\0\0"
    for record in records:
        begun = False
        while record:
            room = 32_768 - len(data) % 32_768 - 7
            piece, record = record[:room], record[room:]
            kind = (4 if begun else 1) if not record else 3 if begun else 2
            data += struct.pack("<IHB", 0, len(piece), kind) + piece
            begun = True
    (tmp_path / "run-abc.wandb").write_bytes(data)
    log = one(tmp_path / "run-abc.wandb", "trl")
    entropy = log.of(Role.ENTROPY)
    assert entropy is not None
    assert entropy.values.tolist() == [1.5, 1.25]
    assert log.steps.tolist() == [0, 1]


def test_nan_in_a_printed_dictionary(tmp_path: Path) -> None:
    lines = "{'loss': 0.1, 'grad_norm': nan, 'reward': 0.5, 'completions/mean_length': 3.0}\n{'loss': nan}\n"
    found = audit([write(tmp_path, "out.txt", lines)]).to_json()
    assert found["diagnosis"][0]["code"] == "numerical-fault"


def test_the_framework_can_be_said(tmp_path: Path) -> None:
    path = write(tmp_path, "a.jsonl", '{"step": 1, "entropy": 1.0}\n{"step": 2, "entropy": 0.9}\n')
    assert audit([path]).framework.name == "other"
    assert audit([path], framework="ms-swift").framework.name == "ms-swift"


def test_lines_of_verls_file_logger(tmp_path: Path) -> None:
    """`FileLogger.log` writes {"step": …, "data": {…}}."""
    lines = [{"step": i, "data": {"actor/entropy": 0.5, "actor/pg_clipfrac": 0.01}} for i in range(1, 5)]
    log = one(write(tmp_path, "log.jsonl", "\n".join(map(json.dumps, lines))))
    assert (log.framework, log.steps.tolist()) == ("verl", [1, 2, 3, 4])
    assert log.of(Role.CLIP) is not None


def test_a_share_that_rounding_can_make_tells_nothing_of_the_clip(tmp_path: Path) -> None:
    """Unless no second pass is taken, as by TRL without vLLM."""
    for share, told in ((1e-5, None), (0.01, True)):
        lines = [{"step": i, "actor/pg_clipfrac": share, "actor/entropy": 0.5} for i in range(1, 5)]
        path = write(tmp_path, "log.jsonl", "\n".join(map(json.dumps, lines)))
        assert audit([path]).diagnosis.clip_can_act is told
    lines = [{"step": i, "clip_ratio/high_mean": 1e-5, "clip_ratio/low_mean": 0.0} for i in range(1, 5)]
    path = write(tmp_path, "log.jsonl", "\n".join(map(json.dumps, lines)))
    assert audit([path], framework="trl").diagnosis.clip_can_act is True


def test_ratios_of_1_tell_no_steps_where_nothing_was_learned(tmp_path: Path) -> None:
    for most, steps in ((0.0, None), (1.5, 1)):
        kept = {"actor/ppo_kl": 0.0, "actor/pg_clipfrac": 0.0, "actor/entropy": 0.51234}
        gone = {"critic/advantages/max": most, "critic/advantages/min": -most, "actor/grad_norm": most}
        lines = [{"step": i} | kept | gone for i in range(1, 7)]
        path = write(tmp_path, "log.jsonl", "\n".join(map(json.dumps, lines)))
        assert audit([path]).diagnosis.steps_per_rollout == steps


def test_an_entropy_without_a_number_is_in_the_log(tmp_path: Path) -> None:
    lines = [f"{{'loss': 0.1, 'entropy': nan, 'reward': 0.{i}, 'completions/mean_length': 3.0}}" for i in range(1, 9)]
    found = audit([write(tmp_path, "out.txt", "\n".join(lines))]).to_json()
    assert "numerical-fault" in {finding["code"] for finding in found["diagnosis"]}
    assert "entropy is not in the log" not in {gap["why"] for gap in found["cannot_conclude"]}


def test_another_frameworks_keys_are_not_trls(tmp_path: Path) -> None:
    lines = [{"step": i, "actor/pg_clipfrac": 0.1, "actor/entropy": 0.5} for i in range(1, 5)]
    path = write(tmp_path, "log.jsonl", "\n".join(map(json.dumps, lines)))
    for framework, said in (("verl", False), ("trl", True)):
        gaps = audit([path], framework=framework).to_json()["cannot_conclude"]
        assert any("epsilon" in gap["switch_on"] for gap in gaps) is said


def test_a_wandb_file_of_another_form_is_said(tmp_path: Path) -> None:
    (tmp_path / "x.wandb").write_bytes(b"\0garbage" * 20)
    with pytest.raises(InputError, match=r"in W&B's form"):
        read_path(tmp_path / "x.wandb")
