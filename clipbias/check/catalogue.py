"""All frameworks that `check` knows, in the order of the table of docs/frameworks.md."""

from .framework import Framework
from .frameworks import axolotl, ms_swift, openrlhf, other, skyrl, slime, trl, unsloth, verl

FRAMEWORKS: tuple[Framework, ...] = (
    trl.FRAMEWORK,
    ms_swift.FRAMEWORK,
    unsloth.FRAMEWORK,
    axolotl.FRAMEWORK,
    verl.FRAMEWORK,
    openrlhf.FRAMEWORK,
    skyrl.FRAMEWORK,
    slime.FRAMEWORK,
    other.FRAMEWORK,
)
