"""Trees and paths-info: the files of a commit that are here.

Files that the selection left out are not listed: a client that sees a file asks for it.
Asked for by name, they are refused in words that say so (``resolve``).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import Any, Final
from urllib.parse import parse_qs

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mirror.errors import UnsafePathError
from mirror.names import check_repo_path
from mirror.serve.errors import HubError, no_entry
from mirror.serve.info import pointer_size
from mirror.serve.options import ServeOptions
from mirror.serve.rawpath import RepoPath
from mirror.serve.reply import flag, json_reply, number, page_reply, read_query
from mirror.serve.repos import snapshot_of
from mirror.serve.shelf import Shelf, Snapshot
from mirror.store import ManifestFile

#: Entries on a page, as on the Hub: without and with ``expand``.
_PAGE: Final = 1_000
_PAGE_EXPANDED: Final = 50
_UNKNOWN_TITLE: Final = "As mirrored"


async def tree(request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions) -> Response:
    """Answer ``/api/{type}s/{id}/tree/{revision}[/{path}]``, by pages."""
    query = read_query(request)
    expand = flag(query, "expand")
    size = _PAGE_EXPANDED if expand else _PAGE
    size = min(size, max(1, number(query, "limit", size)))
    snapshot = await snapshot_of(shelf, place)
    if place.unsafe:
        raise no_entry("that path", snapshot.commit)
    found = await run_in_threadpool(
        entries, snapshot, place.path, recursive=flag(query, "recursive")
    )
    if place.path and not found:
        raise no_entry(place.path, snapshot.commit)
    if expand:
        start = number(query, "cursor", 0)
        last = last_commit(snapshot)
        found[start : start + size] = [_expanded(one, last) for one in found[start : start + size]]
    return page_reply(request, options, query, found, size)


async def paths_info(
    request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions
) -> Response:
    """Answer ``POST …/paths-info/{revision}``: the paths that there are, the others left out."""
    form = await read_form(request, options)
    snapshot = await snapshot_of(shelf, place)
    paths = [path for path in form.get("paths", ()) if _can_be(path)]
    found = await run_in_threadpool(named, snapshot, paths)
    if flag(form, "expand"):
        last = last_commit(snapshot)
        found = [_expanded(one, last) for one in found]
    return json_reply(found)


def entries(snapshot: Snapshot, folder: str, *, recursive: bool) -> list[dict[str, Any]]:
    """List files and folders below ``folder`` (empty: the root), sorted by path."""
    prefix = f"{folder}/" if folder else ""
    folders: set[str] = set()
    found: list[dict[str, Any]] = []
    for file in snapshot.present:
        if not file.path.startswith(prefix):
            continue
        parts = file.path[len(prefix) :].split("/")
        depth = len(parts) if recursive else 2
        folders.update(prefix + "/".join(parts[:n]) for n in range(1, min(depth, len(parts))))
        if recursive or len(parts) == 1:
            found.append(file_entry(file))
    found += [_folder_entry(snapshot, path) for path in folders]
    return sorted(found, key=lambda entry: str(entry["path"]))


def named(snapshot: Snapshot, paths: Iterable[str]) -> list[dict[str, Any]]:
    """Give the entries of the paths that are files or folders here, each once, as asked for."""
    wanted = dict.fromkeys(path.strip("/") for path in paths)
    folders = snapshot.folders
    found = []
    for path in wanted:
        file = snapshot.files.get(path)
        if file is not None and file.present:
            found.append(file_entry(file))
        elif path in folders:
            found.append(_folder_entry(snapshot, path))
    return found


def file_entry(file: ManifestFile) -> dict[str, Any]:
    """Give a file as trees list it."""
    entry: dict[str, Any] = {
        "type": "file",
        "oid": file.blob_id,
        "size": file.size,
        "path": file.path,
    }
    if file.lfs_sha256 is not None:
        size = pointer_size(file)
        entry["lfs"] = {"oid": file.lfs_sha256, "size": file.size, "pointerSize": size}
    return entry


def _folder_entry(snapshot: Snapshot, path: str) -> dict[str, Any]:
    """Give a folder; git's id of it is not known, so one that is as steady stands in."""
    text = f"{snapshot.commit}:{path}".encode(errors="surrogatepass")
    oid = hashlib.sha1(text, usedforsecurity=False).hexdigest()
    return {"type": "directory", "oid": oid, "size": 0, "path": path}


def last_commit(snapshot: Snapshot) -> dict[str, Any]:
    """Give the commit that a file changed in last, as far as a mirror knows: this one."""
    return {"id": snapshot.commit, "title": _UNKNOWN_TITLE, "date": commit_date(snapshot)}


def commit_date(snapshot: Snapshot) -> str:
    """Give when the commit was made: upstream's word, else when it was mirrored."""
    said = snapshot.manifest.upstream.get("lastModified")
    return said if isinstance(said, str) and said else snapshot.manifest.created


def _expanded(entry: dict[str, Any], last: dict[str, Any]) -> dict[str, Any]:
    if entry["type"] != "file":
        return {**entry, "lastCommit": last}
    unscanned = {"status": "unscanned", "avScan": None, "pickleImportScan": None}
    return {**entry, "lastCommit": last, "securityFileStatus": unscanned}


async def read_form(request: Request, options: ServeOptions) -> dict[str, list[str]]:
    """Read a form-encoded body within the limits.

    Raises:
        HubError: 413, too long; 400, more paths than can be meant.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > options.limits.body:
            raise HubError(413, None, f"A form has at most {options.limits.body} bytes")
    text = body.decode("utf-8", "replace")
    try:
        form = parse_qs(text, keep_blank_values=True, max_num_fields=200_000)
    except ValueError:
        raise HubError(400, None, "A form has at most 200000 fields") from None
    return form


def _can_be(path: str) -> bool:
    try:
        check_repo_path(path.strip("/"))
    except UnsafePathError:
        return False
    return True
