"""A repository of the Hub, served here: fetched at its commit, safetensors only, and never half."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from clipbias.validate.model.hub import is_whole
from clipbias.validate.organism.spec import SHIPPED

COMMIT = "0123456789abcdef0123456789abcdef01234567"
REPOSITORIES = {"here/whole": SHIPPED, "here/pickled": None, "here/large": None}


class Hub(BaseHTTPRequestHandler):
    """What the Hub's client asks of it: the files at a commit, and each of them."""

    asked: list[str]

    def log_message(self, *_: object) -> None:
        pass

    def _files(self, repository: str) -> dict[str, bytes]:
        folder = REPOSITORIES[repository]
        if folder is None:
            return {"config.json": b"{}", "pytorch_model.bin": b"\x80\x04.", "modeling.py": b"raise SystemExit"}
        found = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
        return found | {"pytorch_model.bin": b"\x80\x04.", "modeling.py": b"raise SystemExit"}

    def _answer(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), "X-Repo-Commit": COMMIT, **headers}.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        if self.command == "GET":
            self.wfile.write(body)

    def do_GET(self) -> None:
        path = urlsplit(self.path).path
        self.asked.append(path)
        for repository in REPOSITORIES:
            files = self._files(repository)
            if path == f"/api/models/{repository}/revision/{COMMIT}":
                siblings = [{"rfilename": name, "size": len(raw)} for name, raw in files.items()]
                if repository == "here/large":
                    siblings = [{"rfilename": "model.safetensors", "size": 10**15}]
                body = {"id": repository, "modelId": repository, "sha": COMMIT, "siblings": siblings, "private": False}
                return self._answer(200, json.dumps(body).encode(), Content_Type="application/json")
            if path == f"/api/models/{repository}/tree/{COMMIT}":
                tree = [
                    {"type": "file", "path": name, "size": len(raw), "oid": hashlib.sha1(raw).hexdigest()}
                    for name, raw in files.items()
                ]
                return self._answer(200, json.dumps(tree).encode(), Content_Type="application/json")
            start = f"/{repository}/resolve/{COMMIT}/"
            if path.startswith(start) and path.removeprefix(start) in files:
                raw = files[path.removeprefix(start)]
                return self._answer(200, raw, ETag=f'"{hashlib.sha1(raw).hexdigest()}"')
        return self._answer(404, b"", X_Error_Code="RepoNotFound")

    do_HEAD = do_GET  # noqa: N815  (the name that the server looks for)


@pytest.fixture
def endpoint() -> Iterator[str]:
    Hub.asked = []
    with ThreadingHTTPServer(("127.0.0.1", 0), Hub) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def fetched(endpoint: str, repository: str, home: Path) -> subprocess.CompletedProcess[str]:
    """In a process of its own, since the client reads its environment when it is loaded."""
    program = (
        "import sys\n"
        "from clipbias.common.errors import InputError\n"
        "from clipbias.validate.model.hub import fetch\n"
        "try:\n"
        f"    print(fetch(sys.argv[1], {COMMIT!r}))\n"
        "except InputError as error:\n"
        "    print(error)\n"
    )
    plain = {name: value for name, value in os.environ.items() if not name.lower().endswith("_proxy")}
    environment = plain | {"HF_ENDPOINT": endpoint, "HF_HOME": str(home), "HF_HUB_DISABLE_XET": "1"}
    return subprocess.run(
        [sys.executable, "-c", program, repository],
        env=environment | {"HF_HUB_DISABLE_TELEMETRY": "1", "HF_HUB_DISABLE_PROGRESS_BARS": "1"},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )


def test_a_repository_is_fetched_at_its_commit_without_pickles_and_code(endpoint: str, tmp_path: Path) -> None:
    done = fetched(endpoint, "here/whole", tmp_path)
    assert done.returncode == 0, done.stderr
    folder = Path(done.stdout.strip())
    assert folder == tmp_path / "hub" / "models--here--whole" / "snapshots" / COMMIT
    assert (folder / "model.safetensors").read_bytes() == (SHIPPED / "model.safetensors").read_bytes()
    assert not (folder / "pytorch_model.bin").exists()
    assert not (folder / "modeling.py").exists()
    assert not any(path.endswith((".bin", ".py")) for path in Hub.asked)


@pytest.mark.parametrize(
    ("repository", "said"),
    [
        ("here/pickled", "model.hub must be a repository with weights in safetensors (pickles are not read)"),
        ("here/large", "memory must be free for its weights of 1000000.0 GB, and "),
        ("here/nowhere", "model.hub must be a repository that can be fetched ("),
    ],
)
def test_what_cannot_be_used_is_one_line(repository: str, said: str, endpoint: str, tmp_path: Path) -> None:
    done = fetched(endpoint, repository, tmp_path)
    assert done.stdout.startswith(said), done.stderr
    assert done.stdout.count("\n") == 1
    assert not any("/resolve/" in path for path in Hub.asked)


def test_a_download_that_was_stopped_is_not_taken_for_whole(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(SHIPPED, folder)
    assert is_whole(folder)
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-1.safetensors").write_bytes(b"")
    assert not is_whole(folder)
    (folder / "model-2.safetensors").write_bytes(b"")
    assert is_whole(folder)
    (folder / "model-2.safetensors").unlink()
    (folder / "model-2.safetensors").symlink_to(tmp_path / "never-finished")
    assert not is_whole(folder)
