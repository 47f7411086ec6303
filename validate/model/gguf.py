"""A GGUF file as a folder for a recipe's model.path."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from clipbias.common.errors import check
from clipbias.common.files import check_new_folder, written_folder


def convert(file: Path, out: Path) -> None:
    """Write the new folder `out`: weights in safetensors (float32, dequantized), tokenizer and chat template.

    transformers 5.17 gives the tokenizer of a GGUF Llama its opening token as its end (SmolLM2: <|im_start|>), and no
    padding; with those a training never sees an answer end, so both are set from the model's own configuration.
    """
    check_new_folder(out)
    with file.open("rb") as opened:
        magic = opened.read(4)
    check(magic == b"GGUF", "file", "a GGUF file", str(file))
    file = file.resolve()
    source = {"gguf_file": file.name, "local_files_only": True}
    tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
    loaded = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source)
    config = loaded.config
    end = config.eos_token_id
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(end if config.pad_token_id is None else config.pad_token_id)
    del config.quantization_config  # what was loaded from GGUF refuses to be saved; its weights are plain by now
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(loaded.state_dict())
    with written_folder(out) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)
