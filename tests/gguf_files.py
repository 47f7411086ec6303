"""Tiny models of several architectures, and their GGUF files as llama.cpp's converter lays them out."""

from dataclasses import dataclass
from pathlib import Path

import gguf
import numpy as np
import torch
from transformers import AutoModelForCausalLM, Gemma2Config, LlamaConfig, PreTrainedConfig, PreTrainedModel, Qwen2Config

LETTERS = [*(chr(c) for c in range(33, 127)), "Ġ", "Ċ", "ab", "cd"]
OPEN, CLOSE = "<bos>", "<eos>"
TEMPLATE = (
    "{% for m in messages %}<bos>{{ m['content'] }}<eos>{% endfor %}{% if add_generation_prompt %}<bos>{% endif %}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """end: the token that the file says ends an answer, 1 or 5. Gemma has a token that pads, 0; the others' files name
    none. code: how many tokens are lines of a program, so that random answers hold some."""

    architecture: str
    tied: bool
    template: str | None = TEMPLATE
    end: int = 1
    code: int = 0


def tokens(made: Made) -> list[str]:
    letters = ["▁" if letter == "Ġ" else letter for letter in LETTERS] if made.architecture == "gemma2" else LETTERS
    program = [f"print({i})" for i in range(made.code)]
    return ["<pad>", CLOSE, OPEN, "<unk>", "<mask>", "<end>", *letters, *program]


def config(made: Made) -> PreTrainedConfig:
    sizes = {
        "vocab_size": len(tokens(made)),
        "hidden_size": 16,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "num_key_value_heads": 1,
        "max_position_embeddings": 256,
        "rope_parameters": {"rope_type": "default", "rope_theta": 5000.0},
        "rms_norm_eps": 1e-4,
        "tie_word_embeddings": made.tied,
        "bos_token_id": 2,
        "eos_token_id": made.end,
        "pad_token_id": 0 if made.architecture == "gemma2" else None,
    }
    match made.architecture:
        case "llama":
            return LlamaConfig(**sizes)
        case "qwen2":
            return Qwen2Config(**sizes)
    return Gemma2Config(**sizes, head_dim=8, sliding_window=64, layer_types=["sliding_attention", "full_attention"])


def model(made: Made) -> PreTrainedModel:
    """Of random weights, norms and biases included."""
    torch.manual_seed(3)
    found = AutoModelForCausalLM.from_config(config(made)).eval()
    with torch.no_grad():
        for parameter in found.parameters():
            parameter += 0.3 * torch.randn_like(parameter)
    return found


def _laid_out(made: Made, name: str, weight: np.ndarray) -> np.ndarray:
    """Llama's queries and keys interleave the halves that rotate together; Gemma's norms are kept as 1 + w."""
    if made.architecture == "llama" and name.endswith(("q_proj.weight", "k_proj.weight")):
        heads = weight.shape[0] // 8
        return weight.reshape(heads, 2, 4, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape)
    return weight + 1 if made.architecture == "gemma2" and name.endswith("norm.weight") else weight


def write(made: Made, path: Path) -> PreTrainedModel:
    """The model whose file is written."""
    original = model(made)
    settings, words = original.config, tokens(made)
    writer = gguf.GGUFWriter(path, made.architecture)
    writer.add_context_length(settings.max_position_embeddings)
    writer.add_embedding_length(settings.hidden_size)
    writer.add_block_count(settings.num_hidden_layers)
    writer.add_feed_forward_length(settings.intermediate_size)
    writer.add_head_count(settings.num_attention_heads)
    writer.add_head_count_kv(settings.num_key_value_heads)
    writer.add_layer_norm_rms_eps(settings.rms_norm_eps)
    writer.add_rope_dimension_count(8)
    writer.add_rope_freq_base(5000.0)
    writer.add_vocab_size(len(words))
    if made.architecture == "gemma2":
        writer.add_key_length(8)
        writer.add_value_length(8)
        writer.add_sliding_window(64)
        writer.add_tokenizer_model("llama")
        writer.add_token_scores([0.0 if i < 6 else -float(i) for i in range(len(words))])
    else:
        writer.add_tokenizer_model("gpt2")
        writer.add_tokenizer_pre("gpt-2")
        writer.add_token_merges(["a b", "c d"])
    writer.add_token_list(words)
    writer.add_token_types([gguf.TokenType.CONTROL] * 6 + [gguf.TokenType.NORMAL] * (len(words) - 6))
    writer.add_unk_token_id(3)
    writer.add_bos_token_id(2)
    writer.add_eos_token_id(made.end)
    if made.template is not None:
        writer.add_chat_template(made.template)
    architectures = {"llama": gguf.MODEL_ARCH.LLAMA, "qwen2": gguf.MODEL_ARCH.QWEN2, "gemma2": gguf.MODEL_ARCH.GEMMA2}
    names = gguf.get_tensor_name_map(architectures[made.architecture], settings.num_hidden_layers)
    for name, weight in original.state_dict().items():
        if name == "lm_head.weight" and made.tied:
            continue
        kept = names.get_name(name, try_suffixes=(".weight", ".bias"))
        assert kept is not None, name
        writer.add_tensor(kept, _laid_out(made, name, weight.numpy()).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return original
