"""All frameworks that `check` knows, in the order of the table of docs/frameworks.md."""

from .framework import Framework
from .frameworks import ms_swift, openrlhf, other, trl

FRAMEWORKS: tuple[Framework, ...] = (
    trl.FRAMEWORK,
    ms_swift.FRAMEWORK,
    openrlhf.FRAMEWORK,
    other.FRAMEWORK,
)
