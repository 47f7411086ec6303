"""All frameworks that `check` knows, in the order of the table of docs/frameworks.md."""

from .framework import Framework
from .frameworks import (
    areal,
    axolotl,
    easyr1,
    ms_swift,
    nemo_rl,
    open_instruct,
    openrlhf,
    other,
    prime_rl,
    rlinf,
    roll,
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
    easyr1.FRAMEWORK,
    openrlhf.FRAMEWORK,
    open_instruct.FRAMEWORK,
    skyrl.FRAMEWORK,
    slime.FRAMEWORK,
    nemo_rl.FRAMEWORK,
    areal.FRAMEWORK,
    roll.FRAMEWORK,
    rlinf.FRAMEWORK,
    prime_rl.FRAMEWORK,
    tinker.FRAMEWORK,
    torchtune.FRAMEWORK,
    other.FRAMEWORK,
)
