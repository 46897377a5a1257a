"""An app on a socket: for ever (``mirror serve``), or in a thread (``mirror run``)."""

from __future__ import annotations

import asyncio
import contextlib
import logging
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
from mirror.serve.connection import Connection, Limits, connection_class
from mirror.serve.sockets import BACKLOG

#: Downloads that are under way when the server is stopped get this long, in seconds.
_GRACE: Final = 20
#: What takes no longer than this to end is not worth a line, in seconds.
_SOON: Final = 0.3

_log: Final = logging.getLogger("mirror.serve")

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

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End; cut off who still takes nothing, or an answer would wait for them for ever."""
        await super().shutdown(sockets)
        for connection in list(self.server_state.connections):
            if isinstance(connection, Connection):
                connection.transport.abort()
        if self.server_state.tasks:
            await asyncio.wait(self.server_state.tasks, timeout=1)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        first = not self.should_exit
        super().handle_exit(sig, frame)
        if self._loop is not None:
            self._loop.call_soon_threadsafe(self._end.set)
            if first:  # in the loop: a handler of signals must not wait for the log's lock
                self._loop.call_soon_threadsafe(self._say_soon)

    def _say_soon(self) -> None:
        if self._loop is not None:
            self._loop.call_later(_SOON, self._say_what_is_left)

    def _say_what_is_left(self) -> None:
        if left := len(self.server_state.tasks):
            text = "ending: answers still being sent: %d; for %d seconds at most, or until Ctrl-C"
            _log.warning(text, left, _GRACE)


def _no_cancelled(record: logging.LogRecord) -> bool:
    """Whether a record is of something else than an answer that the end of the server cut off."""
    return not (record.exc_info and isinstance(record.exc_info[1], asyncio.CancelledError))


def _config(app: App, limits: Limits, tls: Tls | None) -> uvicorn.Config:
    logging.getLogger("uvicorn.error").addFilter(_no_cancelled)
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
