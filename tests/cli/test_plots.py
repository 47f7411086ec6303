"""`--plot` of every theory command: a picture beside the answer, written whole or not at all."""

import errno
import json
import os
from pathlib import Path

import matplotlib.image
import numpy as np
import pytest
from click.testing import CliRunner

from clipbias.cli.theory import theory

SHAPE = "--learning-rate 1 --group-size 8 --groups-per-minibatch 4 --minibatches 3 --clip-low 0.2 --clip-high 0.28"
SMALL = "--learning-rate 1 --group-size 8 --groups-per-minibatch 4 --minibatches 2"
COMMANDS = {
    "drift": "theory drift --old-probs 0.65,0.35 --probs 0.8,0.2 --clip-low 0.2 --clip-high 0.2 --group-size 8"
    " --success-prob 0.5",
    "drift-one-side": "theory drift --old-probs 0.65,0.35 --probs 0.8,0.2 --clip-low 0.2 --clip-high none"
    " --group-size 8 --success-prob 0.5",
    "phase": f"theory phase --probs 0.8,0.2 {SHAPE} --success-prob 0.5",
    "drift-of-dppo": "theory drift --old-probs 0.65,0.35 --probs 0.8,0.2 --surrogate dppo:low=0.1,high=0.2"
    " --group-size 8 --success-prob 0.5",
    "phase-of-three": f"theory phase --probs 0.5,0.3,0.2 {SHAPE.replace('1', '0.1', 1)} --success-prob 0.5",
    "evolve": f"theory evolve --probs 0.65,0.35 {SHAPE} --success-prob 0.5 --phases 5",
    "neutral": "theory neutral --clip-low 0.2 --ratio-std 0.1",
    "neutral-of-a-small-set-up": f"theory neutral --probs 0.05,0.95 --clip-low 0.2 {SMALL} --success-prob 0.5"
    " --method gaussian",
    "neutral-of-a-set-up": "theory neutral --clip-low 0.2 --probs 0.05,0.95 --learning-rate 1 --group-size 16"
    " --groups-per-minibatch 16 --minibatches 8 --success-prob 0.5 --method gaussian",
    "reward": f"theory reward --probs 0.65,0.35 --success-probs 0.61,0.28 {SHAPE} --phases 3",
}


@pytest.mark.parametrize(
    "name", [name for name in COMMANDS if name != "neutral-of-a-set-up"]
)  # the small one is drawn alike
def test_a_picture_beside_the_answer(name: str, clipbias, tmp_path: Path) -> None:
    path = tmp_path / "figure.png"
    drawn = clipbias(f"{COMMANDS[name]} --plot {path} --json")
    assert drawn.returncode == 0
    assert len(json.loads(drawn.stdout)) > 0
    assert drawn.stdout.count("\n") == 1
    assert drawn.stderr == f"wrote {path}\n"
    image = matplotlib.image.imread(path)
    assert image.shape[0] > 400
    assert np.unique(image.reshape(-1, image.shape[2]), axis=0).shape[0] > 20
    assert [file.name for file in tmp_path.iterdir()] == ["figure.png"]


def test_a_picture_that_cannot_be_written_is_one_line(monkeypatch, tmp_path: Path) -> None:
    """In process: a full disk, and a folder without the right to write (which a superuser always has)."""
    path, run = tmp_path / "figure.png", CliRunner()
    arguments = [*COMMANDS["neutral"].split(), "--plot", str(path)]

    def full(self, *_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr("matplotlib.figure.Figure.savefig", full)
        late = run.invoke(theory, arguments[1:])
    assert (late.exit_code, late.stdout) == (2, "")
    assert "could not be written: No space left on device" in late.stderr
    assert "--plot" in late.stderr
    with monkeypatch.context() as patch:
        patch.setattr("os.access", lambda *_: False)
        early = run.invoke(theory, arguments[1:])
    assert (early.exit_code, early.stdout) == (2, "")
    assert "must be in a folder that may be written to" in early.stderr
    assert list(tmp_path.iterdir()) == []


def test_vector_formats(clipbias, tmp_path: Path) -> None:
    for suffix, start in ((".svg", b"<?xml"), (".pdf", b"%PDF")):
        path = tmp_path / f"figure{suffix}"
        drawn, plain = clipbias(f"{COMMANDS['neutral']} --plot {path}"), clipbias(COMMANDS["neutral"])
        assert drawn.returncode == plain.returncode == 0
        assert drawn.stdout == plain.stdout
        assert path.read_bytes().startswith(start)


def test_reward_parts_add_up_and_random_rewards_select_nothing(answer) -> None:
    found = answer(COMMANDS["reward"])
    for key in ("prob_shift", "log_odds_shift"):
        parts = found[key]
        assert parts["total"] == pytest.approx(sum(parts[part] for part in ("selection", "clip_drift", "noise")))
    evolved = answer(f"theory evolve --probs 0.65,0.35 {SHAPE} --success-prob 0.5 --phases 3")
    blind = answer(f"theory reward --probs 0.65,0.35 --success-probs 0.5,0.5 {SHAPE} --phases 3")
    assert blind["prob_shift"]["selection"] == pytest.approx(0.0, abs=1e-9)
    assert blind["selection_gradient"] == pytest.approx([0.0, 0.0], abs=1e-12)
    assert 0.65 + blind["prob_shift"]["total"] == pytest.approx(evolved["prob_mean"][0], abs=1e-9)
    assert found["log_odds_shift"]["selection"] > 0.5


def test_the_neutral_bound_of_a_set_up_is_neutral(answer) -> None:
    bound = answer(COMMANDS["neutral-of-a-set-up"])["clip_high"]
    rest = COMMANDS["neutral-of-a-set-up"].split("--probs")[1]
    found = answer(f"theory phase --clip-low 0.2 --clip-high {bound} --probs{rest}")
    assert abs(found["log_odds_shift"]) < 1e-3 * found["log_odds_std"]
    assert bound == pytest.approx(0.3156, abs=1e-3)
