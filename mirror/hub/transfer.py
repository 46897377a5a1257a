"""The bytes of one file: one GET for a small one, resumable ranges for a large one.

What is given back has the size and the digest that the tree states. Nothing else stays
on disk, except the resumable part of a large file that was interrupted.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from pathlib import Path
from typing import Final
from urllib.parse import quote

import aiohttp
from yarl import URL

from mirror.errors import BadAnswerError, TransportError
from mirror.hub.answers import printable, shown
from mirror.hub.hashing import ContentHash
from mirror.hub.limits import Bandwidth
from mirror.hub.model import FetchedFile, FileRequest
from mirror.hub.partial import disk_errors, write_all
from mirror.hub.retry import with_retries
from mirror.hub.session import Session
from mirror.names import check_repo_path
from mirror.settings import TransferSettings

#: Up to here a file is kept in memory until its digest is right, then written at once.
SMALL: Final = 2**20

Progress = Callable[[int], None]


class Transfer:
    """Fetches files over a session."""

    def __init__(self, session: Session, settings: TransferSettings, bandwidth: Bandwidth) -> None:
        self._session = session
        self._settings = settings
        self._bandwidth = bandwidth
        self._numbers = itertools.count()

    def close(self) -> None:
        """Give back what is not bound to one file."""

    async def fetch(self, request: FileRequest, partial: Path, progress: Progress) -> FetchedFile:
        """Fetch one file; see :meth:`Upstream.fetch`."""
        check_repo_path(request.file.path)
        url = file_url(self._session.endpoint, request)
        return await self._fetch_small(request, url, partial, progress)

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
            check_whole(response, request, url)
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
            raise wrong_size(request, url, "more")
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


def check_whole(response: aiohttp.ClientResponse, request: FileRequest, url: URL) -> None:
    """Refuse an answer that cannot be the whole file as it is."""
    if response.status != 200:
        raise BadAnswerError(f"{shown(url)} answers {response.status} to a plain GET")
    check_encoding(response, url)
    length = response.content_length
    if length is not None and length != request.file.size:
        raise wrong_size(request, url, str(length))


def check_encoding(response: aiohttp.ClientResponse, url: URL) -> None:
    """Refuse compressed bytes: their length and ranges would mean something else."""
    encoding = response.headers.get("Content-Encoding", "identity")
    if encoding.lower() != "identity":
        raise BadAnswerError(f"{shown(url)} answers with Content-Encoding {printable(encoding)!r}")


def wrong_size(request: FileRequest, url: URL, sent: str) -> BadAnswerError:
    """Say that the size is not the tree's."""
    return BadAnswerError(f"{shown(url)} has {sent} bytes, and the tree states {request.file.size}")
