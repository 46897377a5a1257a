"""Files as git has them: ``HEAD`` and ``GET /{id}/raw/{revision}/{path}``.

Of an LFS file that is the pointer: a few lines that say its sha256 and its size. Any other
file is what ``resolve`` gives.
"""

from __future__ import annotations

from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from mirror.serve.info import pointer_text
from mirror.serve.options import ServeOptions
from mirror.serve.ranges import what_is_wanted
from mirror.serve.rawpath import RepoPath
from mirror.serve.reply import UNTRUSTED
from mirror.serve.repos import snapshot_of
from mirror.serve.resolve import find_file, resolve
from mirror.serve.shelf import Shelf

_TEXT: Final = "text/plain; charset=utf-8"


async def raw(request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions) -> ASGIApp:
    """Answer with a file, or with the pointer to it; refuse as ``resolve`` does."""
    snapshot = await snapshot_of(shelf, place)
    file = find_file(snapshot, place)
    if file.lfs_sha256 is None:
        return await resolve(request, place, shelf, options)
    text = pointer_text(file).encode()
    headers = {
        "etag": f'"{file.blob_id}"',
        "x-repo-commit": snapshot.commit,
        **UNTRUSTED,
        "accept-ranges": "none",
    }
    if what_is_wanted(request.headers, file.blob_id, len(text)).status == 304:
        return Response(None, 304, headers)
    return Response(text, 200, headers, _TEXT)
