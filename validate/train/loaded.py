"""What workers import before they train, ten seconds of processor time: offline and quiet, which libraries ask once."""

import os

os.environ.update(HF_HUB_OFFLINE="1", TOKENIZERS_PARALLELISM="false")

import torch

from . import cell

__all__ = ["cell", "torch"]
