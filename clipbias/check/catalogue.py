"""All frameworks that `check` knows, in the order of the table of docs/frameworks.md."""

from .framework import Framework
from .frameworks import ms_swift, openrlhf, other, slime, trl

FRAMEWORKS: tuple[Framework, ...] = (
    trl.FRAMEWORK,
    ms_swift.FRAMEWORK,
    openrlhf.FRAMEWORK,
    slime.FRAMEWORK,
    other.FRAMEWORK,
)
