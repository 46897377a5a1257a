"""Repo info: what upstream said when the commit was mirrored, and the files that are here.

``upstream`` of the manifest is the raw answer of the Hub: computed tags and counts could not
be made anew. What would send a client elsewhere (fields of the transfer protocol) is left
out, and what was not scanned is not called safe.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import isfinite
from typing import Any, Final

from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from mirror.names import RepoType
from mirror.serve.errors import HubError
from mirror.serve.options import ServeOptions
from mirror.serve.rawpath import RepoPath
from mirror.serve.reply import flag, json_reply, read_query
from mirror.serve.repos import snapshot_of
from mirror.serve.shelf import Shelf, Snapshot
from mirror.store import ManifestFile, lfs_pointer

#: No file was scanned here, and what the Hub found is not told to mirrors.
NOT_SCANNED: Final = {"scansDone": False, "filesWithIssues": []}

#: What ``expand`` may name, of each type (huggingface_hub, ``ExpandModelProperty_T`` …).
_ALL: Final = "author cardData createdAt disabled lastModified likes private sha siblings tags"
_MORE: Final = "trendingScore resourceGroup xetEnabled gitalyUid"
EXPANDABLE: Final = {
    RepoType.MODEL: frozenset(
        f"{_ALL} {_MORE} baseModels childrenModelCount config downloads downloadsAllTime "
        "evalResults gated gguf inference inferenceProviderMapping library_name mask_token "
        "model-index pipeline_tag safetensors spaces transformersInfo usedStorage "
        "widgetData securityRepoStatus".split()
    ),
    RepoType.DATASET: frozenset(
        f"{_ALL} {_MORE} citation description downloads downloadsAllTime gated "
        "mainSize paperswithcode_id usedStorage securityRepoStatus".split()
    ),
    RepoType.SPACE: frozenset(
        f"{_ALL} {_MORE} datasets models region runtime sdk subdomain usedStorage".split()
    ),
}
_DEEP: Final = 200


async def info(request: Request, place: RepoPath, shelf: Shelf, options: ServeOptions) -> Response:
    """Answer ``/api/{type}s/{id}`` and ``…/revision/{revision}``."""
    query = read_query(request)
    wanted = [name for text in query.get("expand", ()) for name in text.split(",")]
    if unknown := sorted(set(wanted) - EXPANDABLE[place.key.repo_type]):
        raise HubError(400, None, f"expand does not know {unknown[0][:50]!r}")
    if wanted and (flag(query, "blobs") or flag(query, "securityStatus")):
        raise HubError(400, None, "expand cannot be combined with blobs or securityStatus")
    snapshot = await snapshot_of(shelf, place)
    value = await run_in_threadpool(repo_info, snapshot, blobs=flag(query, "blobs"))
    if flag(query, "securityStatus") or "securityRepoStatus" in wanted:
        value["securityRepoStatus"] = NOT_SCANNED
    return json_reply(expanded(value, wanted) if wanted else value)


def repo_info(snapshot: Snapshot, *, blobs: bool = False) -> dict[str, Any]:
    """Give the info JSON of a commit; with sizes and hashes of its files when ``blobs``."""
    value = without_transfer(snapshot.manifest.upstream)
    value |= {
        "id": snapshot.key.repo_id,
        "sha": snapshot.commit,
        "siblings": [sibling(file, blobs=blobs) for file in snapshot.present],
    }
    if snapshot.key.repo_type is RepoType.MODEL:
        value["modelId"] = snapshot.key.repo_id
    value.setdefault("private", False)
    value.setdefault("tags", [])
    value.pop("securityRepoStatus", None)
    return value


def sibling(file: ManifestFile, *, blobs: bool) -> dict[str, Any]:
    """Give one file as the info call lists it."""
    entry: dict[str, Any] = {"rfilename": file.path}
    if blobs:
        entry |= {"size": file.size, "blobId": file.blob_id}
        if file.lfs_sha256 is not None:
            entry["lfs"] = {
                "sha256": file.lfs_sha256,
                "size": file.size,
                "pointerSize": pointer_size(file),
            }
    return entry


def pointer_size(file: ManifestFile) -> int:
    """Give the bytes of the pointer that git keeps in place of an LFS file."""
    return len(pointer_text(file))


def pointer_text(file: ManifestFile) -> str:
    """Give that pointer."""
    return lfs_pointer(str(file.lfs_sha256), file.size)


def expanded(value: dict[str, Any], wanted: Iterable[str]) -> dict[str, Any]:
    """Reduce an info to ``_id``, ``id`` and what ``expand`` names."""
    keys = {*wanted, "_id", "id"}
    return {name: part for name, part in value.items() if name in keys}


def without_transfer(value: dict[str, Any]) -> dict[str, Any]:
    """Leave out, at every depth, the fields of a transfer protocol that we do not speak."""
    cleaned = _cleaned(value, 0)
    return cleaned if isinstance(cleaned, dict) else {}


def _cleaned(value: Any, depth: int) -> Any:
    if depth > _DEEP:
        return None
    if isinstance(value, dict):
        kept = ((name, part) for name, part in value.items() if not name.lower().startswith("xet"))
        return {name: _cleaned(part, depth + 1) for name, part in kept}
    if isinstance(value, list):
        return [_cleaned(part, depth + 1) for part in value]
    if isinstance(value, float) and not isfinite(value):
        return None  # JSON has no word for it
    return value
