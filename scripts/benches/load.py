"""``python -m scripts.benches.load``: ask a server as fast as one process can.

Reads a JSON object from standard input (``port``, ``requests``, ``connections``,
``seconds``) and prints one: answers and bytes of bodies a second. Every connection asks
again as soon as it has an answer, so there are always as many requests as connections.
Bare sockets and no parsing beyond the length of a body: what the load itself costs is
taken from the server, which shares the cores.
"""

from __future__ import annotations

import json
import re
import selectors
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import cycle
from typing import Final

_LENGTH: Final = re.compile(rb"\r\ncontent-length: *(\d+)", re.IGNORECASE)
_BUFFER: Final = bytearray(1 << 20)


@dataclass
class Client:
    """One connection, and where it is in the answer."""

    link: socket.socket
    head: bytes = b""
    left: int = 0
    """Bytes of the body that are still to come."""
    in_body: bool = False
    has_body: bool = True

    def ask(self, request: bytes) -> None:
        """Send a request, small enough for any buffer."""
        self.has_body = not request.startswith(b"HEAD")
        self.head, self.in_body = b"", False
        self.link.sendall(request)

    def take(self) -> tuple[bool, int]:
        """Take what has come: whether the answer is whole, and bytes of its body.

        Raises:
            SystemExit: the answer is not one of success.
        """
        count = self.link.recv_into(_BUFFER)
        if count == 0:
            raise SystemExit("the server closed a connection")
        if not self.in_body:
            self.head += _BUFFER[:count]
            end = self.head.find(b"\r\n\r\n")
            if end < 0:
                return False, 0
            self._read_head(self.head[:end])
            count = len(self.head) - end - 4
        self.left -= count
        return self.left == 0, count

    def _read_head(self, head: bytes) -> None:
        if head[9:12] not in {b"200", b"206"} or (length := _LENGTH.search(head)) is None:
            raise SystemExit(f"answered {head.decode('latin-1')}")
        self.left = int(length[1]) if self.has_body else 0
        self.in_body = True


def load(
    port: int, requests: Sequence[bytes], connections: int, seconds: float
) -> tuple[float, float]:
    """Give the answers, and the bytes of bodies, a second."""
    turns = cycle(requests)
    with selectors.DefaultSelector() as ready:
        for _ in range(connections):
            link = socket.create_connection(("127.0.0.1", port), 30)
            link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client = Client(link)
            ready.register(link, selectors.EVENT_READ, client)
            client.ask(next(turns))
        started = time.perf_counter()
        answers, total = _until(ready, turns, started + seconds)
        taken = time.perf_counter() - started
        for key in list(ready.get_map().values()):
            key.data.link.close()
    return answers / taken, total / taken


def _until(ready: selectors.BaseSelector, turns: Iterator[bytes], end: float) -> tuple[int, int]:
    answers = total = 0
    while time.perf_counter() < end:
        events = ready.select(30)
        if not events:
            raise SystemExit("no answer for half a minute")
        for key, _ in events:
            whole, count = key.data.take()
            total += count
            if whole:
                answers += 1
                key.data.ask(next(turns))
    return answers, total


if __name__ == "__main__":
    task = json.load(sys.stdin)
    asked = [text.encode() for text in task["requests"]]
    found = load(task["port"], asked, task["connections"], task["seconds"])
    json.dump({"answers": found[0], "bytes": found[1]}, sys.stdout)
