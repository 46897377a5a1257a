"""Serve a hub on loopback: uvicorn in a thread, on two ports (hub and second origin)."""

from __future__ import annotations

import asyncio
import logging
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
import uvloop
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.fakehub.app import App
from tests.fakehub.hub import FakeHub


class _Protocol(HttpToolsProtocol):
    """Lets the application reach the TCP connection, to cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["fakehub.transport"] = self.transport  # type: ignore[typeddict-unknown-key]


class Server:
    """A hub being served; can be stopped and started again on the same ports."""

    def __init__(self, hub: FakeHub, port: int = 0) -> None:
        self.hub = hub
        self.port = port
        self.cdn_port = 0
        self._thread: threading.Thread | None = None
        self._stop: Any = None

    @property
    def endpoint(self) -> str:
        """What HF_ENDPOINT is set to: no trailing slash."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        """Listen; do nothing where it listens already."""
        if self._thread is not None:
            return
        sockets = [_listen(self.port), _listen(self.cdn_port)]
        self.port, self.cdn_port = (sock.getsockname()[1] for sock in sockets)
        ready = threading.Event()
        self._thread = threading.Thread(
            target=uvloop.run, args=(self._run(sockets, ready),), name="fakehub", daemon=True
        )
        self._thread.start()
        if not ready.wait(20):
            raise RuntimeError("the fake hub did not start")

    def stop(self) -> None:
        """Cut all connections and listen no more."""
        if self._thread is not None:
            self._stop()
            self._thread.join(20)
            self._thread = None

    async def _run(self, sockets: list[socket.socket], ready: threading.Event) -> None:
        loop, end = asyncio.get_running_loop(), asyncio.Event()
        self._stop = lambda: loop.call_soon_threadsafe(end.set)
        config = uvicorn.Config(
            App(self.hub, self.cdn_port),
            http=_Protocol,
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            backlog=1024,
        )
        config.load()
        server = uvicorn.Server(config)
        server.lifespan = config.lifespan_class(config)
        logging.getLogger("uvicorn.error").addFilter(_only_faults)
        await server.startup(sockets=sockets)
        ready.set()
        await end.wait()
        for listener in server.servers:
            listener.close()
        for connection in list(server.server_state.connections):
            connection.transport.abort()
        await asyncio.sleep(0)


def _only_faults(record: logging.LogRecord) -> bool:
    """Let through what tells of a bug in the fake hub.

    uvicorn's start and stop lines are not wanted, nor answers that a stop cut off.
    """
    error = record.exc_info[1] if record.exc_info else None
    return record.levelno >= logging.ERROR and not isinstance(error, asyncio.CancelledError)


def _listen(port: int) -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind(("127.0.0.1", port))
    return sock


@contextmanager
def serve(hub: FakeHub, port: int = 0) -> Iterator[str]:
    """Serve a hub while the block runs; gives the endpoint, ``http://127.0.0.1:<port>``."""
    server = Server(hub, port)
    server.start()
    hub.servers.append(server)
    try:
        yield server.endpoint
    finally:
        hub.servers.remove(server)
        server.stop()
