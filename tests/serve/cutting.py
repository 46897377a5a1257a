"""A line that breaks: a TCP proxy that cuts the first large answer in the middle."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field


@dataclass
class Line:
    """Where it listens, and what went through it."""

    endpoint: str
    after: int
    requests: list[str] = field(default_factory=list)
    """Heads of requests, lower case."""
    cuts: int = 0


@contextlib.contextmanager
def cut_line(endpoint: str, after: int) -> Iterator[Line]:
    """Pass everything on to ``endpoint``; cut one answer once ``after`` bytes of it went by."""
    listener = socket.create_server(("127.0.0.1", 0))
    line = Line(f"http://127.0.0.1:{listener.getsockname()[1]}", after)
    target = ("127.0.0.1", int(endpoint.rsplit(":", 1)[1]))
    threading.Thread(target=_accept, args=(listener, target, line), daemon=True).start()
    try:
        yield line
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()


def _accept(listener: socket.socket, target: tuple[str, int], line: Line) -> None:
    with contextlib.suppress(OSError):
        while True:
            client, _ = listener.accept()
            server = socket.create_connection(target)
            threading.Thread(target=_ask, args=(client, server, line), daemon=True).start()
            threading.Thread(target=_answer, args=(client, server, line), daemon=True).start()


def _ask(client: socket.socket, server: socket.socket, line: Line) -> None:
    with contextlib.suppress(OSError):
        while data := client.recv(65536):
            line.requests.append(data.decode("latin-1").lower())
            server.sendall(data)
    _close(client, server)


def _answer(client: socket.socket, server: socket.socket, line: Line) -> None:
    passed = 0
    with contextlib.suppress(OSError):
        while data := server.recv(16384):
            passed += len(data)
            client.sendall(data)
            if passed > line.after and not line.cuts:
                line.cuts += 1
                break
    _close(client, server)


def _close(*sockets: socket.socket) -> None:
    for one in sockets:
        with contextlib.suppress(OSError):
            one.shutdown(socket.SHUT_RDWR)
        one.close()
