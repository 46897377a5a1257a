"""The bytes of one file: one GET for a small one, resumable ranges for a large one.

What is given back has the size and the digest that the tree states. Nothing else stays
on disk, except the resumable part of a large file that was interrupted.
"""

from __future__ import annotations

import asyncio
import itertools
import os
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final
from urllib.parse import quote
from weakref import WeakValueDictionary

from yarl import URL

from mirror.errors import TransportError
from mirror.hub.answers import shown
from mirror.hub.bodies import check_whole, wrong_size
from mirror.hub.hashing import ContentHash
from mirror.hub.large import LargeFetch, Progress, Target
from mirror.hub.limits import Bandwidth
from mirror.hub.model import FetchedFile, FileRequest
from mirror.hub.partial import PartialFile, disk_errors, write_all
from mirror.hub.retry import with_retries
from mirror.hub.session import Session
from mirror.names import check_repo_path
from mirror.settings import TransferSettings

#: Up to here a file is kept in memory until its digest is right, then written at once.
SMALL: Final = 2**20


class Transfer:
    """Fetches files over a session."""

    def __init__(self, session: Session, settings: TransferSettings, bandwidth: Bandwidth) -> None:
        self._session = session
        self._settings = settings
        self._bandwidth = bandwidth
        self._numbers = itertools.count()
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        # Not the loop's own threads: name look-ups need those while files are hashed.
        self._hashers = ThreadPoolExecutor(min(4, os.cpu_count() or 1), "hash")

    def close(self) -> None:
        """Let the threads go; no fetch may be under way."""
        self._hashers.shutdown()

    async def fetch(
        self, request: FileRequest, partial: Path, progress: Progress, arrived: Progress
    ) -> FetchedFile:
        """Fetch one file; see :meth:`Upstream.fetch`."""
        check_repo_path(request.file.path)
        url = file_url(self._session.endpoint, request)
        if request.file.size <= SMALL:
            return await self._fetch_small(request, url, partial, progress)
        # Two fetches of the same bytes share a file in `partial`: one after the other.
        lock = self._locks.setdefault(partial / request.file.etag, asyncio.Lock())
        async with lock:
            return await self._fetch_large(request, url, partial, (progress, arrived))

    async def _fetch_large(
        self, request: FileRequest, url: URL, partial: Path, watchers: tuple[Progress, Progress]
    ) -> FetchedFile:
        fetch = LargeFetch(
            self._session,
            self._settings,
            self._bandwidth,
            self._hashers,
            Target(request, url),
            PartialFile(partial, request.file.etag, request.file.size),
            *watchers,
        )
        return await fetch.run()

    async def _fetch_small(
        self, request: FileRequest, url: URL, partial: Path, progress: Progress
    ) -> FetchedFile:
        content = await with_retries(
            lambda: self._read_whole(request, url), self._session.backoff, self._session.counts
        )
        digest = ContentHash(request)
        digest.update(content)
        sha256 = digest.verified_sha256()
        path = self._write(content, partial, request.file.etag)
        progress(len(content))
        return FetchedFile(path, sha256, len(content), len(content))

    async def _read_whole(self, request: FileRequest, url: URL) -> bytes:
        async with self._session.get_file(url, brief=True) as response:
            check_whole(response, request.file.size)
            chunks: list[bytes] = []
            size = 0
            while chunk := await response.content.readany():
                size += len(chunk)
                self._session.counts.bytes += len(chunk)
                if size > request.file.size:
                    break
                chunks.append(chunk)
                await self._bandwidth.spend(len(chunk))
        if size > request.file.size:
            raise wrong_size(response.url, "more", request.file.size)
        if size < request.file.size:
            raise TransportError(f"{shown(url)} ends after {size} of {request.file.size} bytes")
        return chunks[0] if len(chunks) == 1 else b"".join(chunks)

    def _write(self, content: bytes, partial: Path, etag: str) -> str:
        path = f"{partial}/{etag}.{os.getpid()}-{next(self._numbers)}.small"
        with disk_errors(partial):
            descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)
            try:
                write_all(descriptor, content, 0)
            except OSError:
                Path(path).unlink(missing_ok=True)
                raise
            finally:
                os.close(descriptor)
        return path


def file_url(endpoint: str, request: FileRequest) -> URL:
    """Give the address of a file's bytes: ``…/resolve/<commit>/<path>``."""
    key, path = request.key, quote(request.file.path, safe="/")
    return URL(
        f"{endpoint}/{key.repo_type.url_prefix}{key.repo_id}/resolve/{request.commit}/{path}",
        encoded=True,
    )
