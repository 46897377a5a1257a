"""An app on a socket: for ever (``mirror serve``), or in a thread (``mirror run``)."""

from __future__ import annotations

import asyncio
import contextlib
import signal
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Any, Final

import uvicorn

from mirror.errors import MirrorError, UsageError
from mirror.serve.connection import Limits, connection_class
from mirror.serve.sockets import BACKLOG

#: Downloads that are under way when the server is stopped get this long, in seconds.
_GRACE: Final = 20

App = Callable[..., Any]


@dataclass(frozen=True)
class Tls:
    """The files of a certificate, in PEM; the key may stand in the certificate's file."""

    certificate: Path
    key: Path | None = None


def make_server(app: App, limits: Limits, tls: Tls | None = None) -> uvicorn.Server:
    """Give what runs on a list of sockets until SIGTERM or SIGINT.

    Then it finishes what is being sent, for a while.

    Raises:
        UsageError: the certificate cannot be used.
    """
    return _Server(_config(app, limits, tls))


class ServerThread:
    """An app served by a thread of this process; a context manager."""

    def __init__(self, app: App, listener: socket.socket, limits: Limits | None = None) -> None:
        self._server = _Server(_config(app, limits or Limits(), None))
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="mirror-serve", daemon=True
        )

    def __enter__(self) -> ServerThread:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.leave()
        self._thread.join(10)


class _Server(uvicorn.Server):
    """uvicorn's, which ends at once when told to, and does not end the process by a signal."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._end = asyncio.Event()

    def leave(self) -> None:
        """Stop, from another thread, without waiting for anybody."""
        self.should_exit = self.force_exit = True
        if self._loop is not None:
            with contextlib.suppress(RuntimeError):  # it is closed already
                self._loop.call_soon_threadsafe(self._end.set)

    async def main_loop(self) -> None:
        self._loop = asyncio.get_running_loop()
        counter = 0
        while not await self.on_tick(counter):
            counter = (counter + 10) % 864000
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._end.wait(), 1.0)

    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None, None, None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {
            number: signal.signal(number, self.handle_exit)
            for number in (signal.SIGINT, signal.SIGTERM)
        }
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)


def _config(app: App, limits: Limits, tls: Tls | None) -> uvicorn.Config:
    config = uvicorn.Config(
        app,
        http=connection_class(limits),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        backlog=BACKLOG,
        limit_concurrency=limits.connections,
        timeout_graceful_shutdown=_GRACE,
        ssl_certfile=str(tls.certificate) if tls else None,
        ssl_keyfile=str(tls.key) if tls and tls.key else None,
    )
    try:
        config.load()
    except MirrorError:
        raise
    except (ssl.SSLError, OSError) as error:
        raise UsageError(
            f"the certificate cannot be used: {error}",
            hint="--certfile and --keyfile name PEM files that this user can read",
        ) from error
    return config
