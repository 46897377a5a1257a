"""Files whose commit is in memory: answered ahead of the routes.

Most requests to a mirror are for such files, and what Starlette does for a request
takes longer than answering one. Only what is plainly to be answered with a file is answered
here. Everything else, each refusal included, takes the usual way as if this were not there.
"""

from __future__ import annotations

from functools import lru_cache
from typing import Final

from starlette.types import ASGIApp, Receive, Scope, Send

from mirror.serve.admission import is_open
from mirror.serve.guard import reader_of
from mirror.serve.rawpath import RepoPath, read_path
from mirror.serve.repos import READ_METHODS
from mirror.serve.resolve import answer_with
from mirror.serve.shelf import Shelf

#: Bytes of a path that is worth remembering; the kept ones take some 7 MB at most.
_USUAL: Final = 256
#: Clients ask twice for a file, and a class asks for the same: reading a path is a tenth of
#: answering, measured on HEAD.
_meanings: Final = lru_cache(4_096)(read_path)


class FilesFirst:
    """ASGI middleware: answers requests for files, without waiting for anything."""

    def __init__(self, app: ASGIApp, shelf: Shelf) -> None:
        self._app = app
        self._shelf = shelf

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand over."""
        place = _place(scope) if scope["type"] == "http" else None
        answer = self._answer(scope, place) if place is not None else None
        await (answer or self._app)(scope, receive, send)

    def _answer(self, scope: Scope, place: RepoPath) -> ASGIApp | None:
        snapshot = self._shelf.quick(place.key, place.revision)
        if snapshot is None or snapshot.key != place.key:  # an old name is answered with the new
            return None
        if self._shelf.through is not None:  # upstream may have to be asked what is new
            return None
        if not is_open(reader_of(scope), self._shelf, place.key):
            return None
        file = snapshot.files.get(place.path)
        if file is None or not file.present:
            return None
        return answer_with(scope, snapshot, file, self._shelf)


def _place(scope: Scope) -> RepoPath | None:
    """Give the file that a request is for, if its address has one meaning."""
    raw: bytes = scope["raw_path"]
    if b"/resolve/" not in raw or raw.startswith(b"/api/") or scope["method"] not in READ_METHODS:
        return None
    meanings = _meanings(raw) if len(raw) <= _USUAL else read_path(raw)
    if len(meanings) != 1 or meanings[0].action != "resolve" or meanings[0].unsafe:
        return None
    return meanings[0]
