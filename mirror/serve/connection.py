"""One connection: limits for what a client sends, and for how long it takes.

uvicorn limits neither the head of a request nor the time for it. Here a request must
arrive whole, within a time and a size; and a client that takes nothing of an answer for a
long time is cut off. Times are generous: a streaming data set may pause for minutes.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

if TYPE_CHECKING:
    from uvicorn._types import ASGIReceiveCallable, ASGISendCallable, Scope


@dataclass(frozen=True)
class Limits:
    """What one client may take."""

    head_bytes: int = 65_536
    """The request line and all headers. The Hub's clients send about 1,000."""
    body_bytes: int = 8 << 20
    """Twice what the app takes, which says with a sentence that it is too much."""
    request_seconds: float = 30.0
    """From the connection, or from a request's first byte, to its last."""
    stall_seconds: float = 600.0
    """Without taking anything of an answer."""
    connections: int = 1024


class Connection(HttpToolsProtocol):
    """uvicorn's, with :class:`Limits`."""

    limits: ClassVar[Limits] = Limits()

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Begin to wait for a request."""
        super().connection_made(transport)
        self._open_request = True
        self._head_done = False
        self._received = 0
        self._stalled: asyncio.TimerHandle | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._running: RequestResponseCycle | None = None
        self._await_request()

    def connection_lost(self, exc: Exception | None) -> None:
        """Drop the timers."""
        self._drop_overdue()
        self._drop_stalled()
        if self._running is not None:  # uvicorn tells the newest request alone, of a row of them
            self._running.disconnected = True
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take bytes of a request; cut off what grows beyond the limits."""
        if self.transport.is_closing():
            return
        self._received += len(data)
        super().data_received(data)
        if not self._head_done and self._received > self.limits.head_bytes:
            self._refuse(431, "Request Header Fields Too Large")
        elif not self._open_request:
            self._drop_overdue()
        elif self._overdue is None:  # a request that came whole has needed no timer
            self._await_request()

    def on_message_begin(self) -> None:
        """Begin a request."""
        self._open_request = True
        self._head_done = False
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """Hand the request over; one with a huge head to an app that refuses it."""
        self._head_done = True
        head = len(self.url) + sum(len(name) + len(value) + 4 for name, value in self.headers)
        if head > self.limits.head_bytes:
            self.app = _refuse_head
        self._received = 0
        super().on_headers_complete()
        if not self.pipeline:
            self._running = self.cycle

    def on_response_complete(self) -> None:
        """Go on to the next request of a row."""
        self._running = self.pipeline[-1][0] if self.pipeline else None
        super().on_response_complete()

    def on_body(self, body: bytes) -> None:
        """Take a part of the body."""
        if self._received > self.limits.body_bytes + self.limits.head_bytes:
            self._refuse(413, "Content Too Large")
            return
        super().on_body(body)

    def on_message_complete(self) -> None:
        """Note that nothing of this request is outstanding."""
        self._open_request = False
        self._received = 0
        super().on_message_complete()

    def pause_writing(self) -> None:
        """Begin to count how long the client takes nothing."""
        super().pause_writing()
        if self._stalled is None:
            self._stalled = self.loop.call_later(self.limits.stall_seconds, self._give_up)

    def resume_writing(self) -> None:
        """The client goes on."""
        super().resume_writing()
        self._drop_stalled()

    def _await_request(self) -> None:
        self._overdue = self.loop.call_later(self.limits.request_seconds, self._too_late)

    def _drop_overdue(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _drop_stalled(self) -> None:
        if self._stalled is not None:
            self._stalled.cancel()
            self._stalled = None

    def _too_late(self) -> None:
        self._overdue = None
        if self._open_request and not self.transport.is_closing():
            self._refuse(408, "Request Timeout")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer without the app, unless one is being sent, and close."""
        if self.transport.is_closing():
            return
        if self.cycle is None or self.cycle.response_complete or not self.cycle.response_started:
            head = f"HTTP/1.1 {status} {reason}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
            self.transport.write(head.encode())
        self.transport.close()

    def _give_up(self) -> None:
        self._stalled = None
        self.transport.abort()


def connection_class(limits: Limits) -> type[Connection]:
    """Give the class of connections with other limits, for uvicorn's ``http`` setting."""
    return type("Connection", (Connection,), {"limits": limits})


async def _refuse_head(
    _scope: Scope, _receive: ASGIReceiveCallable, send: ASGISendCallable
) -> None:
    headers = [(b"content-length", b"0"), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 431, "headers": headers})
    await send({"type": "http.response.body", "body": b"", "more_body": False})
