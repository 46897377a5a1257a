"""What the tests of ``--upstream`` share: a small hub, a server, and what went wrong on purpose."""

from __future__ import annotations

import functools
import hashlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx2 as httpx

from mirror import Mirror
from mirror.api.indexing import bring_up_to_date
from mirror.errors import LockedError
from mirror.hub import Upstream
from mirror.hub.retry import Backoff
from mirror.names import RepoKey, RepoType
from mirror.serve.app import create_app
from mirror.serve.guard import TokenGuard
from mirror.serve.runner import ServerThread
from mirror.serve.sockets import endpoint_of, listen
from mirror.serve.through import passing_through
from mirror.sync.keeper import Times
from mirror.sync.passing import Passing, Patience
from tests.fakehub import FakeHub
from tests.fakehub.faults import Stall

TINY = RepoKey(RepoType.MODEL, "acme/tiny")
FILES = {
    "README.md": "---\nlicense: mit\n---\n# Tiny\n",
    "config.json": b'{"model_type": "bert"}',
    "model.safetensors": bytes(range(256)) * 40,
    "pytorch_model.bin": b"old weights" * 100,
}
LARGE = bytes(range(256)) * 4096 * 6  # 6 MiB: several times what is fetched in one piece
CONFIG = "acme/tiny/resolve/main/config.json"
connect = functools.partial(Upstream, backoff=Backoff(retries=2, base=0.001))


@contextmanager
def through(mirror: Mirror, patience: Patience | None = None, **more: Any) -> Iterator[str]:
    """Serve with --upstream while the block runs; at its end all is published."""
    app = create_app(mirror.root)
    passing = Passing(
        mirror.store,
        mirror.settings,
        token=more.pop("token", None),
        index=bring_up_to_date,
        patience=patience,
        times=more.pop("times", Times(lock=0.3, quiet=0.05)),
        connect=connect,
    )
    listener = listen("127.0.0.1", 0)
    gate = more.pop("gate", None)
    front = TokenGuard(app, gate) if gate else app
    with passing_through(app.state.shelf, passing), ServerThread(front, listener):
        yield endpoint_of(listener)


def get(endpoint: str, path: str, **headers: str) -> httpx.Response:
    return httpx.get(f"{endpoint}/{path}", headers=headers, timeout=30)


def where(endpoint: str, folder: Path) -> dict[str, Any]:
    return {"endpoint": endpoint, "cache_dir": folder, "token": False}


def names(folder: str) -> set[str]:
    root = Path(folder)
    return {path.relative_to(root).as_posix() for path in root.rglob("*") if path.is_file()}


def sha(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def head_of(hub: FakeHub, revision: str = "main") -> str:
    commit = hub.repo("model", "acme/tiny").find(revision)
    assert commit is not None
    return commit.id


def present(mirror: Mirror, revision: str = "main") -> list[str]:
    return [file.path for file in mirror.files("acme/tiny", revision=revision).present_files]


BIG = "acme/big/resolve/main/big.bin"


def large(hub: FakeHub, mirror: Mirror, *, stalls: bool = False) -> None:
    """Add a repo with a large file; with ``stalls`` upstream pauses once, in the middle."""
    hub.add_repo("model", "acme/big", {"big.bin": LARGE}, lfs=["*.bin"])
    if stalls:
        transfer(mirror, "read_timeout = 2.0")
        hub.fault("resolve", kind=Stall(2 << 20), path="big.bin")


def policy(mirror: Mirror, line: str) -> None:
    _section(mirror, "policy", line)


def transfer(mirror: Mirror, line: str) -> None:
    _section(mirror, "transfer", line)


def _section(mirror: Mirror, name: str, line: str) -> None:
    path = mirror.store.layout.settings
    path.write_text(
        f'[upstream]\nendpoint = "{mirror.settings.upstream.endpoint}"\n[{name}]\n{line}\n'
    )


def synced(mirror: Mirror) -> bool:
    """Sync, unless the server has the lock at this moment."""
    try:
        return mirror.sync(recheck=True).exit_code == 0
    except LockedError:
        return False


def until(found: Callable[[], object]) -> None:
    """Wait for what another thread does; the test's own time limit ends it."""
    while not found():
        threading.Event().wait(0.01)


def start(mirror: Mirror, *more: str) -> tuple[subprocess.Popen[str], str]:
    process = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "mirror",
            "serve",
            "-C",
            str(mirror.root),
            "--port",
            "0",
            "--json",
            *more,
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    said = "".join(iter(process.stdout.readline, "}\n"))
    return process, json.loads(f"{said}}}")["endpoint"]
