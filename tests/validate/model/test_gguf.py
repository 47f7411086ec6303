"""`clipbias validate convert` on a tiny Llama, whose turns open with one token and end with another."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import gguf
import pytest
import torch

from clipbias.validate.model.subject import load_subject
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine
from gguf_files import CLOSE, Made, write

Clipbias = Callable[[str], subprocess.CompletedProcess[str]]


@pytest.fixture
def gguf_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    write(Made(architecture="llama", tied=True), path)
    return path


def test_the_folder_trains_and_its_answers_end_where_the_model_ends_them(
    gguf_file: Path, clipbias: Clipbias, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    done = clipbias(f"validate convert {gguf_file} --out {out} --json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"model": str(out)})
    subject = load_subject(ModelLine(path=str(out)), ProbeLine(prompts=2, samples=2))
    assert (subject.tokenizer.eos_token, subject.tokenizer.pad_token) == (CLOSE, CLOSE)
    assert subject.model.config.eos_token_id == subject.model.generation_config.eos_token_id == 1
    embedding = next(t for t in gguf.GGUFReader(gguf_file).tensors if t.name == "token_embd.weight")
    kept = subject.model.get_input_embeddings().weight
    torch.testing.assert_close(kept.detach(), torch.tensor(embedding.data), rtol=0, atol=0)
    assert subject.probes["plain"].read(subject.model, 4, seed=0).samples == 4


@pytest.mark.parametrize("command", ["convert", "organism"])
def test_no_folder_is_written_over_and_no_junk_is_read(command: str, clipbias: Clipbias, tmp_path: Path) -> None:
    kept, junk = tmp_path / "kept", tmp_path / "junk"
    kept.mkdir()
    (kept / "thesis.txt").write_text("years of work")
    junk.write_text("not what it should be")
    for out, words in ((kept, "--out must be a new or empty folder"), (tmp_path / "new", "must be")):
        done = clipbias(f"validate {command} {junk} --out {out}")
        assert done.returncode == 2
        assert words in done.stderr
        assert done.stderr.count("\n") == 1
    assert (kept / "thesis.txt").read_text() == "years of work"
    assert not (tmp_path / "new").exists()
