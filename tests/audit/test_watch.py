"""Following a file that another thread writes: what is new is said once, whatever state the file is in."""

import json
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

from clipbias.audit.watch import watch

SOUND = {"loss": 0.1, "grad_norm": 1.0, "reward": 0.5, "entropy": 1.0, "completions/mean_length": 5.0}
CLIP = {"clip_ratio/low_mean": 0.0, "clip_ratio/high_mean": 0.0}


def test_new_findings_are_told_once(tmp_path: Path) -> None:
    path = tmp_path / "growing.jsonl"
    path.write_text("")
    parts = [
        "starting\n",
        "".join(json.dumps({"step": i} | SOUND | CLIP) + "\n" for i in range(1, 7)),
        json.dumps({"step": 7} | SOUND | CLIP)[:40],  # half a line
        "".join("\n" + json.dumps({"step": i} | SOUND | CLIP | {"grad_norm": float("nan")}) for i in range(8, 10))
        + "\n",
    ]
    done = threading.Event()

    def grow() -> None:
        for part in parts:
            with path.open("a") as file:
                file.write(part)
            time.sleep(0.3)
        time.sleep(0.5)
        done.set()

    writer = threading.Thread(target=grow)
    writer.start()
    told = [finding.code for finding, _ in watch(path, None, lambda: not done.is_set(), poll=0.02)]
    writer.join()
    assert told.count("clip-never-by-construction") == 1
    assert told.index("numerical-fault") > told.index("clip-never-by-construction")
    assert len(told) == len(set(told))


def test_the_command_follows_and_ends_politely(tmp_path: Path) -> None:
    """Lines come as the file grows; Ctrl-C ends it with status 0."""
    path = tmp_path / "growing.jsonl"
    path.write_text("".join(json.dumps({"step": i} | SOUND | CLIP) + "\n" for i in range(1, 7)))
    program = [str(Path(sys.executable).with_name("clipbias")), "audit", str(path), "--watch", "--json"]
    with subprocess.Popen(
        program,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # started in the background, a process would inherit that Ctrl-C is ignored
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stderr is not None
            first = json.loads(process.stdout.readline())
            assert (first["code"], first["step"]) == ("clip-never-by-construction", 6)
            with path.open("a") as file:
                file.write(json.dumps({"step": 7} | SOUND | CLIP | {"grad_norm": float("nan")}) + "\n")
            while json.loads(process.stdout.readline())["code"] != "numerical-fault":
                pass
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=60) == 0
            assert "no longer followed" in process.stderr.read()
        finally:
            process.kill()  # a test that failed must not wait for it
