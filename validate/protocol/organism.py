"""An organism made from its spec."""

import shutil
from pathlib import Path
from typing import Any

from clipbias.common.files import check_new_folder, sha256, write_json, written_folder
from clipbias.validate.organism.spec import load_spec


def build(spec_path: Path, out: Path) -> dict[str, Any]:
    """Pretrain the organism of `spec_path` into the new folder `out`: weights, tokenizer, spec and measured card.

    Returns what its organism.json holds. Raises InputError, and writes nothing, if the spec is bad or the organism is
    not what it says.
    """
    import torch
    import transformers

    from clipbias.validate.measure.organism_card import check_card, measure
    from clipbias.validate.organism.pretrain import pretrain

    check_new_folder(out)
    spec = load_spec(spec_path)
    threads = torch.get_num_threads()
    torch.set_num_threads(spec.pretraining.threads)
    try:
        with torch.random.fork_rng(), written_folder(out) as folder:
            model, tokenizer = pretrain(spec)
            card = measure(model, tokenizer, spec)
            check_card(spec, card)
            transformers.utils.logging.disable_progress_bar()  # it would draw even where there is no terminal
            model.save_pretrained(folder)
            tokenizer.save_pretrained(folder)
            shutil.copyfile(spec_path, folder / "spec.toml")
            record = {
                "name": spec.name,
                "seed": spec.seed,
                "parameters": model.num_parameters(),
                "sha256": sha256(folder / "model.safetensors"),
                "measured": card,
                "versions": {"torch": torch.__version__, "transformers": transformers.__version__},
            }
            write_json(folder / "organism.json", record)
        return record
    finally:
        torch.set_num_threads(threads)
