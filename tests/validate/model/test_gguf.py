"""A tiny Llama written as GGUF, whose tokenizer opens turns with one token and ends them with another."""

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch

from clipbias.validate.model.subject import load_subject
from clipbias.validate.recipe.model_line import ModelLine
from clipbias.validate.recipe.recipe import ProbeLine

Clipbias = Callable[[str], subprocess.CompletedProcess[str]]
WIDTH, HEADS, INNER = 16, 2, 24
TEMPLATE = "{% for m in messages %}<s>{{ m['content'] }}</s>{% endfor %}{% if add_generation_prompt %}<s>{% endif %}"


@pytest.fixture
def gguf_file(tmp_path: Path) -> Path:
    path = tmp_path / "tiny.gguf"
    alphabet = ["<s>", "</s>", *(chr(c) for c in range(33, 127)), "Ġ", "Ċ", "ab", "cd"]
    writer = gguf.GGUFWriter(path, "llama")
    writer.add_context_length(256)
    writer.add_embedding_length(WIDTH)
    writer.add_block_count(1)
    writer.add_feed_forward_length(INNER)
    writer.add_head_count(HEADS)
    writer.add_head_count_kv(HEADS)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_dimension_count(WIDTH // HEADS)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(alphabet))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list(alphabet)
    writer.add_token_types([gguf.TokenType.CONTROL] * 2 + [gguf.TokenType.NORMAL] * (len(alphabet) - 2))
    writer.add_token_merges(["a b", "c d"])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(1)
    writer.add_chat_template(TEMPLATE)
    rng = np.random.default_rng(0)
    shapes = {
        "token_embd.weight": (len(alphabet), WIDTH),
        "blk.0.attn_norm.weight": (WIDTH,),
        "blk.0.attn_q.weight": (WIDTH, WIDTH),
        "blk.0.attn_k.weight": (WIDTH, WIDTH),
        "blk.0.attn_v.weight": (WIDTH, WIDTH),
        "blk.0.attn_output.weight": (WIDTH, WIDTH),
        "blk.0.ffn_norm.weight": (WIDTH,),
        "blk.0.ffn_gate.weight": (INNER, WIDTH),
        "blk.0.ffn_up.weight": (INNER, WIDTH),
        "blk.0.ffn_down.weight": (WIDTH, INNER),
        "output_norm.weight": (WIDTH,),
    }
    for name, shape in shapes.items():
        writer.add_tensor(name, rng.normal(scale=0.3, size=shape).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def test_the_folder_trains_and_its_answers_end_where_the_model_ends_them(
    gguf_file: Path, clipbias: Clipbias, tmp_path: Path
) -> None:
    out = tmp_path / "model"
    done = clipbias(f"validate convert {gguf_file} --out {out} --json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"model": str(out)})
    subject = load_subject(ModelLine(path=str(out)), ProbeLine(prompts=2, samples=2))
    assert (subject.tokenizer.eos_token, subject.tokenizer.pad_token) == ("</s>", "</s>")
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
