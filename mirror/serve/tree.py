"""Trees and paths-info: the files of a commit that are here.

Files that the selection left out are not listed: a client that sees a file asks for it.
Asked for by name, they are refused in words that say so (``resolve``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
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
#: Values of one form: more than the files of any repo that is asked for by name.
_FIELDS: Final = 200_000
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
    found = await run_in_threadpool(listed, snapshot, place.path, deep=flag(query, "recursive"))
    if place.path and not found:
        raise no_entry(place.path, snapshot.commit)
    last = last_commit(snapshot) if expand else None
    return page_reply(
        request, options, query, found, size, entry=lambda path: path_entry(snapshot, path, last)
    )


async def paths_info(
    request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions
) -> Response:
    """Answer ``POST …/paths-info/{revision}``: the paths that there are, the others left out."""
    form = await read_form(request, options)
    snapshot = await snapshot_of(shelf, place)
    paths = [path for path in form.get("paths", ()) if _can_be(path)]
    found = await run_in_threadpool(named, snapshot, paths)
    last = last_commit(snapshot) if flag(form, "expand") else None
    return json_reply([path_entry(snapshot, path, last) for path in found])


def listed(snapshot: Snapshot, folder: str, *, deep: bool) -> Sequence[str]:
    """Give files and folders below ``folder`` (empty: the root), sorted; ``deep``: all."""
    below = snapshot.below(folder)
    if deep:
        return below
    start = len(folder) + 1 if folder else 0
    return [path for path in below if "/" not in path[start:]]


def named(snapshot: Snapshot, paths: Iterable[str]) -> list[str]:
    """Give the paths that are files or folders here, each once, in the order asked for."""
    wanted = dict.fromkeys(path.strip("/") for path in paths)
    return [path for path in wanted if path in snapshot.folders or _is_here(snapshot, path)]


def path_entry(snapshot: Snapshot, path: str, last: dict[str, Any] | None) -> dict[str, Any]:
    """Give a file or folder as trees list it; ``last``: expanded, with that commit."""
    if path in snapshot.folders:
        entry = _folder_entry(snapshot, path)
    else:
        entry = file_entry(snapshot.files[path])
    return entry if last is None else _expanded(entry, last)


def _is_here(snapshot: Snapshot, path: str) -> bool:
    file = snapshot.files.get(path)
    return file is not None and snapshot.lists(file)


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
    """Read a form within the limits: form-encoded as Python sends it, or JSON as JavaScript does.

    Raises:
        HubError: 413, too long; 400, more paths than can be meant, or no form at all.
    """
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > options.limits.body:
            raise HubError(413, None, f"A form has at most {options.limits.body} bytes")
    text = body.decode("utf-8", "replace")
    if request.headers.get("content-type", "").lower().startswith("application/json"):
        return _json_form(text)
    try:
        return parse_qs(text, keep_blank_values=True, max_num_fields=_FIELDS)
    except ValueError:
        raise HubError(400, None, f"A form has at most {_FIELDS} fields") from None


def _json_form(text: str) -> dict[str, list[str]]:
    try:
        form = json.loads(text)
    except (ValueError, RecursionError):
        raise HubError(400, None, "That is not JSON") from None
    paths = form.get("paths", []) if isinstance(form, dict) else None
    paths = [paths] if isinstance(paths, str) else paths
    if not isinstance(paths, list) or not all(isinstance(path, str) for path in paths):
        raise HubError(400, None, "paths has to be a list of strings")
    if len(paths) > _FIELDS:
        raise HubError(400, None, f"A form has at most {_FIELDS} fields")
    return {"paths": paths, "expand": ["true" if form.get("expand") is True else "false"]}


def _can_be(path: str) -> bool:
    try:
        check_repo_path(path.strip("/"))
    except UnsafePathError:
        return False
    return True
