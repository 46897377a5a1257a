"""An answer as a value, and how it goes out: whole, or with what was ordered to go wrong."""

from __future__ import annotations

import asyncio
import gzip
import json
import os
import socket
import struct
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, MutableMapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from tests.fakehub.content import Content, MemoryContent
from tests.fakehub.faults import (
    Corrupt,
    Edit,
    Kind,
    Reset,
    Slow,
    Stall,
    Throttle,
    Truncate,
    WrongLength,
)

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]


@dataclass(frozen=True)
class Reply:
    """Status, headers, and a slice of a content as the body."""

    status: int
    headers: dict[str, str] = field(default_factory=dict)
    content: Content = field(default_factory=lambda: MemoryContent(b""))
    start: int = 0
    end: int | None = None

    @property
    def length(self) -> int:
        """Bytes of the body."""
        return (self.content.size if self.end is None else self.end) - self.start

    def with_body(self, body: bytes) -> Reply:
        """The same answer with other bytes."""
        return replace(self, content=MemoryContent(body), start=0, end=None)

    def bytes(self) -> bytes:
        """The body as a whole."""
        return b"".join(self.content.chunks(self.start, self.end))


def json_reply(value: object, status: int = 200, **headers: str) -> Reply:
    """Answer with JSON."""
    body = json.dumps(value, ensure_ascii=False).encode("utf-8", "surrogatepass")
    named = {name.replace("_", "-"): text for name, text in headers.items()}
    return Reply(
        status, {"content-type": "application/json; charset=utf-8", **named}, MemoryContent(body)
    )


def error_reply(status: int, code: str | None, message: str, **headers: str) -> Reply:
    """Answer with an error as the Hub words it: JSON, X-Error-Code and X-Error-Message."""
    named = {"x_error_message": message.encode("ascii", "replace").decode(), **headers}
    if code:
        named["x_error_code"] = code
    return json_reply({"error": message}, status, **named)


def page_not_found() -> Reply:
    """Answer a path that the Hub does not know."""
    return error_reply(404, None, "Sorry, we can't find the page you are looking for.")


def compress(reply: Reply) -> Reply:
    """The same answer with ``Content-Encoding: gzip``."""
    headers = {**reply.headers, "content-encoding": "gzip", "vary": "accept-encoding"}
    return replace(reply, headers=headers).with_body(gzip.compress(reply.bytes(), mtime=0))


def spoil(reply: Reply, kinds: Sequence[Kind]) -> Reply:
    """Apply the faults that change the bytes but not the way they are sent."""
    for kind in kinds:
        if isinstance(kind, Edit):
            reply = reply.with_body(kind.change(reply.bytes()))
        elif isinstance(kind, WrongLength):
            body = reply.bytes()
            longer = body + b"?" * kind.by if kind.by > 0 else body[: kind.by]
            reply = reply.with_body(longer)
        elif isinstance(kind, Corrupt) and reply.length:
            at = min(kind.at, reply.length - 1)
            reply = replace(reply, content=_Flipped(reply.content, reply.start + at))
    return reply


class _Flipped(Content):
    """A content with one byte changed."""

    def __init__(self, content: Content, at: int) -> None:
        self.inner, self.at, self.size = content, at, content.size

    def read(self, start: int, end: int) -> bytes:
        data = self.inner.read(start, end)
        place = self.at - start
        if 0 <= place < len(data):
            data = data[:place] + bytes([data[place] ^ 0xFF]) + data[place + 1 :]
        return data


@dataclass
class Line:
    """One request's connection: what ASGI gives, and the transport below it."""

    scope: Message
    receive: Receive
    send: Send

    @property
    def transport(self) -> asyncio.Transport:
        """The TCP connection."""
        transport: asyncio.Transport = self.scope["fakehub.transport"]
        return transport

    async def gone(self) -> None:
        """Wait until the client has gone away (or was cut off)."""
        while (await self.receive())["type"] != "http.disconnect":
            pass

    async def cut(self) -> None:
        """Close the connection in an orderly way: the client sees an early end."""
        self.transport.close()
        await self.gone()

    async def reset(self) -> None:
        """Reset the connection: the client sees ECONNRESET."""
        raw = self.transport.get_extra_info("socket")
        with socket.socket(fileno=os.dup(raw.fileno())) as twin:
            twin.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.transport.abort()
        await self.gone()


async def transmit(reply: Reply, kinds: Sequence[Kind], line: Line) -> int:
    """Send an answer, with faults; give how many bytes of body went out."""
    for kind in kinds:
        if isinstance(kind, Slow):
            await asyncio.sleep(kind.seconds)
        elif kind == Stall(None):
            await line.gone()
            return 0
        elif kind == Reset(None):
            await line.reset()
            return 0
    reply = spoil(reply, kinds)
    await line.send(_start(reply))
    if line.scope["method"] == "HEAD":
        await line.send({"type": "http.response.body", "body": b""})
        return 0
    return await _send_body(reply, kinds, line)


def _start(reply: Reply) -> Message:
    headers = {**reply.headers}
    if reply.status not in (204, 304):
        headers["content-length"] = str(reply.length)
    raw = [(name.encode(), value.encode("latin-1")) for name, value in headers.items()]
    return {"type": "http.response.start", "status": reply.status, "headers": raw}


async def _send_body(reply: Reply, kinds: Sequence[Kind], line: Line) -> int:
    left, after = _end_early(kinds)
    rate = next((kind.rate for kind in kinds if isinstance(kind, Throttle)), None)
    total = reply.length if left is None else min(left, reply.length)
    pieces = reply.content.chunks(reply.start, reply.start + total)
    sent = 0
    async for piece in _paced(pieces, rate):
        sent += len(piece)
        last = sent == total and after is None
        await line.send({"type": "http.response.body", "body": piece, "more_body": not last})
    if after is not None:
        await after(line)
    elif total == 0:
        await line.send({"type": "http.response.body", "body": b""})
    return sent


def _end_early(
    kinds: Sequence[Kind],
) -> tuple[int | None, Callable[[Line], Awaitable[None]] | None]:
    """Say after how many bytes to stop, and what to do to the connection then."""
    for kind in kinds:
        if isinstance(kind, Truncate):
            return kind.at, Line.cut
        if isinstance(kind, Stall):
            return kind.after, Line.gone
        if isinstance(kind, Reset):
            return kind.after, Line.reset
    return None, None


async def _paced(pieces: Iterator[bytes], rate: int | None) -> AsyncIterator[bytes]:
    """Give the pieces, cut small and held back so that ``rate`` bytes a second are kept."""
    if rate is None:
        for piece in pieces:
            yield piece
        return
    step = max(1, rate // 25)
    loop = asyncio.get_running_loop()
    due = loop.time()
    for piece in pieces:
        for start in range(0, len(piece), step):
            part = piece[start : start + step]
            yield part
            due += len(part) / rate
            await asyncio.sleep(max(0.0, due - loop.time()))
