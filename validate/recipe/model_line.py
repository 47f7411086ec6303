"""Which model a recipe trains."""

import re
from dataclasses import dataclass

from clipbias.common.errors import check

_REPOSITORY = re.compile(r"[\w-][\w.-]{0,95}/[\w-][\w.-]{0,95}", re.ASCII)
_COMMIT = re.compile(r"[0-9a-f]{40}", re.ASCII)


def check_commit(revision: str | None, field: str) -> None:
    """Raise InputError unless `revision` is a commit: branches and tags move."""
    check(_COMMIT.fullmatch(revision or "") is not None, field, "a commit of 40 hexadecimal digits", revision)


def check_repository(name: str, field: str) -> None:
    check(_REPOSITORY.fullmatch(name) is not None, field, "a repository of the Hub, owner/name", name)


@dataclass(frozen=True, slots=True)
class ModelLine:
    """What is trained: an organism by its name or the file of its spec; the folder, or the .gguf file, of any causal
    language model; or a repository of the Hugging Face Hub at a commit.

    instruction follows every word problem put to a model that is no organism; it should leave the strategy open.
    """

    organism: str | None = None
    path: str | None = None
    instruction: str = "Put the final answer in \\boxed{}."
    hub: str | None = None
    revision: str | None = None

    def __post_init__(self) -> None:
        given = [name for name in ("organism", "path", "hub") if getattr(self, name) is not None]
        check(len(given) == 1, "model", "either organism, path or hub", " and ".join(given) or "none of them")
        if self.hub is not None:
            check_repository(self.hub, "model.hub")
            check_commit(self.revision, "model.revision")
        else:
            check(self.revision is None, "model.revision", "left out unless there is a hub", self.revision)
