"""One large file: several connections where that helps, resumable, hashed meanwhile.

The parts that connections claim (``ranges``), their number (``ramp``), the bytes on
disk (``partial``) and the digest (``hashing``) are kept elsewhere; this joins them.
However a fetch ends, what is written is in the journal; only wrong bytes are removed.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from concurrent.futures import Executor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
from yarl import URL

from mirror.errors import (
    BadAnswerError,
    DiskError,
    RateLimitError,
    TransportError,
    UpstreamError,
    WrongBytesError,
)
from mirror.hub.answers import shown
from mirror.hub.bodies import check_range, check_whole
from mirror.hub.hashing import Follower
from mirror.hub.limits import Bandwidth
from mirror.hub.model import FetchedFile, FileRequest
from mirror.hub.partial import PartialFile
from mirror.hub.ramp import Ramp
from mirror.hub.ranges import Claim, Segments
from mirror.hub.session import Session
from mirror.settings import TransferSettings

Progress = Callable[[int], None]

#: A connection's bytes go to the journal so often: what a kill can cost, at most.
_RECORD: Final = 4 * 2**20
#: A failure after so many new bytes is not the same failure again.
_HEADWAY: Final = 2**20
_TICK: Final = 0.1


@dataclass(frozen=True)
class Target:
    """What is fetched, and from where."""

    request: FileRequest
    url: URL


class LargeFetch:
    """The fetch of one file; used once."""

    def __init__(
        self,
        session: Session,
        settings: TransferSettings,
        bandwidth: Bandwidth,
        pool: Executor,
        target: Target,
        partial: PartialFile,
        progress: Progress,
        arrived: Progress,
    ) -> None:
        self._session = session
        self._bandwidth = bandwidth
        self._target = target
        self._partial = partial
        self._progress = progress
        self._arrived = arrived
        self._size = target.request.file.size
        self._segments = Segments(self._size, partial.done)
        self._least_remaining = self._segments.remaining
        self._follower = Follower(target.request, partial, pool)
        self._ramp = Ramp(settings.connections_per_file, time.monotonic())
        self._connections: list[asyncio.Task[None]] = []
        self._flowing = 0
        self._received = 0
        self._source = target.url
        """Where redirects led: asked directly, so that ranges spare upstream's budget."""
        self._etags: dict[str | None, str] = {}

    async def run(self) -> FetchedFile:
        """Fetch what is missing, and check the whole."""
        self._progress(self._size - self._segments.remaining)
        self._advance()
        hashing = asyncio.create_task(self._follower.run())
        try:
            await self._supervise(hashing)
            sha256 = await hashing
            self._partial.finish()
        except WrongBytesError:
            self._progress(-self._size)
            self._partial.discard()
            raise
        finally:
            await self._stop([hashing, *self._connections])
            self._partial.close()
        return FetchedFile(str(self._partial.path), sha256, self._size, self._received)

    async def _supervise(self, hashing: asyncio.Task[str]) -> None:
        """Keep as many connections at work as help, until every byte is there."""
        while self._segments.remaining or self._connections:
            self._adjust_connections()
            await asyncio.wait(
                [*self._connections, *([] if hashing.done() else [hashing])],
                timeout=_TICK,
                return_when=asyncio.FIRST_COMPLETED,
            )
            self._reap(hashing)
            self._ramp.observe(
                time.monotonic(), self._session.counts.bytes, time.thread_time(), self._flowing
            )

    def _reap(self, hashing: asyncio.Task[str]) -> None:
        """Let go of the connections that have ended, and raise what ended the first of them."""
        ended: list[asyncio.Task[Any]] = [task for task in self._connections if task.done()]
        self._connections = [task for task in self._connections if not task.done()]
        ended += [hashing] if hashing.done() else []
        errors = [task.exception() for task in ended if not task.cancelled()]
        for error in filter(None, errors):
            raise error

    def _adjust_connections(self) -> None:
        for task in self._connections[self._ramp.target :]:
            task.cancel()
        while len(self._connections) < self._ramp.target:
            claim = self._segments.claim(self._ramp.target)
            if claim is None:
                return
            self._connections.append(asyncio.create_task(self._work(claim)))

    @staticmethod
    async def _stop(tasks: Sequence[asyncio.Task[Any]]) -> None:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _work(self, claim: Claim | None) -> None:
        """Be one connection: fetch part after part, as long as parts and tries are left."""
        failures = 0
        while claim is not None:
            start = claim.position
            try:
                await self._attempt(claim)
                failures = 0
            except RateLimitError:
                raise
            except TransportError:
                headway = self._made_headway() and claim.position - start >= _HEADWAY
                failures = 1 if headway else failures + 1
                if failures > 1 and len(self._connections) > 1:
                    # Upstream has enough of us: the others do the rest.
                    self._ramp.limit(len(self._connections) - 1, time.monotonic())
                    return
                if failures > self._session.backoff.retries:
                    raise
                self._source = self._target.url
                self._session.counts.retries += 1
            finally:
                self._segments.release(claim)
            if failures:
                await asyncio.sleep(self._session.backoff.delay(failures))
            if len(self._connections) > self._ramp.target:
                return
            claim = self._segments.claim(self._ramp.target)

    def _made_headway(self) -> bool:
        """Whether fewer bytes are missing than at any failure before."""
        before, now = self._least_remaining, self._segments.remaining
        self._least_remaining = min(before, now)
        return now <= before - _HEADWAY

    async def _attempt(self, claim: Claim) -> None:
        """Fetch a claim from where redirects led before, else from upstream."""
        if self._source != self._target.url:
            try:
                await self._fetch_claim(claim, self._source)
                return
            except UpstreamError:
                # A signed address that has expired; upstream gives a new one.
                self._source = self._target.url
        await self._fetch_claim(claim, self._source)

    async def _fetch_claim(self, claim: Claim, url: URL) -> None:
        start, end = claim.position, claim.end
        whole = start == 0 and end == self._size
        ranges = None if whole else f"bytes={start}-{end - 1}"
        async with self._session.get_file(url, ranges=ranges) as response:
            if whole:
                check_whole(response, self._size)
            elif response.status == 206:
                end = check_range(response, start, end, self._size)
            elif self._takes_whole(claim, response):
                end = self._size
            else:
                return
            self._check_same(response)
            self._source = response.url
            self._flowing += 1
            try:
                await self._copy(response, claim, end)
            finally:
                self._flowing -= 1

    def _takes_whole(self, claim: Claim, response: aiohttp.ClientResponse) -> bool:
        """Take a 200 for a range: the server knows no ranges, so one connection from 0."""
        self._ramp.limit(1, time.monotonic(), for_good=True)
        if len(self._connections) > 1:
            return False
        check_whole(response, self._size)
        self._progress(self._segments.remaining - self._size)
        self._partial.restart()
        self._follower.restart()
        self._segments.restart(claim)
        return True

    def _check_same(self, response: aiohttp.ClientResponse) -> None:
        """Refuse parts of two different things from one host."""
        etag = response.headers.get("ETag")
        if etag is not None and self._etags.setdefault(response.url.host, etag) != etag:
            raise BadAnswerError(f"{shown(response.url)} has changed while it was fetched")

    async def _copy(self, response: aiohttp.ClientResponse, claim: Claim, end: int) -> None:
        """Copy a body to disk as far as the claim goes; it may move while we copy."""
        recorded = claim.position
        try:
            while claim.position < claim.end:
                chunk = await response.content.readany()
                if not chunk:
                    raise TransportError(
                        f"{shown(response.url)} ends after {claim.position} of {end} bytes"
                    )
                await self._take(chunk, claim)
                if claim.position - recorded >= _RECORD:
                    self._partial.record(recorded, claim.position)
                    recorded = claim.position
                if claim.position == claim.end:
                    self._segments.extend(claim, end, self._ramp.target)
        finally:
            with suppress(DiskError):
                self._partial.record(recorded, claim.position)

    async def _take(self, chunk: bytes, claim: Claim) -> None:
        self._session.counts.bytes += len(chunk)
        self._received += len(chunk)
        part = memoryview(chunk)[: claim.end - claim.position]
        self._partial.write(part, claim.position)
        claim.position += len(part)
        self._progress(len(part))
        self._advance()
        await self._bandwidth.spend(len(chunk))

    def _advance(self) -> None:
        frontier = self._segments.frontier
        self._follower.advance(frontier)
        self._arrived(frontier)
