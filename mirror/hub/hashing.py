r"""Checking that bytes are the file that the tree states, while they come in.

The identity of an LFS file is its sha256; of any other file git's sha1, which covers
``blob <size>\0`` and the content. Blobs are named by sha256, so that is always taken.
"""

from __future__ import annotations

import asyncio
import hashlib
from concurrent.futures import Executor
from typing import Final

from mirror.errors import WrongBytesError
from mirror.hub.model import FileRequest
from mirror.hub.partial import PartialFile

#: Bytes worth waking a thread for, the most it takes on at once, and its buffer.
_STEP: Final = 8 * 2**20
_MOST: Final = 64 * 2**20
_BUFFER: Final = 2**20


class ContentHash:
    """The digests of one file's content, fed in order."""

    def __init__(self, request: FileRequest) -> None:
        self._request = request
        self._sha256 = hashlib.sha256(usedforsecurity=False)
        self._git_sha1 = None
        if request.file.lfs_sha256 is None:
            self._git_sha1 = hashlib.sha1(b"blob %d\0" % request.file.size, usedforsecurity=False)

    def update(self, data: bytes | bytearray | memoryview) -> None:
        """Add the next bytes; above 2 KiB other threads run meanwhile."""
        self._sha256.update(data)
        if self._git_sha1 is not None:
            self._git_sha1.update(data)

    def verified_sha256(self) -> str:
        """Give the sha256 of the whole content.

        Raises:
            WrongBytesError: the content is not what the tree states.
        """
        sha256 = self._sha256.hexdigest()
        got = sha256 if self._git_sha1 is None else self._git_sha1.hexdigest()
        file = self._request.file
        if got != file.etag:
            raise WrongBytesError(
                f"{file.path!r} of {self._request.key}: upstream sent {file.size} bytes with "
                f"the digest {got}, the tree states {file.etag}"
            )
        return sha256


class Follower:
    """Hashes a file that is being written, behind the writers and in another thread.

    It reads back from the page cache, so it works the same for one connection, for
    several at once, and for what an earlier run left on disk.
    """

    def __init__(self, request: FileRequest, partial: PartialFile, pool: Executor) -> None:
        self._request = request
        self._partial = partial
        self._pool = pool
        self._position = 0
        self._frontier = 0
        self._digest = ContentHash(request)
        self._grown = asyncio.Event()

    def advance(self, frontier: int) -> None:
        """Say up to where the file has no gap."""
        self._frontier = frontier
        if frontier - self._position >= _STEP or frontier == self._request.file.size:
            self._grown.set()

    def restart(self) -> None:
        """Begin again: the bytes before are void."""
        self._position = self._frontier = 0
        self._digest = ContentHash(self._request)

    async def run(self) -> str:
        """Follow to the end of the file, and give its sha256.

        Raises:
            WrongBytesError: the content is not what the tree states.
        """
        loop = asyncio.get_running_loop()
        while self._position < self._request.file.size:
            await self._grown.wait()
            self._grown.clear()
            digest, start = self._digest, self._position
            end = min(self._frontier, start + _MOST)
            job = loop.run_in_executor(self._pool, self._feed, digest, start, end)
            try:
                await asyncio.shield(job)
            except asyncio.CancelledError:
                # The thread reads from a descriptor that is about to be closed.
                await asyncio.wait([job])
                raise
            if digest is self._digest:
                self._position = end
                self.advance(self._frontier)
        return self._digest.verified_sha256()

    def _feed(self, digest: ContentHash, start: int, end: int) -> None:
        buffer = memoryview(bytearray(min(_BUFFER, end - start)))
        while start < end:
            count = self._partial.read_into(buffer[: end - start], start)
            digest.update(buffer[:count])
            start += count
