"""All frameworks that `check` knows, in the order of the table of docs/frameworks.md."""

from .framework import Framework
from .frameworks import axolotl, ms_swift, openrlhf, other, slime, trl, unsloth, verl

FRAMEWORKS: tuple[Framework, ...] = (
    trl.FRAMEWORK,
    verl.FRAMEWORK,
    ms_swift.FRAMEWORK,
    unsloth.FRAMEWORK,
    axolotl.FRAMEWORK,
    openrlhf.FRAMEWORK,
    slime.FRAMEWORK,
    other.FRAMEWORK,
)
