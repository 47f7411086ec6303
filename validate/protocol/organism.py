"""Organisms made from their specs, where there are none yet. Torch is loaded only where something is trained."""

import logging
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from clipbias.common.files import check_new_folder, sha256, write_json, written_folder
from clipbias.common.processes import cores, in_order
from clipbias.validate.model.locate import model_folder, spec_file
from clipbias.validate.organism.spec import load_spec
from clipbias.validate.recipe.model_line import ModelLine

logger = logging.getLogger(__name__)


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


def make_model(line: ModelLine) -> None:
    """Pretrain the organism that the line names, unless that was done before (minutes)."""
    if _is_missing(line):
        logger.info("pretraining %s into %s", line.organism, model_folder(line))
        _build(line)


def make_models(lines: Sequence[ModelLine]) -> None:
    """The same of several, side by side: each takes one core for minutes."""
    missing = list({model_folder(line): line for line in lines if _is_missing(line)}.values())
    for line in missing:
        logger.info("pretraining %s into %s", line.organism, model_folder(line))
    if missing:
        in_order(_build, missing, cores())


def _is_missing(line: ModelLine) -> bool:
    return line.organism is not None and not (model_folder(line) / "config.json").is_file()


def _build(line: ModelLine) -> None:
    assert line.organism is not None
    build(spec_file(line.organism), model_folder(line))
