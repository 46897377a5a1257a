"""``trees/<commit>.json``: the listing of a commit that huggingface_hub 2.x keeps.

In a cache it lies beside ``snapshots/``, in a folder of ``--local-dir`` below
``.cache/huggingface/``. It has the size and identity of *every* file of the commit, so a
folder that has it tells what it lacks. One that is damaged counts as none.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from mirror.adopt.model import FoundFile, writable
from mirror.adopt.reading import Entry, read_limited, refusal_of_path
from mirror.names import MAX_REPO_SIZE, is_commit, is_digest

#: 150 bytes a file (measured): 2 million files.
_MAX_BYTES: Final = 300 << 20


@dataclass(frozen=True, slots=True)
class ListedFile:
    """One file of a commit."""

    size: int
    blob_id: str
    lfs_sha256: str | None


def read_listing(folder: Path, commit: str) -> Mapping[str, ListedFile] | None:
    """Read the listing of a commit below ``folder``; ``None`` where there is none to trust."""
    data = read_limited(folder / "trees" / f"{commit}.json", _MAX_BYTES)
    try:
        value = None if data is None else json.loads(data)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict) or value.get("format_version") != 1:
        return None
    files = value.get("files")
    if not isinstance(files, dict):
        return None
    listed: dict[str, ListedFile] = {}
    for path, entry in files.items():
        file = _listed(entry)
        if file is None or refusal_of_path(path):
            return None
        listed[path] = file
    return listed


def gather(
    entries: Iterable[Entry],
    read: Callable[[Entry], FoundFile | str],
    listing: Mapping[str, ListedFile] | None,
) -> tuple[tuple[FoundFile, ...], dict[str, str]]:
    """Read what lies in a folder, and add what the listing of the commit knows besides.

    Returns:
        the files sorted by path, and what was left out with the reason that ``read`` gave.
    """
    files: dict[str, FoundFile] = {}
    left_out: dict[str, str] = {}
    for entry in entries:
        found = read(entry)
        if isinstance(found, str):
            left_out[writable(entry.path)] = found
        else:
            files[entry.path] = found
    for path, listed in (listing or {}).items():
        if path not in files:
            files[path] = FoundFile(path, listed.size, None, listed.blob_id, listed.lfs_sha256)
    return tuple(files[path] for path in sorted(files)), left_out


def _listed(entry: Any) -> ListedFile | None:
    if not isinstance(entry, dict):
        return None
    size, blob_id, lfs = entry.get("size"), entry.get("blob_id"), entry.get("lfs_sha256")
    if not isinstance(size, int) or isinstance(size, bool) or not 0 <= size <= MAX_REPO_SIZE:
        return None
    if not isinstance(blob_id, str) or not is_commit(blob_id):
        return None
    if lfs is not None and not (isinstance(lfs, str) and is_digest(lfs)):
        return None
    return ListedFile(size, blob_id, lfs)


def split_etag(etag: str | None) -> tuple[str | None, str | None]:
    """Give (blob id, LFS sha256) of an etag: its length tells which; neither for any other."""
    if etag is not None and is_commit(etag):
        return etag, None
    if etag is not None and is_digest(etag):
        return None, etag
    return None, None
