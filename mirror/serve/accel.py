"""nginx in front sends the bytes: an answer of ours names the blob, by ``X-Accel-Redirect``.

Who may have a file, which one it is, 304, 416, ``HEAD`` and every refusal stay ours; nginx
gets what it does well, a whole file or one range of it. It must say with each request that
it has the location for that: whoever asks the mirror itself gets the bytes from the mirror,
not an empty answer.
"""

from __future__ import annotations

from typing import Final

from starlette.types import Receive, Scope, Send

from mirror.serve.bodies import RawHeaders

#: Where the access log finds that somebody else sends the bytes.
HANDED_OVER: Final = "mirror.handed_over"
#: Set by nginx, whatever the client sent: the path of its internal location.
_OFFER: Final = b"x-accel-prefix"
#: What nginx would judge by itself, and not as we do.
_ODD: Final = frozenset({b"if-match", b"if-unmodified-since"})


def takes_over(scope: Scope, status: int, prefix: str) -> bool:
    """Whether who asks is an nginx that can send this answer.

    Args:
        scope: of the request.
        status: 200 or 206, as we would answer.
        prefix: the location that we were told of.
    """
    if scope["method"] != "GET":
        return False
    headers = dict(scope["headers"])
    # A range that makes a 200 is one that nginx may understand otherwise.
    plain = status == 206 or b"range" not in headers
    return plain and headers.get(_OFFER) == prefix.encode() and _ODD.isdisjoint(headers)


class HandOver:
    """Tells nginx which blob to send, and with which headers."""

    def __init__(self, digest: str, prefix: str, headers: RawHeaders) -> None:
        where = f"{prefix}/{digest[:2]}/{digest}".encode()
        own = [line for line in headers if line[0] != b"accept-ranges"]  # nginx adds it, too
        self._headers = [*own, (b"x-accel-redirect", where), (b"content-length", b"0")]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send headers alone. The status is 200 always: nginx makes it 206."""
        scope[HANDED_OVER] = True
        await send({"type": "http.response.start", "status": 200, "headers": self._headers})
        await send({"type": "http.response.body", "body": b""})
