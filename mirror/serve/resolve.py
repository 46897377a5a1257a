"""Files: ``HEAD`` and ``GET /{id}/resolve/{revision}/{path}``.

The headers are the Hub's: clients take commit and etag from them and name files by these,
so both are upstream's own. Content is sent as it is, never compressed: sizes and ranges
are those of the file.
"""

from __future__ import annotations

import mimetypes
from functools import lru_cache
from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response

from mirror.serve.bodies import BlobResponse, open_blob
from mirror.serve.errors import HubError, no_entry, not_mirrored
from mirror.serve.options import ServeOptions
from mirror.serve.ranges import Wanted, what_is_wanted
from mirror.serve.rawpath import RepoPath
from mirror.serve.repos import snapshot_of
from mirror.serve.shelf import Shelf, Snapshot
from mirror.store import ManifestFile


async def resolve(
    request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions
) -> Response:
    """Answer with a file, or a part of it."""
    snapshot = await snapshot_of(shelf, place)
    file = find_file(snapshot, place)
    wanted = what_is_wanted(request.headers, file.etag, file.size)
    headers = file_headers(snapshot, file)
    if wanted.status == 304:
        return Response(None, 304, _without_length(headers))
    if wanted.status == 416:
        return Response(None, 416, {**headers, "content-range": f"bytes */{file.size}"})
    return _deliver(snapshot, file, wanted, headers, shelf)


def find_file(snapshot: Snapshot, place: RepoPath) -> ManifestFile:
    """Give the manifest's entry of the path.

    Raises:
        HubError: 404 EntryNotFound: with the commit if there is no such file, without if
            there is, but not here.
    """
    if place.unsafe or (file := snapshot.files.get(place.path)) is None:
        raise no_entry(place.path or "that path", snapshot.commit)
    if not file.present:
        raise not_mirrored(snapshot.key, place.revision, file.path, file.absent_because)
    return file


def file_headers(snapshot: Snapshot, file: ManifestFile) -> dict[str, str]:
    """Give the headers that clients read, those of the Hub."""
    name = file.path.rpartition("/")[2]
    headers = {
        "content-type": _content_type(_suffix(name)),
        "content-disposition": f"inline; filename*=UTF-8''{quote(name, safe='')}",
        "etag": f'"{file.etag}"',
        "x-repo-commit": snapshot.commit,
        "accept-ranges": "bytes",
        # Files come from anybody: a browser shall show them, not run them in our name.
        "content-security-policy": "default-src 'none'; sandbox",
        "x-content-type-options": "nosniff",
    }
    if file.lfs_sha256 is not None:
        headers["x-linked-etag"] = f'"{file.etag}"'
        headers["x-linked-size"] = str(file.size)
    return headers


def _deliver(
    snapshot: Snapshot,
    file: ManifestFile,
    wanted: Wanted,
    headers: dict[str, str],
    shelf: Shelf,
) -> Response:
    descriptor = open_blob(shelf.store.blobs.name(str(file.sha256)), file.size)
    if descriptor is None:
        shelf.note_damage(snapshot, file)
        message = f"{file.path} is damaged in this mirror: run mirror verify --repair there"
        raise HubError(500, None, message, commit=snapshot.commit)
    if wanted.status == 206:
        span = wanted.span
        headers["content-range"] = f"bytes {span.start}-{span.end - 1}/{file.size}"
    return BlobResponse(descriptor, wanted.span, wanted.status, headers)


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


def _without_length(headers: dict[str, str]) -> dict[str, str]:
    """Drop what describes a body that a 304 does not have."""
    return {name: value for name, value in headers.items() if not name.startswith("content-")}
