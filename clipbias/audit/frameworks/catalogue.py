"""All frameworks; whose names are in a log, and what they mean there."""

from ..log import Meaning
from .engines import AREAL, NEMO_RL, OPEN_INSTRUCT, OPENRLHF, SKYRL, SLIME
from .framework import Framework, matches
from .others import OTHER, OURS, PRIME_RL, TINKER, TORCHTUNE
from .trl import SWIFT, TRL, TRL_PPO, UNSLOTH
from .verl import EASYR1, RLINF, ROLL, VERL

FRAMEWORKS = (
    TRL, SWIFT, UNSLOTH, TRL_PPO, VERL, EASYR1, OPENRLHF, OPEN_INSTRUCT, SKYRL, SLIME, NEMO_RL, AREAL, ROLL, RLINF,
    PRIME_RL, TINKER, TORCHTUNE, OURS, OTHER,
)  # fmt: skip
BY_NAME = {framework.name: framework for framework in FRAMEWORKS}


def recognised(names: set[str]) -> Framework:
    """The one with most marks among these names; `OTHER` where there are none. Of equals the first."""

    def count(framework: Framework) -> int:
        return sum(any(matches(name, mark) for mark in framework.marks) for name in names)

    best = max(FRAMEWORKS, key=count)
    return best if count(best) else OTHER


def meanings_of(names: list[str], framework: Framework) -> dict[str, Meaning]:
    """By the framework; what it has no name for among these, by what such names mean elsewhere."""
    found = {name: meaning for name in names if (meaning := framework.meaning(name))}
    known = {meaning.role for meaning in found.values()}
    for name in names:
        meaning = OTHER.meaning(name)
        if name not in found and meaning is not None and meaning.role not in known:
            found[name] = meaning
    return found
