"""The bytes of a blob on their way to a client.

The blob is opened before the first byte is sent and read through that one descriptor, so
whatever a sync, a prune or a repair does meanwhile, the client gets what it began to get.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import stat
from collections.abc import Sequence
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.types import Receive, Scope, Send

from mirror.serve.ranges import Span

#: Read and sent in one go, without a thread: most files of most repos are smaller.
_AT_ONCE: Final = 128 << 10
#: Bytes in memory for each client that is being sent a large file, at most twice that.
_CHUNK: Final = 1 << 20


def open_blob(name: str, size: int) -> int | None:
    """Open a blob for reading and give its descriptor; ``None`` if it is not as it must be.

    A link is never followed: the store makes none, and one could lead out of it.
    """
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    found = os.fstat(descriptor)
    if stat.S_ISREG(found.st_mode) and found.st_size == size:
        return descriptor
    os.close(descriptor)
    return None


#: Header lines as ASGI has them: most answers are files, and Starlette's own Response spends
#: more time on turning text into these than the rest of such an answer takes.
RawHeaders = Sequence[tuple[bytes, bytes]]


class BlobResponse:
    """Sends a span of an open blob, and closes it. Any ASGI app can hand over to one."""

    def __init__(self, descriptor: int, span: Span, status: int, headers: RawHeaders) -> None:
        self._descriptor = descriptor
        self._span = span
        self._status = status
        self._headers = [*headers, (b"content-length", b"%d" % (span.end - span.start))]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it, until the client has gone. One that takes nothing is cut by ``connection``."""
        try:
            head = {"type": "http.response.start", "status": self._status}
            await send({**head, "headers": self._headers})
            length = self._span.end - self._span.start
            if scope["method"] == "HEAD" or length == 0:
                await send({"type": "http.response.body", "body": b""})
            elif length <= _AT_ONCE:
                body = self._read(self._span.start, length)
                await send({"type": "http.response.body", "body": body})
            else:
                await self._stream(receive, send)
        finally:
            os.close(self._descriptor)

    async def _stream(self, receive: Receive, send: Send) -> None:
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            place = self._span.start
            while place < self._span.end and not gone.done():
                length = min(_CHUNK, self._span.end - place)
                body = await run_in_threadpool(self._read, place, length)
                place += len(body)
                more = place < self._span.end
                await send({"type": "http.response.body", "body": body, "more_body": more})
        finally:
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    def _read(self, place: int, length: int) -> bytes:
        body = os.pread(self._descriptor, length, place)
        if len(body) != length:
            raise OSError(f"a blob became shorter while it was sent: {len(body)} of {length} bytes")
        return body


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
