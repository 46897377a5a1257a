"""A server that sends what a test tells it to, byte for byte: for answers no framework gives."""

from __future__ import annotations

import asyncio
import re
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

#: Gives the bytes to send; or sends them itself, and gives ``None``.
Script = Callable[["Asked", asyncio.StreamWriter], Awaitable[bytes | None]]


@dataclass(frozen=True)
class Asked:
    """One request: its target as sent, and its headers with names in lower case."""

    target: str
    headers: dict[str, str]
    connection: int
    """The number of the TCP connection it came over."""

    @property
    def span(self) -> tuple[int, int] | None:
        """The range asked for, its end exclusive."""
        match = re.fullmatch(r"bytes=(\d+)-(\d+)", self.headers.get("range", ""))
        return (int(match[1]), int(match[2]) + 1) if match else None


@dataclass
class Raw:
    """The running server."""

    script: Script
    endpoint: str = ""
    asked: list[Asked] = field(default_factory=list)
    connections: int = 0

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        number = self.connections
        try:
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
                first, *lines = head.strip().split("\r\n")
                headers = {
                    name.lower(): value.strip()
                    for name, _, value in (line.partition(":") for line in lines)
                }
                asked = Asked(first.split(" ")[1], headers, number)
                self.asked.append(asked)
                answer = await self.script(asked, writer)
                if answer is not None:
                    writer.write(answer)
                await writer.drain()
        except (asyncio.IncompleteReadError, asyncio.CancelledError, ConnectionError):
            return
        finally:
            writer.close()


@contextmanager
def serving(script: Script) -> Iterator[Raw]:
    """Serve on a free port of 127.0.0.1 while the block runs."""
    raw = Raw(script)
    ready, loops = threading.Event(), []

    async def main() -> None:
        server = await asyncio.start_server(raw._serve, "127.0.0.1", 0)
        raw.endpoint = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        stop = asyncio.Event()
        loops.append((asyncio.get_running_loop(), stop))
        ready.set()
        await stop.wait()
        server.close()

    thread = threading.Thread(target=asyncio.run, args=(main(),), daemon=True)
    thread.start()
    assert ready.wait(10)
    try:
        yield raw
    finally:
        loop, stop = loops[0]
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)


def answer(body: bytes = b"", status: str = "200 OK", **headers: str) -> bytes:
    """Write an answer; ``content_length`` and others may be given, ``""`` leaves one out."""
    named = {"content_length": str(len(body)), **headers}
    lines = [f"{name.replace('_', '-')}: {value}" for name, value in named.items() if value]
    return "\r\n".join([f"HTTP/1.1 {status}", *lines, "", ""]).encode("latin-1") + body


def part(content: bytes, asked: Asked) -> bytes:
    """Answer for a file as a good server does: whole, or the range that was asked for."""
    if asked.span is None:
        return answer(content)
    start, end = asked.span
    where = f"bytes {start}-{end - 1}/{len(content)}"
    return answer(content[start:end], "206 Partial Content", content_range=where)
