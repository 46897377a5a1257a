"""The route of everything about one repo: info, tree, refs, commits, paths-info and files.

Matches on the raw path, so it is one route for all; what the path may mean is tried
against the shelf.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Match
from starlette.types import ASGIApp, Receive, Scope, Send

from mirror.serve.admission import admit
from mirror.serve.errors import HubError, no_repo, only_reading
from mirror.serve.options import ServeOptions
from mirror.serve.rawpath import RepoPath, read_path
from mirror.serve.shelf import Shelf, Snapshot

#: What answers one action. Gets the path with the canonical key.
Handler = Callable[[Request, RepoPath, Shelf, ServeOptions], Awaitable[ASGIApp]]

READ_METHODS: Final = frozenset({"GET", "HEAD"})


class RepoRoute(BaseRoute):
    """Takes every path that names a repo."""

    def __init__(
        self,
        shelf: Shelf,
        options: ServeOptions,
        handlers: dict[str, tuple[frozenset[str], Handler]],
    ) -> None:
        self.shelf = shelf
        self.options = options
        self.handlers = handlers

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Match any request whose raw path can be about a repo."""
        if scope["type"] != "http":
            return Match.NONE, {}
        meanings = read_path(scope.get("raw_path") or scope["path"].encode())
        return (Match.FULL, {"mirror.meanings": meanings}) if meanings else (Match.NONE, {})

    async def handle(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer it."""
        request = Request(scope, receive)
        response = await self._answer(request, scope["mirror.meanings"])
        await response(scope, receive, send)

    async def _answer(self, request: Request, meanings: tuple[RepoPath, ...]) -> ASGIApp:
        through = self.shelf.through
        if through is None:
            place = await self._choose(meanings)
        else:
            place = await through.choose(request, meanings)
        await admit(request, self.shelf, place.key)  # first: a 405 would tell that it is here
        if place.action not in self.handlers:
            raise HubError(404, None, "This mirror does not answer that")
        methods, handler = self.handlers[place.action]
        if request.method not in methods:
            raise only_reading()
        key = self.shelf.canonical(place.key) if through is None else through.canonical(place)
        if key != place.key:
            return _moved(request, place.at(key))
        return await handler(request, place, self.shelf, self.options)

    async def _choose(self, meanings: tuple[RepoPath, ...]) -> RepoPath:
        for place in meanings:
            quick = self.shelf.is_quick(place.key, place.revision)
            if quick or await run_in_threadpool(self.shelf.has, place.key):
                return place
        raise no_repo(meanings[0].key)


def _moved(request: Request, raw: str) -> Response:
    query = request.scope["query_string"].decode("latin-1")
    where = f"{raw}?{query}" if query else raw
    text = f"Temporary Redirect. Redirecting to {raw}"
    return Response(text, 307, {"location": where}, "text/plain; charset=utf-8")


async def snapshot_of(shelf: Shelf, place: RepoPath) -> Snapshot:
    """Give the commit that a request names; a large manifest is read in a thread.

    Raises:
        HubError: 404 RepoNotFound or RevisionNotFound; 500, damaged.
    """
    if shelf.through is not None:
        return await shelf.through.snapshot(place)
    if (kept := shelf.quick(place.key, place.revision)) is not None:
        return kept
    return await run_in_threadpool(shelf.snapshot, place.key, place.revision)
