"""A GGUF file as a folder for a recipe's model.path: `python -m clipbias.validate.model.gguf FILE --out DIR`."""

from pathlib import Path

import click
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from clipbias.common.errors import check
from clipbias.common.files import check_new_folder, written_folder
from clipbias.common.tables import one_line_errors


def convert(file: Path, out: Path) -> None:
    """Write `out`: weights in safetensors (float32, dequantized), tokenizer and chat template.

    transformers 5.17 gives the tokenizer of a GGUF Llama its opening token as its end (SmolLM2: <|im_start|>), and no
    padding; with those a training never sees an answer end, so both are set from the model's own configuration.
    """
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


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--out", required=True, type=click.Path(path_type=Path), help="Folder to write.")
def main(file: Path, out: Path) -> None:
    """Convert the GGUF FILE of a causal language model to a folder that recipes can train.

    Example: python -m clipbias.validate.model.gguf SmolLM2-135M-Instruct.Q4_1.gguf --out models/smollm2
    """
    with one_line_errors():
        check_new_folder(out)
        with file.open("rb") as opened:
            magic = opened.read(4)
        check(magic == b"GGUF", "file", "a GGUF file", str(file))
        convert(file.resolve(), out)
    click.echo(f"wrote {out}")


if __name__ == "__main__":
    main()
