"""Before everything else: who asks? Refuses who may not; says so to the rest of the app."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

from mirror.errors import MirrorError
from mirror.names import RepoKey
from mirror.serve.access import EVERYTHING, Gate, Reader

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

#: Where the rest of the app finds the reader in a request's scope.
READER: Final = "mirror.reader"

#: Asked by monitors, which have no token; tells nothing of what is mirrored.
_OPEN: Final = frozenset({b"/healthz"})
_WHOAMI: Final = b"/api/whoami-v2"


def reader_of(scope: Scope) -> Reader:
    """Give who asks; on an app without a guard, somebody who may read everything."""
    reader: Reader = scope.get(READER, EVERYTHING)
    return reader


def may_read(scope: Scope, key: RepoKey, *, gated: bool) -> bool:
    """Whether who asks may read a repo; ``key`` is its canonical one."""
    return reader_of(scope).may_read(key, gated=gated)


class TokenGuard:
    """ASGI middleware: a request without the token that is required is answered 401."""

    def __init__(self, app: ASGIApp, gate: Gate) -> None:
        self._app = app
        self._gate = gate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer, or hand over."""
        if scope["type"] == "http" and scope.get("raw_path") not in _OPEN:
            try:
                reader = self._gate.reader(_authorization(scope), (scope.get("client") or ("",))[0])
            except MirrorError:
                await _refuse(send, scope, 503, "the tokens of this mirror cannot be read")
                return
            if reader is None:
                why = "this mirror asks for a token: set HF_TOKEN to one from its administrator"
                await _refuse(send, scope, 401, why)
                return
            scope[READER] = reader
        await self._app(scope, receive, send)


def _authorization(scope: Scope) -> str | None:
    for name, value in scope["headers"]:
        if name == b"authorization":
            text: str = value.decode("latin-1")
            return text
    return None


async def _refuse(send: Send, scope: Scope, status: int, why: str) -> None:
    """Refuse, in the words that the Hub's clients understand, over http too."""
    body = json.dumps({"error": why}).encode()
    headers = [
        (b"content-type", b"application/json"),
        (b"content-length", str(len(body)).encode()),
        (b"x-error-message", why.encode()),
    ]
    if status == 401:
        headers.append((b"www-authenticate", b"Bearer"))
        if scope.get("raw_path") != _WHOAMI:  # there a client asks whether the token is good
            headers.append((b"x-error-code", b"RepoNotFound"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})
