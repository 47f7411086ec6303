"""A GGUF file as a folder for a recipe's model.path."""

from pathlib import Path

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, PreTrainedModel, PreTrainedTokenizerBase

from clipbias.common.errors import InputError, check
from clipbias.common.files import check_new_folder, written_folder

from .subject import quiet


def convert(file: Path, out: Path, field: str = "file") -> None:
    """Write the new folder `out`: weights in safetensors (float32, dequantized), tokenizer and chat template.

    transformers 5.17 gives the tokenizer of a GGUF Llama its opening token as its end (SmolLM2: <|im_start|>), and no
    padding; with those a training never sees an answer end, so both are set from the model's own configuration.
    field: what the user called the file.
    """
    check_new_folder(out)
    with file.open("rb") as opened:
        magic = opened.read(4)
    check(magic == b"GGUF", field, "a GGUF file", str(file))
    loaded, tokenizer = _load(file.resolve(), field)
    config = loaded.config
    end = config.eos_token_id[0] if isinstance(config.eos_token_id, list) else config.eos_token_id
    check(end is not None, field, "of a model that says which token ends an answer", str(file))
    tokenizer.eos_token = tokenizer.convert_ids_to_tokens(end)
    tokenizer.pad_token = tokenizer.convert_ids_to_tokens(end if config.pad_token_id is None else config.pad_token_id)
    del config.quantization_config  # what was loaded from GGUF refuses to be saved; its weights are plain by now
    model = AutoModelForCausalLM.from_config(config)
    model.load_state_dict(loaded.state_dict())
    with written_folder(out) as folder:
        model.save_pretrained(folder)
        tokenizer.save_pretrained(folder)


def _load(file: Path, field: str) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    quiet()
    source = {"gguf_file": file.name, "local_files_only": True}
    try:
        tokenizer = AutoTokenizer.from_pretrained(file.parent, **source)
        model = AutoModelForCausalLM.from_pretrained(file.parent, dtype=torch.float32, **source)
    except Exception as error:  # whatever the readers do not expect of a damaged file
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError(
            field, f"a whole GGUF file of a model that transformers knows ({reason})", str(file)
        ) from error
    return model, tokenizer
