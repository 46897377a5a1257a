"""The ASGI application: reads a request, asks the hub, answers.

Routing works on the raw path, by splitting: ``refs%2Fconvert%2Fparquet`` is one
segment, and thousands of small GETs cost little.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from urllib.parse import parse_qs, unquote

from tests.fakehub import api, files
from tests.fakehub.content import MemoryContent
from tests.fakehub.faults import (
    Call,
    Corrupt,
    Edit,
    Kind,
    Status,
    Throttle,
    Truncate,
    WrongLength,
)
from tests.fakehub.hub import FakeHub, Request
from tests.fakehub.reply import Line, Message, Receive, Reply, Send, transmit

_TYPES = {"models": "model", "datasets": "dataset", "spaces": "space"}
_VERBS = {"revision", "tree", "paths-info", "refs", "commits", "auth-check", "xet-read-token"}
_FAMILY = {"": "info", "revision": "info", "tree": "tree", "paths-info": "paths-info"} | {
    "refs": "refs",
    "commits": "commits",
}
_BODY_KINDS = (Truncate, Corrupt, WrongLength, Throttle, Edit)
_MAX_FORM = 1 << 22


class App:
    """The ASGI callable of one hub; ``cdn_port`` is the second origin's."""

    def __init__(self, hub: FakeHub, cdn_port: int) -> None:
        self.hub = hub
        self.cdn_port = cdn_port

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = read_request(scope, self.cdn_port)
        place(request, self.hub)
        self.hub.log(request)
        kinds = self._faults(request)
        line = Line(scope, receive, send)
        reply = await self._answer(request, kinds, line)
        request.status = reply.status
        self.hub.sent[request.family] += await transmit(reply, kinds, line)

    def _faults(self, request: Request) -> list[Kind]:
        kinds: list[Kind] = []
        for fault in list(self.hub.faults):
            bodiless = request.method == "HEAD" and isinstance(fault.kind, _BODY_KINDS)
            if not bodiless and fault.takes(request):
                kinds.append(fault.kind)
                if not isinstance(fault.kind, Call):
                    break
        for kind in kinds:
            if isinstance(kind, Call):
                kind.function(request)
        return kinds

    async def _answer(self, request: Request, kinds: Sequence[Kind], line: Line) -> Reply:
        for kind in kinds:
            if isinstance(kind, Status):
                headers = {"content-type": "application/json", **kind.headers}
                return Reply(kind.status, headers, MemoryContent(kind.body))
        if request.origin == "cdn":
            return files.cdn(self.hub, request)
        if request.family == "resolve":
            return files.resolve(self.hub, request, f"http://127.0.0.1:{self.cdn_port}")
        form = await read_form(line.receive) if request.method == "POST" else {}
        reply = api.answer(self.hub, request, form)
        if self.hub.options.rate_limit_headers:
            reply.headers.setdefault("ratelimit", '"api";r=499;t=200')
            reply.headers.setdefault("ratelimit-policy", '"fixed window";"api";q=500;w=300')
        return reply


def read_request(scope: Message, cdn_port: int) -> Request:
    """Take what arrived apart."""
    raw = scope["raw_path"].decode("latin-1").partition("?")[0]
    return Request(
        method=scope["method"],
        path=unquote(raw),
        raw_path=raw,
        query=parse_qs(scope["query_string"].decode("latin-1"), keep_blank_values=True),
        headers={
            name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]
        },
        origin="cdn" if scope["server"][1] == cdn_port else "hub",
    )


async def read_form(receive: Receive) -> dict[str, list[str]]:
    """Read a body of at most 4 MiB, form-encoded or JSON."""
    body = b""
    while len(body) <= _MAX_FORM:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    text = body.decode("utf-8", "replace")
    if text.startswith("{"):
        form = json.loads(text)
        return {"paths": form["paths"], "expand": [str(form.get("expand", False))]}
    return parse_qs(text, keep_blank_values=True)


def place(request: Request, hub: FakeHub) -> None:
    """Say which family a request belongs to, and which repo, revision and file it names."""
    if request.origin == "cdn":
        request.family, request.file = "cdn", request.raw_path.lstrip("/")
        return
    parts = request.raw_path.strip("/").split("/")
    if parts[0] == "api":
        _place_api(request, parts[1:], hub)
    elif "resolve" in parts[1:4]:
        _place_resolve(request, parts)


def _place_resolve(request: Request, parts: list[str]) -> None:
    at = parts.index("resolve", 1)
    if parts[0] in ("datasets", "spaces") and at > 1:
        request.repo_type = _TYPES[parts[0]]
        parts, at = parts[1:], at - 1
    if at > 2 or len(parts) < at + 3:
        return
    request.family = "resolve"
    request.repo = unquote("/".join(parts[:at]))
    request.revision = unquote(parts[at + 1])
    request.file = unquote("/".join(parts[at + 2 :]))


def _place_api(request: Request, parts: list[str], hub: FakeHub) -> None:
    if parts and parts[0] == "resolve-cache" and len(parts) >= 6:
        request.family, request.repo_type = "resolve", _TYPES.get(parts[1], "model")
        request.repo, request.revision = "/".join(parts[2:4]), parts[4]
        request.file = unquote("/".join(parts[5:]))
        return
    if not parts or parts[0] not in _TYPES:
        return
    request.repo_type = _TYPES[parts[0]]
    rest = parts[1:]
    if not rest:
        request.family = "list"
        return
    legacy = len(rest) == 1 or (
        rest[1] in _VERBS and (request.repo_type, "/".join(rest[:2])) not in hub.repos
    )
    size = 1 if legacy else 2
    request.repo = unquote("/".join(rest[:size]))
    verb, more = (rest[size], rest[size + 1 :]) if len(rest) > size else ("", [])
    request.family = _FAMILY.get(verb, "other")
    request.revision = unquote(more[0]) if more else "main"
    request.file = unquote("/".join(more[1:]))
