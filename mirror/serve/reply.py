"""Answers: JSON, pages with an absolute Link, and the query of a request."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final
from urllib.parse import parse_qs, quote, urlencode

from starlette.requests import Request
from starlette.responses import Response

from mirror.serve.errors import HubError
from mirror.serve.options import ServeOptions

_HOST: Final = re.compile(r"[A-Za-z0-9.\-]{1,253}(:\d{1,5})?|\[[0-9A-Fa-f:.]{2,45}\](:\d{1,5})?")
_NUMBER: Final = re.compile(r"\d{1,9}")
#: Files come from anybody: a browser shall show them, not run them in our name.
UNTRUSTED: Final = {
    "content-security-policy": "default-src 'none'; sandbox",
    "x-content-type-options": "nosniff",
}
#: Repeated parameters of one query.
_MAX_FIELDS: Final = 1_000


def json_reply(value: object, headers: Mapping[str, str] | None = None) -> Response:
    """Give 200 with ``value`` as JSON. A lone surrogate becomes an escape, not an error."""
    body = json.dumps(value, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
    return Response(body.encode(), 200, headers, "application/json; charset=utf-8")


def read_query(request: Request) -> dict[str, list[str]]:
    """Give the query, every parameter as a list of its values, decoded."""
    text = request.scope["query_string"].decode("latin-1")
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_MAX_FIELDS)
    except ValueError:
        raise HubError(400, None, f"more than {_MAX_FIELDS} parameters") from None


def flag(query: Mapping[str, Sequence[str]], name: str) -> bool:
    """Whether a parameter is there and true, as clients write it."""
    return query.get(name, ("",))[-1].lower() in {"true", "1"}


def number(query: Mapping[str, Sequence[str]], name: str, default: int) -> int:
    """Read a whole number of at most nine digits.

    Raises:
        HubError: 400, anything else.
    """
    text = query.get(name, (str(default),))[-1]
    if not _NUMBER.fullmatch(text) or not text.isascii():
        raise HubError(400, None, f"{name} is not a number from 0 to 999999999")
    return int(text)


def base_url(request: Request, options: ServeOptions) -> str:
    """Give scheme and host that the client reached us by: ``http://hub.lab:8000``.

    A Host header that is no host is not repeated to anybody: our own address stands in.
    """
    if options.public_url is not None:
        return options.public_url
    host = request.headers.get("host", "")
    if not _HOST.fullmatch(host):
        server = request.scope.get("server") or ("localhost", None)
        host = server[0] if server[1] is None else f"{server[0]}:{server[1]}"
    return f"{request.scope.get('scheme', 'http')}://{host}"


def next_link(
    request: Request, options: ServeOptions, query: Mapping[str, list[str]], cursor: str
) -> dict[str, str]:
    """Give the Link header that leads to the next page: the same request with ``cursor``."""
    raw = quote(request.scope["raw_path"].partition(b"?")[0], safe="/%")
    text = urlencode({**query, "cursor": [cursor]}, doseq=True)
    return {"link": f'<{base_url(request, options)}{raw}?{text}>; rel="next"'}


def page_reply(
    request: Request,
    options: ServeOptions,
    query: Mapping[str, list[str]],
    items: Sequence[Any],
    size: int,
    headers: Mapping[str, str] | None = None,
    entry: Callable[[Any], object] = lambda item: item,
) -> Response:
    """Give one page of ``items``; the cursor is the place where the next page starts.

    ``entry`` makes the JSON of an item, of those on the page alone.
    """
    start = number(query, "cursor", 0)
    link: dict[str, str] = {}
    if start + size < len(items):
        link = next_link(request, options, query, str(start + size))
    page = [entry(item) for item in items[start : start + size]]
    return json_reply(page, {**(headers or {}), **link})
