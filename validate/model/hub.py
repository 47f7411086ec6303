"""A repository of the Hugging Face Hub at a commit, fetched into the cache of the Hub's own client.

Only weights in safetensors, configuration and tokenizer are fetched; a repository that has pickles alone is refused
before anything is.
"""

from pathlib import Path

import httpx
from huggingface_hub import HfApi, snapshot_download
from huggingface_hub.errors import HfHubHTTPError

from clipbias.common.errors import InputError, check
from clipbias.common.files import read_json
from clipbias.common.memory import free_memory

from .locate import hub_folder

WANTED = ("*.safetensors", "*.json", "*.jinja", "*.txt", "tokenizer.model")
_INDEX = "model.safetensors.index.json"


def is_whole(folder: Path) -> bool:
    """Whether configuration and all weights are there; links to files that a killed download never finished are not."""
    if not (folder / "config.json").is_file():
        return False
    if (folder / _INDEX).is_file():
        parts = set(read_json(folder / _INDEX)["weight_map"].values())
        return all((folder / part).is_file() for part in parts)
    return any(path.is_file() for path in folder.glob("*.safetensors"))


def fetch(repository: str, revision: str) -> Path:
    """The folder of the repository; a stopped download goes on where it was.

    Refused before anything is fetched where its weights would not fit into memory: in single precision they take at
    least what their files do, and those of most repositories twice that, at 2 bytes a number.
    """
    try:
        files = HfApi().model_info(repository, revision=revision, files_metadata=True).siblings or []
        weights = [file.size or 0 for file in files if file.rfilename.endswith(".safetensors")]
        allowed = "a repository with weights in safetensors (pickles are not read)"
        check(len(weights) > 0, "model.hub", allowed, repository)
        needed, free = sum(weights), free_memory()
        if needed > free:
            allowed = f"free for its weights of {needed / 1e9:.1f} GB, and {free / 1e9:.1f} GB are"
            raise InputError("memory", allowed, repository)
        snapshot_download(repository, revision=revision, allow_patterns=list(WANTED))
    except (HfHubHTTPError, httpx.HTTPError, OSError) as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise InputError("model.hub", f"a repository that can be fetched ({reason})", repository) from error
    folder = hub_folder(repository, revision)
    check(is_whole(folder), "model.hub", "a model with config.json and all its weights", repository)
    return folder
