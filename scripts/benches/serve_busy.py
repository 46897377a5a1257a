"""64 clients download while ``mirror sync`` publishes: errors, and memory of the server."""

from __future__ import annotations

import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirror import Mirror
from scripts.benches.measure import await_quiet
from scripts.benches.serve_parts import BIN, Server, mirror_serve
from tests.fakehub import FakeHub, serve

CLIENTS, COMMITS = 64, 5
_REPO: Final = "bench/moving"
#: Names that the Hub keeps in LFS, so that the etag is the sha256: 64 MB and 200 small ones.
_FILES: Final = {f"large/{n}.safetensors": 16_000_000 for n in range(4)} | {
    f"small/{n:03}.parquet": 40_000 for n in range(200)
}


@dataclass(frozen=True)
class Busy:
    """What was seen."""

    downloads: int
    mb: float
    seconds: float
    commits: int
    """Different ones that clients were answered with."""
    errors: tuple[str, ...]
    peak_mb: float
    """Of the server."""


def measure(folder: Path) -> Busy:
    """Sync a repo, serve it, and publish new commits of it while clients download."""
    hub, chance = FakeHub(), random.Random(0)
    repo = hub.add_repo("model", _REPO, _contents(chance))
    with serve(hub) as endpoint:
        mirror = Mirror.init(folder, endpoint)
        mirror.add("model", id=_REPO)
        _sync(folder)
        await_quiet()
        with mirror_serve(folder) as server, _clients(server) as clients:
            started = time.monotonic()
            for number in range(COMMITS):
                repo.commit(_contents(chance), title=f"Change {number}")
                _sync(folder)
            found = _end(clients)
            seconds = time.monotonic() - started
            peak = server.memory_mb()
    if len(list((folder / "repos" / "models" / _REPO / "commits").iterdir())) != COMMITS + 1:
        raise SystemExit("a sync did not publish")
    return Busy(
        found["downloads"],
        found["bytes"] / 1e6,
        seconds,
        len(found["commits"]),
        tuple(found["errors"]),
        peak,
    )


def sentence(found: Busy, most_mb: float) -> str:
    """Give the paragraph of docs/benchmarks.md."""
    met = "" if not found.errors and found.peak_mb < most_mb else ", **not met**"
    return (
        f"{CLIENTS} clients that download and hash at once (files of 16 MB and of 40 KB) while"
        f" {COMMITS} runs of `mirror sync` publish new commits of the same repo, all on these"
        f" cores: {found.downloads:,} downloads, {found.mb:,.0f} MB in {found.seconds:.0f} s, of"
        f" {found.commits} commits, **{len(found.errors)} errors**; memory of `mirror serve` at"
        f" its peak **{found.peak_mb:.0f} MB** (target: no error, under {most_mb:.0f} MB{met})."
    )


def _contents(chance: random.Random) -> dict[str, bytes]:
    return {path: chance.randbytes(size) for path, size in _FILES.items()}


def _sync(folder: Path) -> None:
    subprocess.run([BIN / "mirror", "-C", folder, "sync"], check=True, capture_output=True)


def _clients(server: Server) -> subprocess.Popen[str]:
    """Start them, in a process of their own, and wait until they are there."""
    process = subprocess.Popen(
        [sys.executable, "-m", "scripts.benches.downloads"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None and process.stdout is not None
    paths = [f"/{_REPO}/resolve/main/{path}" for path in _FILES]
    task = {"host": f"127.0.0.1:{server.port}", "paths": paths, "clients": CLIENTS}
    print(json.dumps(task), file=process.stdin, flush=True)
    process.stdout.readline()
    return process


def _end(clients: subprocess.Popen[str]) -> Any:
    answer, _ = clients.communicate(timeout=120)
    return json.loads(answer)
