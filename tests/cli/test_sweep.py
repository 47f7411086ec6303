"""`clipbias simulate sweep` and `simulate plot` as a user runs them, and as a user kills them."""

import importlib.util
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import matplotlib.image
import numpy as np
import pyarrow.dataset as ds
import pytest
from clock import timeless

from clipbias.cli.main import main

pytestmark = pytest.mark.statistical

PROGRAM = str(Path(sys.executable).with_name("clipbias"))
SWEEP = """
[base]
probs = [0.8, 0.2]
learning_rate = 1.5
group_size = 8
groups_per_minibatch = 1
minibatches = 4
success_prob = 0.5
phases = {phases}
replicates = {replicates}

[grid]
clip_low = {{ from = 0.1, to = 0.4, num = 4 }}
clip_high = [0.1, 0.2, 0.28, 0.4]
"""


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def started(*arguments: str) -> subprocess.Popen[str]:
    """As from a terminal: a shell that runs the tests in the background would have its children ignore Ctrl-C."""
    return subprocess.Popen(
        [PROGRAM, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def children(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def wait_until(condition, seconds: float = 30.0) -> None:
    began = time.monotonic()
    while not condition():
        assert time.monotonic() - began < seconds
        time.sleep(0.02)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An undisturbed sweep."""
    folder = tmp_path_factory.mktemp("sweep")
    (folder / "grid.toml").write_text(SWEEP.format(phases=40, replicates=4000))
    done = started("simulate", "sweep", str(folder / "grid.toml"), "--out", str(folder / "out"), "--json")
    out, err = done.communicate()
    assert (done.returncode, timeless(err)) == (0, "")
    assert out.count("\n") == 1
    found = json.loads(out)
    assert found == {
        "data": str(folder / "out" / "points.parquet"),
        "points": 16,
        "found": 0,
        "computed": 16,
        "damaged": 0,
    }
    return folder


def test_a_sweep_that_is_killed_and_run_again_is_the_undisturbed_one(finished: Path, tmp_path: Path) -> None:
    arguments = ("simulate", "sweep", str(finished / "grid.toml"), "--out", str(tmp_path / "out"), "--json")
    killed = started(*arguments, "--workers", "1")
    points = tmp_path / "out" / "points.parquet"
    wait_until(lambda: len(list(points.glob("*.parquet"))) >= 2)
    workers = children(killed.pid)
    killed.send_signal(signal.SIGKILL)
    killed.communicate()
    there = len(list(points.glob("*.parquet")))
    assert 2 <= there < 16
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 5.0)
    half = min(points.glob("*.parquet"))
    half.write_bytes(half.read_bytes()[:2000])
    again = started(*arguments)
    out, err = again.communicate()
    assert (again.returncode, timeless(err)) == (0, "")
    found = json.loads(out)
    assert (found["found"], found["computed"], found["damaged"]) == (there - 1, 17 - there, 1)
    assert contents(tmp_path / "out") == contents(finished / "out")


def test_a_point_can_be_had_from_simulate_run(finished: Path, answer) -> None:
    rows = ds.dataset(finished / "out" / "points.parquet").to_table().to_pylist()
    (row,) = (row for row in rows if (row["clip_low"], row["clip_high"]) == (0.2, 0.28))
    found = answer(
        "simulate run --probs 0.8,0.2 --learning-rate 1.5 --group-size 8 --groups-per-minibatch 1 --minibatches 4"
        " --success-prob 0.5 --phases 40 --replicates 4000 --clip-low 0.2 --clip-high 0.28"
        f" --seed {row['stream']}"
    )
    assert found["entropy_mean"] == {"mean": row["entropy_mean"], "stderr": row["entropy_mean_stderr"]}


def test_ctrl_c_stops_within_seconds(tmp_path: Path) -> None:
    grid = tmp_path / "grid.toml"
    grid.write_text(SWEEP.format(phases=10_000, replicates=10_000_000))
    running = started("simulate", "sweep", str(grid), "--out", str(tmp_path / "out"), "--workers", "1", "--json")
    wait_until(lambda: len(children(running.pid)) > 1)  # the worker, and what counts multiprocessing's resources
    workers = children(running.pid)
    began = time.monotonic()
    os.killpg(running.pid, signal.SIGINT)  # as a terminal does
    out, err = running.communicate(timeout=10)
    assert time.monotonic() - began < 5.0
    assert (running.returncode, out) == (130, "")
    assert timeless(err) == f"stopped; the same command goes on with what {tmp_path / 'out'} has\n"
    wait_until(lambda: not any(Path(f"/proc/{worker}").exists() for worker in workers), 5.0)


@pytest.fixture
def quickly(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]):
    """The command in this process: its exit status and what it wrote."""

    def run(arguments: str) -> tuple[int | str | None, str, str]:
        monkeypatch.setattr(sys, "argv", ["clipbias", *arguments.split()])
        with pytest.raises(SystemExit) as ended:
            main()
        return (ended.value.code, *capsys.readouterr())

    return run


PLOTS = {
    "column": "--x clip_low --y clip_high --where clip_low=0.1 --value entropy_shift --hatch entropy_mean<0.3",
    "map": "--x clip_low --y clip_high --value entropy_shift --hatch entropy_mean<0.3 --ratio-std 0.1",
    "map-rest": "--x clip_low --y clip_high --value entropy_shift --ratio-std 0.1 --rest-std 0.05",
    "map-unsigned": "--x clip_high --y clip_low --value prob_mean:1",
    "curves": "--x clip_low --by clip_high --value entropy_shift",
    "curve": "--x clip_low --where clip_high=0.28 --value clip_high_fraction:4",
}


@pytest.mark.parametrize("name", PLOTS)
def test_plots(name: str, finished: Path, quickly, tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    status, out, err = quickly(f"simulate plot {finished / 'out'} {PLOTS[name]} --out {path} --json")
    assert (status, timeless(err)) == (0, f"wrote {path}\n")
    assert out.count("\n") == 1
    found = json.loads(out)
    assert found["figure"] == str(path)
    assert found["points"] == (4 if name in ("curve", "column") else 16)
    image = matplotlib.image.imread(path)
    assert image.shape[0] > 400
    assert np.unique(image.reshape(-1, image.shape[2]), axis=0).shape[0] > 20
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]


def test_points_drawn_at_random_and_sides_that_are_off(clipbias, quickly, tmp_path: Path) -> None:
    text = SWEEP.format(phases=1, replicates=100).split("[grid]")[0]
    (tmp_path / "random.toml").write_text(
        text + '[random]\npoints = 12\nseed = 3\nclip_low = { from = 0.1, to = 0.4 }\nclip_high = [0.2, "none"]\n'
    )
    swept = clipbias(f"simulate sweep {tmp_path / 'random.toml'} --out {tmp_path / 'out'} --workers 1")
    assert (swept.returncode, timeless(swept.stderr)) == (0, "")
    assert "computed  12" in swept.stdout
    plot = f"simulate plot {tmp_path / 'out'} --x clip_low --value entropy_shift --out {tmp_path / 'f.svg'} --json"
    status, out, err = quickly(f"{plot} --y clip_high")
    assert status == 0
    assert err.startswith(f"left out: {12 - json.loads(out)['points']} points where a setting on an axis is none\n")
    for rest in ("--where clip_high=none", "--by clip_high"):
        assert quickly(f"{plot} {rest}")[0] == 0


WRONG = [
    ("sweep {grid} --out {out} --workers 0", "--workers must be at least 1, got 0"),
    ("sweep {grid} --out {out} --workers x", "--workers must be a whole number, at least 1, got x"),
    ("sweep {grid} --out {out} --executor slurm", "--executor must be one of local, ray, got slurm"),
    ("sweep {grid} --out {out} --address auto", "--address must be without a value, or --executor ray, got 'auto'"),
    ("sweep {grid}", "--out is required"),
    ("sweep {grid}.gone --out {out}", "GRID.toml"),
    ("sweep {wrong} --out {out}", "grid.clip_low must be in (0, 1] or none, got 1.36666666667"),
    ("sweep {binary} --out {out}", "binary.toml must be UTF-8 text"),
    ("sweep {grid} --out {grid}/out", "Not a directory"),
    ("plot {out} --x clip_low --value entropy_shift --out {png}", "--where must be given for what else varies"),
    ("plot {out} --x clip --value entropy_shift --out {png}", "--x must be one of probs, learning_rate"),
    ("plot {out} --x entropy_mean --value entropy_shift --out {png}", "--x must be one of probs, learning_rate"),
    ("plot {out} --x clip_low --y clip_high --value entropy --out {png}", "--value must be one of probs"),
    ("plot {out} --x clip_low --y clip_high --value prob_shift --out {png}", "--value must be one entry of the list"),
    ("plot {out} --x clip_low --by clip_high --y clip_high --value entropy_shift --out {png}", "--by must be without"),
    ("plot {out} --x clip_low --where clip_high:0.2 --value entropy_shift --out {png}", "--where must be a name, one"),
    ("plot {out} --x clip_low --where clip_high=0.3 --value entropy_shift --out {png}", "--where must be one of the"),
    ("plot {out} --x clip_low --y clip_high --hatch entropy_mean=1 --value entropy_shift --out {png}", "--hatch must"),
    ("plot {out} --x clip_low --hatch entropy_mean<1 --value entropy_shift --out {png}", "--hatch must be with --y"),
    (
        "plot {out} --x clip_low --y clip_high --ratio-std 30 --value entropy_shift --out {png}",
        "--ratio-std must be in [0, 10], with clip_low and clip_high, got 30",
    ),
    (
        "plot {out} --x clip_low --y clip_high --ratio-std 0.1 --rest-std 0.2 --value entropy_shift --out {png}",
        "--rest-std must be in [0, √2 ratio-std], with --ratio-std, got 0.2",
    ),
    (
        "plot {out} --x max_grad_norm --value entropy_shift --out {png}",
        "--x must be a setting that is a number somewhere",
    ),
    ("plot {out} --x clip_low --where split=no --value entropy_shift --out {png}", "split has, false"),
    (
        "plot {out} --x clip_low --where surrogate=ppo --value entropy_shift --out {png}",
        "surrogate has, none",
    ),
    ("plot {out} --x scale --value entropy_shift --out {png}", "--x must be a setting that is a number, got 'scale'"),
    ("plot {out} --x clip_low --by clip_high --value scale --out {png}", "--value must be a quantity, got 'scale'"),
    ("plot {out} --x clip_low --y clip_high --value entropy_shift --out x.gif", "--out must end in .png, .pdf, .svg"),
    (
        "plot {empty} --x clip_low --value entropy_shift --out {png}",
        "DIR must be the folder of a sweep with a finished",
    ),
]


@pytest.mark.parametrize(("arguments", "message"), WRONG)
def test_wrong_input_is_one_line(arguments: str, message: str, finished: Path, quickly, tmp_path: Path) -> None:
    (tmp_path / "wrong.toml").write_text((finished / "grid.toml").read_text().replace("to = 0.4", "to = 2"))
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe")
    (tmp_path / "empty").mkdir()
    before = contents(finished)
    status, out, err = quickly(
        "simulate "
        + arguments.format(
            grid=finished / "grid.toml",
            out=finished / "out",
            png=tmp_path / "f.png",
            wrong=tmp_path / "wrong.toml",
            binary=tmp_path / "binary.toml",
            empty=tmp_path / "empty",
        )
        + " --json"
    )
    assert (status, out) == (2, "")
    assert message in err
    assert timeless(err).count("\n") == 1
    assert contents(finished) == before


@pytest.mark.skipif(importlib.util.find_spec("ray") is not None, reason="Ray is installed here")
def test_without_ray_the_extra_is_named(finished: Path, clipbias, tmp_path: Path) -> None:
    done = clipbias(f"simulate sweep {finished / 'grid.toml'} --out {tmp_path / 'out'} --executor ray --json")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == "Error: --executor must be local unless Ray is installed: pip install 'clipbias[cluster]'\n"
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("command", ["sweep", "plot"])
def test_help_has_an_example(command: str, clipbias) -> None:
    done = clipbias(f"simulate {command} --help")
    assert (done.returncode, timeless(done.stderr)) == (0, "")
    assert "Example: clipbias simulate" in done.stdout
