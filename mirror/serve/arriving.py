"""The bytes of a file on their way to a client while they come from upstream.

Nothing is known to be right before all has come. So an end of every answer is held back until
the whole file is verified: a client gets all that it was promised, and it is right, or the
connection is cut before that, and the client knows that it has nothing.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from mirror.serve.ranges import Span
from mirror.sync.arriving import Arrival, Arriving

#: Bytes in memory for each client.
_CHUNK: Final = 1 << 20
#: Held back until the file is verified, if the answer has so many: one goes out now and then.
_HELD: Final = 64 << 10
#: Seconds of silence that a client bears; the Hub's own give up after 10.
_PATIENCE: Final = 4.0

_log: Final = logging.getLogger("mirror.serve")


@contextmanager
def _changes(arriving: Arriving) -> Iterator[asyncio.Event]:
    """Give an event of this loop that is set upon every change."""
    loop, event = asyncio.get_running_loop(), asyncio.Event()

    def changed() -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
            loop.call_soon_threadsafe(event.set)

    with arriving.watched(changed):
        yield event


async def changed_until(
    arriving: Arriving, enough: Callable[[Arrival], bool], seconds: float
) -> Arrival:
    """Wait until a file has come as far as is enough, or some seconds; give how far it is."""
    deadline = time.monotonic() + seconds
    with _changes(arriving) as event:
        while not enough(arriving.state) and (left := deadline - time.monotonic()) > 0:
            await _wait(event, left)
    return arriving.state


async def _wait(event: asyncio.Event, seconds: float) -> bool:
    """Wait for the event and clear it; give whether it came."""
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return False
    event.clear()
    return True


class ArrivingResponse(Response):
    """Sends a span of a file that is coming in."""

    def __init__(
        self,
        arriving: Arriving,
        descriptor: int,
        attempt: int,
        span: Span,
        status: int,
        headers: Mapping[str, str],
    ) -> None:
        """Take ``descriptor`` over; its bytes are those of ``attempt``."""
        super().__init__(None, status, {**headers, "content-length": str(span.end - span.start)})
        self._arriving = arriving
        self._descriptor = descriptor
        self._attempt = attempt
        self._span = span
        self._place = span.start

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send it; end early, without the last byte, where it turns out to be wrong."""
        gone = asyncio.ensure_future(_disconnected(receive))
        try:
            head = {"type": "http.response.start", "status": self.status_code}
            await send({**head, "headers": self.raw_headers})
            if await self._until_verified(send, gone):
                while self._place < self._span.end and not gone.done():
                    await self._send(send, self._span.end)
        finally:
            os.close(self._descriptor)
            gone.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await gone

    async def _until_verified(self, send: Send, gone: asyncio.Future[None]) -> bool:
        """Send what has come, but for an end of it; give whether the whole is right."""
        with _changes(self._arriving) as event:
            while not gone.done():
                state = self._arriving.state
                if state.attempt != self._attempt or state.error is not None:
                    _log.warning("an answer was cut: what came from upstream was no good")
                    return False
                if state.digest is not None:
                    return True
                if self._place < (end := min(state.end, self._span.end - _HELD)):
                    await self._send(send, end)
                elif not await _wait(event, _PATIENCE):
                    await self._send(send, min(state.end, self._span.end - 1, self._place + 1))
        return False

    async def _send(self, send: Send, end: int) -> None:
        """Send at most a chunk of what is there up to ``end``."""
        length = min(_CHUNK, end - self._place)
        if length <= 0:
            return
        body = await run_in_threadpool(os.pread, self._descriptor, length, self._place)
        if not body:
            raise OSError("what had arrived is gone")
        self._place += len(body)
        more = self._place < self._span.end
        await send({"type": "http.response.body", "body": body, "more_body": more})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
