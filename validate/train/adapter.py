"""Low-rank updates beside frozen weights: a linear layer W becomes W + (α/r)·B·A, of which A and B are trained.

Source: Hu et al. 2021, arXiv:2106.09685, by peft. A is drawn from a seed and B starts at 0, so that the policy before
training is the model's. Every linear layer but the last, the one to the vocabulary, has an update of its own; α = 2r.
"""

import torch
from transformers import PreTrainedModel

from clipbias.common.errors import InputError
from clipbias.validate.recipe.training import SCALE


def add_adapter(model: PreTrainedModel, rank: int, seed: int) -> None:
    """Freeze the model's weights in place and put updates of this rank beside them; no other draw depends on `seed`."""
    try:
        from peft import LoraConfig, inject_adapter_in_model
    except ImportError:
        allowed = "left out unless peft is installed (pip install 'clipbias[lora]')"
        raise InputError("training.lora_rank", allowed, rank) from None
    config = LoraConfig(r=rank, lora_alpha=SCALE * rank, lora_dropout=0.0, target_modules="all-linear")
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        inject_adapter_in_model(config, model)
