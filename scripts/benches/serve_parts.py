"""What ``scripts/bench serve`` asks, and the servers that it asks."""

from __future__ import annotations

import json
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

from mirror import Mirror
from mirror.catalog import Catalog
from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.write.build import write_catalog
from mirror.names import RepoKey, RepoType
from mirror.serve.list_query import read_list
from scripts.benches.plain_app import REPO
from scripts.benches.resample import Prototypes, prototypes, resample
from tests.catalog.making import commit_of, manifest_of, write_quickly
from tests.serve import nginx
from tests.serve.nginx import free_port

BIN: Final = Path(sys.executable).parent
SMALL, SMALL_BYTES, LARGE_BYTES, LARGE = 1_000, 4_096, 2 * 10**9, "model.safetensors"
LISTS, PAGE = 100, 20
_ALONE: Final = """server {{
  listen 127.0.0.1:{port}; sendfile on; tcp_nopush on;
  location /{repo}/resolve/main/ {{ alias {files}/; }}
}}"""


@dataclass(frozen=True)
class Server:
    """A server that runs; all of one run are up together, and one is asked at a time."""

    port: int
    process: int

    def memory_mb(self, what: str = "VmHWM") -> float:
        """Give its resident size, in MB (10⁶ bytes); the largest that it had."""
        status = Path(f"/proc/{self.process}/status").read_text(encoding="utf-8")
        (line,) = (line for line in status.splitlines() if line.startswith(what))
        return int(line.split()[1]) * 1024 / 1e6


def make_files(folder: Path, root: Path) -> None:
    """Put the same files into a plain folder and into a new mirror."""
    chance = random.Random(0)
    files = {f"part/{n:04}.json": chance.randbytes(SMALL_BYTES) for n in range(SMALL)}
    files[LARGE] = chance.randbytes(10**7) * (LARGE_BYTES // 10**7)
    for path, data in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(data)
    store = Mirror.init(root, "http://127.0.0.1:9").store
    write_quickly(store, manifest_of(RepoKey(RepoType.MODEL, REPO), files), files.values())


def make_catalog(root: Path, repos: int) -> list[str]:
    """Make a catalog of so many repos; give the queries of lists, of three filters each.

    What the lists tell of their repos stands in manifests, so those of the repos that are
    on a first page are made as well.
    """
    source = prototypes()
    write_catalog(root / "catalog.db", _mirrored(source, repos), {})
    asked = list(islice(_lists(_mirrored(source, repos)), LISTS))
    wanted: set[RepoKey] = set()
    with Catalog.open(root / "catalog.db") as catalog:
        for fields in asked:
            query = read_list(RepoType.MODEL, fields).query
            wanted.update(hit.key for hit in catalog.listed(query).hits)
    store = Mirror(root).store
    for record in _mirrored(source, repos):
        if record.key in wanted:
            commit = record.snapshot.commit
            upstream = _upstream(record)
            write_quickly(store, manifest_of(record.key, {}, upstream, commit=commit), ())
    return [urlencode(fields, doseq=True) for fields in asked]


def _mirrored(source: Prototypes, repos: int) -> Iterator[RepoRecord]:
    for record in resample(source, repos):
        commit = commit_of(str(record.key))
        snapshot = replace(record.snapshot, commit=commit)
        yield replace(record, state="mirrored", snapshot=snapshot, refs={"main": commit})


def _lists(records: Iterator[RepoRecord]) -> Iterator[dict[str, list[str]]]:
    """Ask for a task, a language or licence and a third thing that some model has."""
    for record in records:
        tags = [tag for tag in record.tags if tag not in record.tasks]
        if record.key.repo_type is RepoType.MODEL and record.tasks and len(tags) >= 2:
            chance = random.Random(str(record.key))
            two = chance.sample(tags, 2)
            task = [record.tasks[0]]
            yield {"pipeline_tag": task, "filter": two, "sort": ["downloads"], "limit": [str(PAGE)]}


def _upstream(record: RepoRecord) -> dict[str, Any]:
    return {
        "_id": record.snapshot.commit[:24],
        "id": record.key.repo_id,
        "tags": list(record.tags),
        "pipeline_tag": record.tasks[0] if record.tasks else None,
        "createdAt": record.created,
        "private": False,
    }


@contextmanager
def servers(files: Path, root: Path) -> Iterator[dict[str, Server]]:
    """Run ours, the plain app, and nginx where there is one: alone, and before ours."""
    with ExitStack() as stack:
        ours = stack.enter_context(mirror_serve(root, "--accel", "/.blobs"))
        plain = [sys.executable, "-m", "scripts.benches.plain_app"]
        port = free_port()
        found = {
            "ours": ours,
            "plain": stack.enter_context(running([*plain, str(port), str(files)], port)),
        }
        if nginx.NGINX is not None:
            alone, before = free_port(), free_port()
            text = _ALONE.format(port=alone, repo=REPO, files=files)
            page = nginx.documented(before, f"http://127.0.0.1:{ours.port}", root, accel=True)
            stack.enter_context(nginx.running(files.parent, alone, f"{text}\n{page}"))
            found |= {"nginx": Server(alone, 0), "before": Server(before, 0)}
        yield found


@contextmanager
def mirror_serve(root: Path, *options: str) -> Iterator[Server]:
    """Run ours as a user starts it, but for the log."""
    port = free_port()
    command = [str(BIN / "mirror"), "-C", str(root), "serve", "--no-log", "--port", str(port)]
    with running([*command, *options], port) as server:
        yield server


@contextmanager
def running(
    command: Sequence[str], port: int, env: Mapping[str, str] | None = None
) -> Iterator[Server]:
    """Run a server that listens on ``port``, until the block ends."""
    more = {**os.environ, **(env or {})}
    with subprocess.Popen(command, stderr=subprocess.DEVNULL, env=more) as process:
        try:
            for _ in range(200):
                with socket.socket() as link:
                    if link.connect_ex(("127.0.0.1", port)) == 0:
                        break
                time.sleep(0.05)
            else:
                raise SystemExit(f"{command} does not answer")
            yield Server(port, process.pid)
        finally:
            process.terminate()


def ask(server: Server, requests: Sequence[str], connections: int, seconds: float) -> Any:
    """Load a server from a process of its own; give answers and bytes a second."""
    task = {"port": server.port, "requests": requests, "connections": connections}
    done = subprocess.run(
        [sys.executable, "-m", "scripts.benches.load"],
        input=json.dumps({**task, "seconds": seconds}).encode(),
        stdout=subprocess.PIPE,
        check=True,
    )
    return json.loads(done.stdout)
