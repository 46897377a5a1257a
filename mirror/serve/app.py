"""The ASGI application: guard, routes, refusals. Starting a server is ``runner``'s."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final, cast

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send

from mirror.errors import CatalogError, QueryTimeoutError
from mirror.serve.errors import HubError, only_reading
from mirror.serve.files_first import FilesFirst
from mirror.serve.guard import may_read
from mirror.serve.options import Limits, ServeOptions
from mirror.serve.repos import READ_METHODS
from mirror.serve.routes import all_routes
from mirror.serve.shelf import Shelf

_log: Final = logging.getLogger("mirror.serve")


def create_app(root: Path, options: ServeOptions | None = None) -> Starlette:
    """Make the endpoint of the mirror at ``root``.

    ``app.state.shelf`` is its :class:`Shelf`: what was missed, and what is damaged.

    Raises:
        NotAMirrorError, UnknownFormatError: ``root`` cannot be served.
    """
    options = options or ServeOptions()
    shelf = Shelf(root, options)
    app = Starlette(
        routes=all_routes(shelf, options),
        middleware=[
            Middleware(SizeLimit, limits=options.limits),
            Middleware(FilesFirst, shelf=shelf),
        ],
        exception_handlers={
            HubError: _refuser(shelf),
            HTTPException: _plain,
            CatalogError: _no_catalog,
            ClientDisconnect: _left,
            Exception: _fault,
        },
    )
    app.router.redirect_slashes = False
    app.router.default = _unknown
    app.state.shelf = shelf
    app.state.options = options
    return app


class SizeLimit:
    """Refuses what no client of the Hub sends, before anything looks at it."""

    def __init__(self, app: ASGIApp, limits: Limits) -> None:
        self.app = app
        self.limits = limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a request of usual size on."""
        refusal = self._refusal(scope) if scope["type"] == "http" else None
        await (refusal or self.app)(scope, receive, send)

    def _refusal(self, scope: Scope) -> Response | None:
        size = sum(len(name) + len(value) for name, value in scope["headers"])
        if len(scope["raw_path"]) + len(scope["query_string"]) > self.limits.target:
            return HubError(414, None, "The address is too long").response()
        if size > self.limits.headers:
            return HubError(431, None, "The headers are too long").response()
        return None


def _refuser(shelf: Shelf) -> Callable[[Request, Exception], Awaitable[Response]]:
    async def refuse(request: Request, error: Exception) -> Response:
        refusal = cast("HubError", error)
        miss = refusal.miss
        if miss is not None and may_read(request.scope, miss.key, gated=False):
            shelf.note_miss(miss)
        return refusal.response()

    return refuse


async def _unknown(scope: Scope, receive: Receive, send: Send) -> None:
    """Refuse what no route takes: an upload is told so, for it can never succeed here."""
    if scope["type"] != "http":
        return
    if scope["method"] not in READ_METHODS:
        raise only_reading()
    path = scope["path"][:200]
    raise HubError(
        404,
        None,
        f"This mirror does not answer {path}: it has repos and their files"
        " (/ID/resolve/REVISION/PATH), no web pages",
    )


async def _plain(request: Request, error: Exception) -> Response:
    refusal = cast("HTTPException", error)
    if refusal.status_code == 405:
        return only_reading().response()
    return HubError(refusal.status_code, None, refusal.detail).response()


async def _left(request: Request, error: Exception) -> Response:
    """Give the log a status for a client that went away, or was cut off, while it asked."""
    return Response(status_code=400)


async def _no_catalog(request: Request, error: Exception) -> Response:
    _log.error("%s", error)
    if isinstance(error, QueryTimeoutError):
        return HubError(408, None, "That question takes too long").response()
    return HubError(503, None, "The catalog cannot be read: run mirror reindex").response()


async def _fault(request: Request, error: Exception) -> Response:
    return HubError(500, None, "A fault of the mirror: its log says more").response()
