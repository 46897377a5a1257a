"""Files: ``HEAD`` and ``GET /{id}/resolve/{revision}/{path}``.

The headers are the Hub's: clients take commit and etag from them and name files by these,
so both are upstream's own. Content is sent as it is, never compressed: sizes and ranges
are those of the file.
"""

from __future__ import annotations

import mimetypes
import os
from functools import lru_cache
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.datastructures import Headers
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp, Scope

from mirror.serve.accel import HandOver, takes_over
from mirror.serve.bodies import BlobResponse, RawHeaders, open_blob
from mirror.serve.errors import HubError, no_entry, not_mirrored
from mirror.serve.options import ServeOptions
from mirror.serve.ranges import Span, Wanted, what_is_wanted
from mirror.serve.rawpath import RepoPath
from mirror.serve.repos import snapshot_of
from mirror.serve.shelf import Shelf, Snapshot
from mirror.store import ManifestFile

if TYPE_CHECKING:
    from mirror.serve.through import Through

_ALWAYS: Final = (
    (b"accept-ranges", b"bytes"),
    # Files come from anybody: a browser shall show them, not run them in our name.
    (b"content-security-policy", b"default-src 'none'; sandbox"),
    (b"x-content-type-options", b"nosniff"),
)
#: What makes an answer another one than the whole file.
_CONDITIONS: Final = frozenset({b"range", b"if-range", b"if-none-match"})


async def resolve(
    request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions
) -> ASGIApp:
    """Answer with a file, or a part of it."""
    snapshot = await snapshot_of(shelf, place)
    file = find_file(snapshot, place)
    if not file.present and shelf.through is not None:
        return await _pass_through(request, snapshot, file, shelf.through, shelf)
    return _deliver(request.scope, snapshot, file, shelf)


async def _pass_through(
    request: Request, snapshot: Snapshot, file: ManifestFile, through: Through, shelf: Shelf
) -> ASGIApp:
    """Answer with a file that is not here yet."""
    wanted = _wanted(request.scope, file)
    headers = file_headers(snapshot, file)
    if (nothing := _without_body(wanted, headers, file.size)) is not None:
        return nothing
    if wanted.status == 206:
        headers.append(_content_range(wanted, file.size))
    named = {name.decode(): value.decode() for name, value in headers}
    answer = await through.deliver(request, snapshot, file, wanted, named)
    if isinstance(answer, Response):
        return answer
    here = file.model_copy(update={"present": True, "sha256": answer})
    return _deliver(request.scope, snapshot, here, shelf)


def _deliver(scope: Scope, snapshot: Snapshot, file: ManifestFile, shelf: Shelf) -> ASGIApp:
    if (answer := answer_with(scope, snapshot, file, shelf)) is None:
        shelf.note_damage(snapshot, file)
        message = f"{file.path} is damaged in this mirror: run mirror verify --repair there"
        raise HubError(500, None, message, commit=snapshot.commit)
    return answer


def answer_with(
    scope: Scope, snapshot: Snapshot, file: ManifestFile, shelf: Shelf
) -> ASGIApp | None:
    """Give the answer with a file that is present; ``None`` where its blob is not whole."""
    wanted = _wanted(scope, file)
    headers = file_headers(snapshot, file)
    if (nothing := _without_body(wanted, headers, file.size)) is not None:
        return nothing
    digest, prefix = str(file.sha256), shelf.options.accel
    descriptor = open_blob(shelf.store.blobs.name(digest), file.size)
    if descriptor is None:
        return None
    if prefix is not None and takes_over(scope, wanted.status, prefix):
        os.close(descriptor)
        return HandOver(digest, prefix, headers)
    if wanted.status == 206:
        headers.append(_content_range(wanted, file.size))
    return BlobResponse(descriptor, wanted.span, wanted.status, headers)


def _wanted(scope: Scope, file: ManifestFile) -> Wanted:
    if not any(name in _CONDITIONS for name, _ in scope["headers"]):
        return Wanted(200, Span(0, file.size))
    return what_is_wanted(Headers(scope=scope), file.etag, file.size)


def _without_body(wanted: Wanted, headers: RawHeaders, size: int) -> Response | None:
    """Answer a condition that does not hold, or a range that is not there."""
    if wanted.status == 304:  # without what describes a body that it does not have
        return _empty(304, [line for line in headers if not line[0].startswith(b"content-")])
    if wanted.status == 416:
        return _empty(416, [*headers, (b"content-range", b"bytes */%d" % size)])
    return None


def _content_range(wanted: Wanted, size: int) -> tuple[bytes, bytes]:
    first, last = wanted.span.start, wanted.span.end - 1
    return b"content-range", b"bytes %d-%d/%d" % (first, last, size)


def _empty(status: int, headers: RawHeaders) -> Response:
    answer = Response(None, status)
    answer.raw_headers = [*headers, *answer.raw_headers]
    return answer


def find_file(snapshot: Snapshot, place: RepoPath) -> ManifestFile:
    """Give the manifest's entry of the path.

    Raises:
        HubError: 404 EntryNotFound: with the commit if there is no such file, without if
            there is, but not here.
    """
    if place.unsafe or (file := snapshot.files.get(place.path)) is None:
        raise no_entry(place.path or "that path", snapshot.commit)
    if not snapshot.lists(file):
        raise not_mirrored(snapshot.key, place.revision, file.path, snapshot.why_absent(file))
    return file


def file_headers(snapshot: Snapshot, file: ManifestFile) -> list[tuple[bytes, bytes]]:
    """Give the headers that clients read, those of the Hub."""
    etag = b'"%s"' % file.etag.encode()
    headers = [
        *_of_name(file.path.rpartition("/")[2]),
        (b"etag", etag),
        (b"x-repo-commit", snapshot.commit.encode()),
        *_ALWAYS,
    ]
    if file.lfs_sha256 is not None:
        headers += [(b"x-linked-etag", etag), (b"x-linked-size", b"%d" % file.size)]
    return headers


@lru_cache(4_096)
def _of_name(name: str) -> RawHeaders:
    """Give what follows from a file's name; most names are those of many files."""
    return (
        (b"content-type", _content_type(_suffix(name)).encode()),
        (b"content-disposition", f"inline; filename*=UTF-8''{quote(name, safe='')}".encode()),
    )


def _suffix(name: str) -> str:
    """Give what ``PurePosixPath.suffix`` does, without its price: asked for on every request."""
    place = name.rfind(".")
    return name[place:] if 0 < place < len(name) - 1 else ""


@lru_cache(1_024)
def _content_type(suffix: str) -> str:
    # By the suffix alone: a path that looks like a URL would be read as one.
    kind, encoding = mimetypes.guess_type(f"x{suffix}", strict=True)
    if kind is None or encoding is not None:
        return "application/octet-stream"
    return "text/plain; charset=utf-8" if kind.startswith("text/") else kind
