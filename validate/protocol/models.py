"""The model of a recipe, made where there is none yet: an organism pretrained, a .gguf file converted, a repository of
the Hub fetched. Torch is loaded only where something is trained or converted."""

import logging
from collections.abc import Sequence
from pathlib import Path

from clipbias.common.processes import cores, in_order
from clipbias.validate.model.locate import model_folder, spec_file
from clipbias.validate.recipe.model_line import ModelLine

logger = logging.getLogger(__name__)


def make_model(line: ModelLine) -> None:
    """Make what the line names, unless that was done before (minutes)."""
    if _is_missing(line):
        _say(line)
        _make(line)


def make_models(lines: Sequence[ModelLine]) -> None:
    """The same of several, side by side: pretraining takes one core for minutes."""
    missing = list({model_folder(line): line for line in lines if _is_missing(line)}.values())
    for line in missing:
        _say(line)
    if missing:
        in_order(_make, missing, cores())


def _is_missing(line: ModelLine) -> bool:
    if line.hub is not None:
        from clipbias.validate.model.hub import is_whole

        return not is_whole(model_folder(line))
    return not (model_folder(line) / "config.json").is_file()


def _say(line: ModelLine) -> None:
    if line.organism is not None:
        logger.info("pretraining %s into %s", line.organism, model_folder(line))
    else:
        verb = "converting" if line.hub is None else "fetching"
        logger.info("%s %s into %s", verb, line.path or line.hub, model_folder(line))


def _make(line: ModelLine) -> None:
    if line.organism is not None:
        from .organism import build

        build(spec_file(line.organism), model_folder(line))
    elif line.hub is not None:
        from clipbias.validate.model.hub import fetch

        fetch(line.hub, line.revision or "")
    else:
        from clipbias.validate.model.gguf import convert

        convert(Path(line.path or ""), model_folder(line), "model.path")
