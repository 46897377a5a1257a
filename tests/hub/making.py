"""Short ways to a quick upstream, and to the requests of files."""

from __future__ import annotations

import asyncio
import hashlib
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any, TypeVar

from mirror.hub import FetchedFile, FileRequest, TreeFile, Upstream
from mirror.hub.metadata import MetadataLimits
from mirror.hub.retry import Backoff
from mirror.names import RepoKey, RepoType
from mirror.settings import TransferSettings, UpstreamSettings

T = TypeVar("T")
KEY = RepoKey(RepoType.MODEL, "acme/tiny")
COMMIT = "c0ffee" + "0" * 34
QUICK = {"read_timeout": 0.4, "connect_timeout": 2.0, "retries": 2}
MIB = 2**20


def upstream(
    endpoint: str,
    *,
    token: str | None = None,
    limits: MetadataLimits | None = None,
    **transfer: Any,
) -> Upstream:
    """An upstream with short time-outs and next to no back-off."""
    settings = TransferSettings(**{**QUICK, **transfer})
    backoff = Backoff(retries=settings.retries, base=0.002)
    return Upstream(
        UpstreamSettings(endpoint=endpoint), settings, token=token, backoff=backoff, limits=limits
    )


def ask(
    endpoint: str, question: Callable[[Upstream], Awaitable[T]], **options: Any
) -> tuple[T, Upstream]:
    """Ask one thing of an upstream; gives the answer, and the upstream with its counts."""
    there = upstream(endpoint, **options)

    async def main() -> T:
        async with there:
            return await question(there)

    return asyncio.run(main()), there


async def everything(items: AsyncIterator[T]) -> list[T]:
    """Read an iterator to its end."""
    return [item async for item in items]


def noise(size: int, seed: int = 1) -> bytes:
    """Bytes without a pattern, the same for the same seed."""
    return random.Random(seed).randbytes(size)


def request_for(
    content: bytes, path: str = "model.bin", *, lfs: bool = True, key: RepoKey = KEY
) -> FileRequest:
    """Ask for a file that has this content."""
    sha1 = hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()
    sha256 = hashlib.sha256(content).hexdigest()
    file = (
        TreeFile(path, len(content), "1" * 40, sha256)
        if lfs
        else TreeFile(path, len(content), sha1)
    )
    return FileRequest(key, COMMIT, file)


def fetch(
    endpoint: str, request: FileRequest, folder: Path, **options: Any
) -> tuple[FetchedFile, Upstream]:
    """Fetch one file into ``folder``, with a check that progress adds up."""
    steps: list[int] = []
    fetched, there = ask(endpoint, lambda hub: hub.fetch(request, folder, steps.append), **options)
    assert sum(steps) == request.file.size
    return fetched, there


def left(folder: Path) -> list[str]:
    """What lies in the folder, by name."""
    return sorted(path.name for path in folder.iterdir())
