"""Faults on demand: what goes wrong, and upon which requests.

hub.fault("resolve", path="*.safetensors", times=1, kind=Truncate(at=1000))
hub.fault("info", repo="acme/tiny", kind=Status(429, {"Retry-After": "1"}))
hub.fault("any", times=None, kind=Slow(0.01))          # until hub.clear_faults()
hub.fault("tree", kind=Call(lambda request: repo.commit({"new.txt": b"x"})))
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.fakehub.hub import Request

#: The route families. ``cdn`` is the second origin; ``any`` matches every one.
FAMILIES = (
    "info",
    "tree",
    "paths-info",
    "refs",
    "commits",
    "list",
    "resolve",
    "cdn",
    "other",
)


class Kind:
    """What goes wrong."""


@dataclass(frozen=True)
class Status(Kind):
    """Answer with this status, with nothing done."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b'{"error":"fault on demand"}'


@dataclass(frozen=True)
class Truncate(Kind):
    """Close the connection after ``at`` bytes of the body; headers promise all of it."""

    at: int = 0


@dataclass(frozen=True)
class Corrupt(Kind):
    """Change one byte of the body, ``at`` bytes from its start; the size stays."""

    at: int = 0


@dataclass(frozen=True)
class WrongLength(Kind):
    """Send a body that is complete by its headers, but ``by`` bytes longer (or shorter)."""

    by: int = -1


@dataclass(frozen=True)
class Stall(Kind):
    """Send ``after`` bytes of the body, then nothing, until the client goes away.

    ``after=None`` sends no headers either.
    """

    after: int | None = None


@dataclass(frozen=True)
class Reset(Kind):
    """Reset the TCP connection after ``after`` bytes of the body (``None``: before headers)."""

    after: int | None = None


@dataclass(frozen=True)
class Throttle(Kind):
    """Send the body at so many bytes a second, each connection by itself."""

    rate: int


@dataclass(frozen=True)
class Slow(Kind):
    """Wait so many seconds before answering."""

    seconds: float


@dataclass(frozen=True)
class Edit(Kind):
    """Send another body: the function takes the bytes and gives the bytes to send."""

    change: Callable[[bytes], bytes]


@dataclass(frozen=True)
class Call(Kind):
    """Call a function when the request arrives, then answer as usual."""

    function: Callable[[Request], object]


def EditJson(change: Callable[[Any], Any]) -> Edit:
    """Send other JSON: the function takes the value and gives it, changed, back."""
    return Edit(lambda body: json.dumps(change(json.loads(body))).encode())


@dataclass
class Fault:
    """A kind, and the requests that it befalls; ``left`` counts down (``None``: for ever)."""

    family: str
    kind: Kind
    path: str | None = None
    repo: str | None = None
    method: str | None = None
    left: int | None = 1
    skip: int = 0
    hits: int = 0

    def takes(self, request: Request) -> bool:
        """Whether it befalls this request; counts it."""
        if self.left == 0 or not self._matches(request):
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.left is not None:
            self.left -= 1
        self.hits += 1
        return True

    def _matches(self, request: Request) -> bool:
        return (
            self.family in ("any", request.family)
            and (self.method is None or self.method == request.method)
            and (self.repo is None or fnmatchcase(request.repo or "", self.repo))
            and (self.path is None or fnmatchcase(request.file or request.path, self.path))
        )
