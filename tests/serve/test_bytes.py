"""Bytes on their way: clients that go, blobs that go, and a mirror of a mirror."""

from __future__ import annotations

import hashlib
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path

import httpx2 as httpx
import pytest

from mirror import Mirror
from mirror.names import RepoKey, RepoType
from mirror.serve.connection import Limits
from tests.fakehub import FakeHub
from tests.serve.conftest import serving

#: More than the buffers of two sockets take, so that the server has to wait.
BIG = os.urandom(1 << 20) * 24
DIGEST = hashlib.sha256(BIG).hexdigest()
TARGET = "/acme/big/resolve/main/model.safetensors"


@pytest.fixture
def big_root(hub: FakeHub, tmp_path: Path) -> Path:
    hub.add_repo("model", "acme/big", {"model.safetensors": BIG, "config.json": b"{}"})
    mirror = Mirror.init(tmp_path / "big", hub.endpoint)
    mirror.add("model", id="acme/big")
    assert 0 == mirror.sync().exit_code
    return mirror.root


def test_a_client_in_the_middle_keeps_its_bytes(big_root: Path) -> None:
    with serving(big_root) as endpoint, httpx.stream("GET", endpoint + TARGET) as answer:
        chunks = answer.iter_bytes(1 << 16)
        received = [next(chunks)]
        Mirror(big_root).store.blobs.path(DIGEST).unlink()
        received += chunks
        later = httpx.get(endpoint + TARGET)
    assert BIG == b"".join(received)
    assert 500 == later.status_code


def test_parallel_ranges_of_a_large_file(big_root: Path) -> None:
    step = len(BIG) // 7
    with serving(big_root) as endpoint, httpx.Client() as client:
        parts = [
            client.get(endpoint + TARGET, headers={"range": f"bytes={n}-{n + step - 1}"}).content
            for n in range(0, len(BIG), step)
        ]
    assert BIG == b"".join(parts)


def test_a_client_that_goes_leaves_nothing_open(big_root: Path) -> None:
    with serving(big_root) as endpoint:
        for _ in range(5):
            _ask_and(endpoint, lambda line: line.recv(1000))
        assert _soon(lambda: 0 == _open_blobs())
        assert 200 == httpx.get(f"{endpoint}/acme/big/resolve/main/config.json").status_code


def test_a_client_that_takes_nothing_is_given_up(big_root: Path) -> None:
    with serving(big_root, limits=Limits(stall_seconds=0.3)) as endpoint:
        gave_up = threading.Event()

        def wait(line: socket.socket) -> None:
            assert _soon(lambda: 1 == _open_blobs())
            assert _soon(lambda: 0 == _open_blobs())
            gave_up.set()

        _ask_and(endpoint, wait)
        assert gave_up.is_set()


def test_a_mirror_of_a_mirror_is_the_same(lab_root: Path, served: str, tmp_path: Path) -> None:
    first = Mirror(lab_root).store
    second = Mirror.init(tmp_path / "second", served)
    keys = [key for key in first.repos() if key.repo_id != "klue/roberta-small"]
    for key in keys:
        refs = tuple(first.refs(key))
        second.add(key.repo_type.value, id=key.repo_id, revisions=refs)
    second.add("model", id="gpt2")
    report = second.sync()
    assert 0 == report.exit_code, report.failed
    for key in keys:
        assert first.refs(key) == second.store.refs(key)
        for commit in first.refs(key).values():
            one, other = first.manifest(key, commit), second.store.manifest(key, commit)
            assert one.files == other.files
            assert one.upstream["tags"] == other.upstream["tags"]
    gpt2 = RepoKey(RepoType.MODEL, "gpt2")
    assert "openai-community/gpt2" == second.store.canonical(gpt2).repo_id


def _ask_and(endpoint: str, do: Callable[[socket.socket], object]) -> None:
    """Ask for the big file, do something with the line, and cut it."""
    host, port = endpoint.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port))) as line:
        line.sendall(f"GET {TARGET} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        do(line)


def _open_blobs() -> int:
    """How often this process has the big blob open."""
    count = 0
    for link in Path("/proc/self/fd").iterdir():
        try:
            count += link.readlink().name == DIGEST
        except OSError:
            continue
    return count


def _soon(true: Callable[[], bool]) -> bool:
    end = time.monotonic() + 20
    while not true() and time.monotonic() < end:
        time.sleep(0.02)
    return true()
