"""Reading what upstream answers: status to error, body to JSON, headers to values.

Everything that arrives is untrusted: bodies are read up to a limit, text from headers
is cut and made printable before it goes into a message, and what does not have the
promised shape is a :class:`BadAnswerError` that names the URL.

A 401 or 404 says little: private, missing and disabled repos look alike. The errors
keep apart what upstream keeps apart; none of them means that a copy may be removed.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

import aiohttp
from yarl import URL

from mirror.errors import (
    BadAnswerError,
    FileGoneError,
    MirrorError,
    RepoDisabledError,
    RepoGatedError,
    RepoGoneError,
    RepoUnauthorizedError,
    RevisionGoneError,
    TransportError,
    UpstreamError,
)

#: huggingface_hub compares the same sentence (``hf_raise_for_status``).
_DISABLED: Final = "Access to this resource is disabled."
_BAD_TOKEN: Final = "Invalid credentials in Authorization header"  # noqa: S105  # a message
_BY_CODE: Final[Mapping[str, type[UpstreamError]]] = {
    "RepoNotFound": RepoGoneError,
    "RevisionNotFound": RevisionGoneError,
    "EntryNotFound": FileGoneError,
    "GatedRepo": RepoGatedError,
}
_WORDS: Final[Mapping[type[UpstreamError], str]] = {
    RepoGoneError: "upstream does not know this repo",
    RevisionGoneError: "upstream does not know this revision",
    FileGoneError: "upstream does not have this file",
    RepoGatedError: "the repo is gated and we have no access",
    RepoDisabledError: "upstream has disabled the repo",
    RepoUnauthorizedError: "upstream refuses access (a missing repo looks the same)",
}
_HINTS: Final[Mapping[type[UpstreamError], str]] = {
    RevisionGoneError: "the repo's page lists its branches and tags",
    RepoGatedError: "accept the conditions on the repo's page and set HF_TOKEN",
    RepoUnauthorizedError: "check the id, and that HF_TOKEN is set and may read the repo",
}
#: Enough to reuse the connection after an answer whose body nobody wants.
_DISCARD_BYTES: Final = 65_536
_SURROGATE: Final = re.compile("[\ud800-\udfff]")
#: pydantic gives up at about 200.
_MAX_DEPTH: Final = 100
_NEXT_LINK: Final = re.compile(r'<([^<>]*)>\s*;[^<]*\brel="?next"?', re.IGNORECASE)


def printable(text: str, limit: int = 200) -> str:
    """Make text from outside fit for a message: one line, printable, cut."""
    return "".join(char if char.isprintable() else "�" for char in text[:limit])


def shown(url: URL) -> str:
    """Give a URL as messages show it: without the query, which may carry a signature."""
    return printable(str(url.with_query(None)), 500)


def error_of(status: int, headers: Mapping[str, str], url: URL, *, is_file: bool) -> MirrorError:
    """Turn a status that is no success into our error for it.

    ``headers`` is case-insensitive. 5xx, 408 and 425 are worth another try and become
    :class:`TransportError`; a bare 404 means the file when a file was asked for.
    """
    if status >= 500 or status in {408, 425, 429}:
        return TransportError(f"upstream answered {status} for {shown(url)}")
    kind = _kind_of(status, headers, is_file)
    said = printable(headers.get("X-Error-Message", ""))
    words = _WORDS.get(kind, "upstream refuses the request")
    hint = _HINTS.get(kind)
    if said == _BAD_TOKEN:
        hint = "upstream does not accept our token: renew it, or unset HF_TOKEN"
    return kind(f"{words}: {status} for {shown(url)}{f' ({said})' if said else ''}", hint=hint)


def _kind_of(status: int, headers: Mapping[str, str], is_file: bool) -> type[UpstreamError]:
    code = headers.get("X-Error-Code", "")
    if status == 401 and code == "RepoNotFound":
        return RepoUnauthorizedError  # what strangers are told of private and disabled repos too
    if code in _BY_CODE:
        return _BY_CODE[code]
    if headers.get("X-Error-Message") == _DISABLED or status == 451:
        return RepoDisabledError
    if status in {401, 403}:
        return RepoUnauthorizedError
    if status in {404, 410}:
        return FileGoneError if is_file else RepoGoneError
    return UpstreamError if 400 <= status < 500 else BadAnswerError


async def discard(response: aiohttp.ClientResponse) -> None:
    """Read a small body to its end, so that the connection can serve the next request."""
    left = _DISCARD_BYTES
    while left > 0 and (chunk := await response.content.read(left)):
        left -= len(chunk)


async def read_json(response: aiohttp.ClientResponse, limit: int) -> Any:
    """Read a body of at most ``limit`` bytes (after decompression) as JSON.

    Raises:
        BadAnswerError: longer, or not JSON.
    """
    body = bytearray()
    while chunk := await response.content.readany():
        body += chunk
        if len(body) > limit:
            raise BadAnswerError(f"{shown(response.url)} answers more than {limit} bytes")
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BadAnswerError(f"{shown(response.url)} does not answer JSON") from error


def storable(value: Any, url: URL, depth: int = _MAX_DEPTH) -> Any:
    """Give JSON that can be kept as it is: every text valid Unicode, and no abyss.

    A text that upstream has cut within an emoji ends in half a surrogate pair.

    Raises:
        BadAnswerError: nested deeper than anything that upstream says of a repo.
    """
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if not isinstance(value, list | dict):
        return value
    if depth == 0:
        raise BadAnswerError(f"{shown(url)} is nested deeper than {_MAX_DEPTH} levels")
    if isinstance(value, list):
        return [storable(item, url, depth - 1) for item in value]
    return {
        _SURROGATE.sub("\ufffd", name): storable(item, url, depth - 1)
        for name, item in value.items()
    }


def next_link(headers: Mapping[str, str], page: URL, origin: URL) -> URL | None:
    """Give the next page of a listing, from ``Link: <…>; rel="next"``.

    Raises:
        BadAnswerError: it points at another origin than the endpoint's. Our token goes
            to the next page, so an answer must not choose who gets it.
    """
    match = _NEXT_LINK.search(headers.get("Link", ""))
    if match is None:
        return None
    target = absolute(match[1], page)
    if not same_origin(target, origin):
        raise BadAnswerError(
            f"{shown(page)} names {shown(target)} as its next page, which is not upstream"
        )
    return target


def absolute(reference: str, base: URL) -> URL:
    """Resolve a URL from a header against the URL it came from.

    Its quoting is kept as it is (signatures cover it) where it is quoted at all.

    Raises:
        BadAnswerError: not a URL of http or https, or it carries credentials.
    """
    try:
        quoted = re.fullmatch(r"[!-~]+", reference) is not None
        target = base.join(URL(reference, encoded=quoted))
        bare = target.user is None and target.password is None
        good = target.scheme in {"http", "https"} and target.host and bare
        target.port  # noqa: B018  # raises where the port is no number
        (target.raw_host or "").encode("idna")  # raises as looking the name up would
    except ValueError:
        good = False
    if not good:
        named = printable(reference.partition("?")[0])  # without what may be a signature
        raise BadAnswerError(f"{shown(base)} points at {named!r}, which is no URL")
    return target


def same_origin(one: URL, other: URL) -> bool:
    """Whether scheme, host and port are the same."""
    return _origin(one) == _origin(other)


def _origin(url: URL) -> tuple[str, str, int | None]:
    return url.scheme.lower(), (url.raw_host or "").lower(), url.port
