"""What was asked and how it was answered: the access log, and numbers for a monitor.

One line of JSON a request. Authorization headers are in no line, and text from clients
is escaped by JSON and cut to a length.
"""

from __future__ import annotations

import contextlib
import logging
import time
import traceback
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final, TextIO

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

from mirror.serve.accel import HANDED_OVER
from mirror.serve.guard import READER

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

#: Where a handler finds the numbers in a request's scope.
METRICS: Final = "mirror.metrics"
_MAX_TEXT: Final = 500
_METHODS: Final = frozenset({"GET", "HEAD", "POST"})


class Metrics:
    """Numbers since the start, in the format of Prometheus."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self._requests = Counter(
            "mirror_requests", "Answers.", ("route", "method", "status"), registry=self._registry
        )
        self._bytes = Counter(
            "mirror_sent_bytes", "Bytes of bodies sent.", ("route",), registry=self._registry
        )
        self._seconds = Histogram(
            "mirror_request_seconds",
            "Time until an answer was sent whole.",
            ("route",),
            buckets=(0.001, 0.005, 0.02, 0.1, 0.5, 2, 10, 60, 600),
            registry=self._registry,
        )
        # Looking them up takes longer than counting.
        self._counters = lru_cache(512)(self._find_counters)
        self.active = Gauge("mirror_active", "Requests being answered.", registry=self._registry)

    def note(self, route: str, method: str, status: int, sent: int, seconds: float) -> None:
        """Count one answer."""
        known = method if method in _METHODS else "other"
        answers, volume, times = self._counters(route, known, status)
        answers.inc()
        volume.inc(sent)
        times.observe(seconds)

    def _find_counters(
        self, route: str, method: str, status: int
    ) -> tuple[Counter, Counter, Histogram]:
        return (
            self._requests.labels(route, method, str(status)),
            self._bytes.labels(route),
            self._seconds.labels(route),
        )

    def text(self) -> bytes:
        """Give all numbers, for ``/metrics``."""
        return generate_latest(self._registry)


def open_log(stream: TextIO) -> Any:
    """Give a logger that writes a line of JSON for each event."""
    import structlog  # here: `mirror run` has no log, and this takes longer than the rest

    return structlog.wrap_logger(
        structlog.WriteLogger(stream),
        processors=[
            structlog.processors.TimeStamper(fmt="iso", utc=True, key="time"),
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.BoundLogger,
    )


@contextlib.contextmanager
def server_messages(log: Any) -> Iterator[None]:
    """Write what the server itself has to say, faults included, into the same log."""
    handler = _Forward(log)
    loggers = [logging.getLogger(name) for name in ("uvicorn.error", "mirror.serve")]
    for logger in loggers:
        logger.addHandler(handler)
        logger.propagate = False
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(handler)
            logger.propagate = True


class _Forward(logging.Handler):
    """Gives the records of ``logging`` to the log, as lines of JSON too."""

    def __init__(self, log: Any) -> None:
        super().__init__(logging.WARNING)
        self._log = log

    def emit(self, record: logging.LogRecord) -> None:
        more = {}
        if record.exc_info:
            more["traceback"] = "".join(traceback.format_exception(*record.exc_info))
        self._log.info(record.getMessage(), level=record.levelname.lower(), **more)


class Observer:
    """ASGI middleware: notes every answer, also one that broke off."""

    def __init__(
        self,
        app: ASGIApp,
        metrics: Metrics,
        log: Any | None = None,
    ) -> None:
        self._app = app
        self._metrics = metrics
        self._log = log

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand over, and watch what is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Answer(send)
        scope[METRICS] = self._metrics
        started = time.perf_counter()
        self._metrics.active.inc()
        try:
            await self._app(scope, receive, answer.send)
        finally:
            self._metrics.active.dec()
            self._note(scope, answer, time.perf_counter() - started)

    def _note(self, scope: Scope, answer: _Answer, seconds: float) -> None:
        path = scope.get("raw_path") or scope["path"].encode("utf-8", "surrogateescape")
        self._metrics.note(_route(path), scope["method"], answer.status, answer.sent, seconds)
        if self._log is not None:
            self._log.info(**_line(scope, path, answer, seconds))


class _Answer:
    """What was sent of one answer."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.status = 500
        self.code = ""
        self.sent = 0
        self.whole = False

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            if self.status >= 400:
                self.code = _header(message, b"x-error-code")
        await self._send(message)
        if message["type"] == "http.response.body":
            self.sent += len(message.get("body", b""))
            self.whole = not message.get("more_body", False)


def _header(message: Message, name: bytes) -> str:
    for found, value in message.get("headers", ()):
        if found.lower() == name:
            text: str = value.decode("latin-1")
            return text
    return ""


def _line(scope: Scope, path: bytes, answer: _Answer, seconds: float) -> dict[str, Any]:
    reader = scope.get(READER)
    line = {
        "event": "request",
        "client": (scope.get("client") or ("", 0))[0],
        "reader": reader.name if reader else "",
        "method": scope["method"],
        "path": _text(path),
        "query": _text(scope["query_string"]),
        "status": answer.status,
        "code": answer.code,
        "bytes": answer.sent,
        "whole": answer.whole,
        "sent_by": "nginx" if HANDED_OVER in scope else "",
        "ms": round(seconds * 1000, 1),
        "agent": _text(dict(scope["headers"]).get(b"user-agent", b"")),
    }
    return {key: value for key, value in line.items() if value != ""}


def _text(raw: bytes) -> str:
    return raw[:_MAX_TEXT].decode("utf-8", "backslashreplace")


def _route(path: bytes) -> str:
    """Give one of a few words: a label for each path would never end."""
    if b"/resolve/" in path:
        return "file"
    if path.startswith(b"/api/"):
        return "api"
    return "probe" if path in {b"/healthz", b"/metrics"} else "other"
