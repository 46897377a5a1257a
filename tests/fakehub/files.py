"""Files: ``/resolve/``, with ranges, redirects and the headers that clients read."""

from __future__ import annotations

import mimetypes
import re
from urllib.parse import quote

from tests.fakehub.api import find_repo
from tests.fakehub.content import File
from tests.fakehub.hub import FakeHub, Request
from tests.fakehub.reply import Reply, compress, error_reply
from tests.fakehub.repo import Commit, FakeRepo

_RANGE = re.compile(r"bytes=(\d*)-(\d*)")


def resolve(hub: FakeHub, request: Request, cdn: str) -> Reply:
    """Answer HEAD or GET of a file."""
    repo = find_repo(hub, request, content=True)
    if isinstance(repo, Reply):
        return repo
    commit = repo.find(request.revision)
    if commit is None:
        return error_reply(404, "RevisionNotFound", f"Invalid rev id: {request.revision}")
    file = commit.files.get(request.file)
    if file is None:
        return error_reply(404, "EntryNotFound", "Entry not found", x_repo_commit=commit.id)
    headers = _headers(request, commit, file)
    if file.is_lfs and hub.options.cdn:
        hub.handed_out[file.content.sha256] = file
        where = f"{cdn}/{file.content.sha256}?repo={quote(repo.repo_id, '')}&X-Amz-Signature=0"
        return Reply(302, {**headers, "location": where})
    if hub.options.resolve_cache and not request.path.startswith("/api/"):
        return Reply(307, {**headers, "location": _cache_path(repo, commit, request)})
    return _deliver(hub, request, file, headers)


def cdn(hub: FakeHub, request: Request) -> Reply:
    """Answer for the second origin: by sha256, refusing a token as object stores do."""
    if "authorization" in request.headers:
        return Reply(400, {"content-type": "application/xml"})
    file = hub.handed_out.get(request.file)
    if file is None:
        return Reply(403, {"content-type": "application/xml"})
    headers = {"etag": f'"{request.file[:32]}"', "accept-ranges": "bytes"}
    return _deliver(hub, request, file, headers)


def _deliver(hub: FakeHub, request: Request, file: File, headers: dict[str, str]) -> Reply:
    size = file.content.size
    span = None
    if hub.options.ranges and request.headers.get("if-range", headers["etag"]) == headers["etag"]:
        span = parse_range(request.headers.get("range", ""), size)
    if span == (size, size):
        return Reply(416, {**headers, "content-range": f"bytes */{size}"})
    if span is not None:
        start, end = span
        headers["content-range"] = f"bytes {start}-{end - 1}/{size}"
        return Reply(206, headers, file.content, start, end)
    reply = Reply(200, headers, file.content)
    takes_gzip = "gzip" in request.headers.get("accept-encoding", "")
    return compress(reply) if hub.options.gzip and takes_gzip and not file.is_lfs else reply


def parse_range(text: str, size: int) -> tuple[int, int] | None:
    """Read a single range as ``(start, end)``, end exclusive.

    ``None``: no range, or none that we honour. ``(size, size)``: not satisfiable.
    """
    match = _RANGE.fullmatch(text.strip())
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        return (size - length, size) if length else (size, size)
    start = int(first)
    end = min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return None
    return (start, end) if start < size else (size, size)


def _headers(request: Request, commit: Commit, file: File) -> dict[str, str]:
    kind = mimetypes.guess_type(request.file)[0] or "application/octet-stream"
    name = request.file.rsplit("/", 1)[-1]
    headers = {
        "content-type": "text/plain; charset=utf-8" if kind.startswith("text/") else kind,
        "content-disposition": f"inline; filename*=UTF-8''{quote(name, errors='replace')}",
        "etag": f'"{file.etag}"',
        "x-repo-commit": commit.id,
        "accept-ranges": "bytes",
    }
    if file.is_lfs:
        headers["x-linked-etag"] = f'"{file.etag}"'
        headers["x-linked-size"] = str(file.content.size)
    return headers


def _cache_path(repo: FakeRepo, commit: Commit, request: Request) -> str:
    return f"/api/resolve-cache/{repo.plural}/{repo.repo_id}/{commit.id}/{quote(request.file)}"
