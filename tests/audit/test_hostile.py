"""What is no log is refused in one line; what is large or made to hurt takes bounded time and memory."""

import base64
import json
import os
import re
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from clipbias.audit.audit import audit
from clipbias.audit.page import page
from clipbias.common.errors import InputError

LOGS = Path(__file__).with_name("logs")
LINE = '{"step": %d, "loss": 0.1, "entropy": 1.0, "clip_ratio/low_mean": 0.001, "clip_ratio/high_mean": 0.0}\n'
GARBAGE = {
    "empty.json": b"",
    "blank.txt": b" \n\n \n",
    "picture.json": b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" * 20,
    "noise.txt": bytes(range(1, 256)) * 40,
    "words.txt": b"It was a bright cold day in April.\n" * 50,
    "number.json": b"17",
    "list.json": b"[1, 2, 3]",
    "half.json": b'{"log_history": [{"step": 1, "loss": 0.1',
    "deep.json": b"[" * 100_000,
    "deep.txt": b"{'a': " * 8_000 + b"1" + b"}" * 8_000,
    "digits.json": b'{"loss": ' + b"1" * 100_000 + b"}",
    "code.txt": b"{'loss': __import__('os').getpid()}\n",
    "table.csv": b"name,colour\nJohn,red\n",
    "half.parquet": b"PAR1" + b"\0" * 100,
    "events.out.tfevents.0": b"\xff" * 100,
    "events.out.tfevents.empty": b"",
    "run.wandb": b":W&B\0\0\0" + b"\xff" * 5_000,
    "slow-names.txt": b"a" * 190_000,
    "slow-numbers.txt": b"a:" + b"1" * 40_000 + b"x b:" + b"1" * 9_000 + b"y",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_what_is_no_log_is_refused(name: str, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(GARBAGE[name])
    begun = time.process_time()
    with pytest.raises(InputError) as refused:
        audit([tmp_path / name])
    assert time.process_time() - begun < 3
    assert name in str(refused.value)
    assert "\n" not in str(refused.value)


def test_the_command_says_it_in_one_line(clipbias: Callable[[str], CompletedProcess[str]], tmp_path: Path) -> None:
    (tmp_path / "words.txt").write_text("no log\n")
    done = clipbias(f"audit {tmp_path / 'words.txt'}")
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ("audit nowhere.json", "nowhere.json"),
        ("audit", "PATH"),
        (f"audit {LOGS}/inert --out page.txt", "--out"),
        (f"audit {LOGS}/inert --framework none", "--framework"),
        (f"audit {LOGS}/inert --watch", "PATH"),
    ],
)
def test_wrong_input_is_named(arguments: str, named: str, clipbias: Callable[[str], CompletedProcess[str]]) -> None:
    done = clipbias(arguments)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert named in done.stderr


def test_folders_and_pipes_that_hold_nothing(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="folder with a log"):
        audit([tmp_path])
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match="something else"):
        audit([tmp_path / "pipe"])


def test_a_gigabyte_in_bounded_memory(tmp_path: Path) -> None:
    """Its head and its tail are read, and it is said that the middle was not; 700 MB would include the imports."""
    path = tmp_path / "large.jsonl"
    with path.open("wb") as file:
        file.write(b"".join(LINE.encode() % i for i in range(2_000)))
        file.seek(1_000_000_000)
        file.write(b"\n" + b"".join(LINE.encode() % i for i in range(500_000, 502_000)))
    code = f"""
import json
from pathlib import Path
from clipbias.audit.audit import audit
found = audit([Path({str(path)!r})])
status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
peak = int(status["VmHWM"].split()[0])  # getrusage would count what the process that started this one held
print(json.dumps([len(found.logs[0].steps), found.logs[0].left_out, peak]))
"""
    begun = resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    rows, left_out, kilobytes = json.loads(done.stdout)
    assert rows == 4_000
    assert left_out > 900_000_000
    assert kilobytes < 700_000
    assert resource.getrusage(resource.RUSAGE_CHILDREN).ru_utime - begun < 20


def test_a_wide_line_is_cut(tmp_path: Path) -> None:
    wide = {f"x{i}": 1.0 for i in range(6_000)} | {"loss": 0.1}
    (tmp_path / "wide.json").write_text(json.dumps([{"loss": 0.1, "entropy": 1.0} | wide]))
    assert len(audit([tmp_path / "wide.json"]).logs[0].series) <= 3_001


def test_numbers_that_overflow_are_infinite(tmp_path: Path) -> None:
    lines = [
        '{"loss": 1e308, "grad_norm": 1e300, "entropy": 0.5}',
        '{"loss": -1e308, "grad_norm": 1e9999, "entropy": 0.4}',
    ]
    (tmp_path / "a.jsonl").write_text("\n".join(lines * 10))
    found = audit([tmp_path / "a.jsonl"])
    assert found.diagnosis.findings[0].code == "numerical-fault"
    json.dumps(found.to_json(), allow_nan=False)
    assert "<svg" not in page(found)


EVIL = "<script>alert(1)</script>"


def test_text_from_a_log_is_escaped(tmp_path: Path) -> None:
    """Names of series, arms and files go into the page as text, in its figures too, and turn no reading direction."""
    names = {f"entropy/{EVIL}": 1.0, "reward/{{ 7 * 7 }}/mean": 0.5, r"grad_norm$\frac{1": 2.0, "clip_frac\u202e": 0.1}
    rows = [names | {"arm": f"{EVIL}{i % 2}", "loss": 0.1 * i} for i in range(8)]
    path = tmp_path / "<img src=x onerror=alert(1)>.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    text = page(audit([path]))
    assert EVIL not in text
    assert "<img src=x" not in text
    assert "\u202e" not in text
    assert "49" not in re.findall(r"reward/(.*?)/mean", text)
    images = re.findall(r"data:image/svg\+xml;base64,([A-Za-z0-9+/=]+)", text)
    assert images
    assert all(b"<script" not in base64.b64decode(image) for image in images)
    assert not re.search(r"(?:src|href)=\"(?!data:)", text), "nothing is loaded"


def test_the_page_is_whole_and_the_same_twice() -> None:
    found = audit([LOGS / "real-0"], [LOGS / "coin-0"])
    text = page(found)
    assert text.startswith("<!doctype html>")
    assert text.rstrip().endswith("</html>")
    assert "default-src 'none'" in text
    assert text.count("data:image/svg+xml") == 5
