"""All frameworks that `check` knows, in the order of the table of docs/frameworks.md."""

from .framework import Framework
from .frameworks import (
    axolotl,
    ms_swift,
    nemo_rl,
    open_instruct,
    openrlhf,
    other,
    prime_rl,
    skyrl,
    slime,
    tinker,
    torchtune,
    trl,
    unsloth,
    verl,
)

FRAMEWORKS: tuple[Framework, ...] = (
    trl.FRAMEWORK,
    ms_swift.FRAMEWORK,
    unsloth.FRAMEWORK,
    axolotl.FRAMEWORK,
    verl.FRAMEWORK,
    openrlhf.FRAMEWORK,
    open_instruct.FRAMEWORK,
    skyrl.FRAMEWORK,
    slime.FRAMEWORK,
    nemo_rl.FRAMEWORK,
    prime_rl.FRAMEWORK,
    tinker.FRAMEWORK,
    torchtune.FRAMEWORK,
    other.FRAMEWORK,
)
