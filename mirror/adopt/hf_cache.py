"""A Hugging Face cache: ``<type>s--<namespace>--<name>/`` with refs/, snapshots/ and blobs/.

The names say it all: a folder is the repo, a folder below ``snapshots/`` the commit, a
file below ``refs/`` a ref, and a blob is named by its etag. A snapshot has links to the
blobs, or plain files (where there were no symbolic links, in a copy that followed them,
in the view of a mirror). A link counts if it leads to a file of the same repo's folder.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from mirror.adopt.listing import ListedFile, gather, read_listing, split_etag
from mirror.adopt.model import FoundFile, FoundSnapshot, Kind, OnDisk, Trouble
from mirror.adopt.reading import (
    LFS_SIZE,
    Entry,
    is_below,
    names_in,
    read_line_file,
    refusal_of_path,
    walk,
)
from mirror.errors import BadNameError
from mirror.names import RepoKey, RepoType, check_ref_name, is_commit

_REF_BYTES: Final = 200


def key_of_folder(name: str) -> RepoKey | None:
    """Give the repo that a folder of a cache is called after; ``None`` if it is none."""
    kind, *parts = name.split("--")
    try:
        return RepoKey(RepoType.parse(kind), "/".join(parts)) if kind.endswith("s") else None
    except BadNameError:
        return None


def is_repo_folder(folder: Path) -> bool:
    """Whether it is one repo of a cache."""
    return key_of_folder(folder.name) is not None and (folder / "snapshots").is_dir()


def repo_folders(folder: Path) -> tuple[list[Path], list[str]]:
    """Give the repos in a cache's folder, and a note for each that is another one's name."""
    found, notes = [], []
    for name in names_in(folder):
        path = folder / name
        if not is_repo_folder(path):
            continue
        target = path.resolve()
        if path.is_symlink() and target.parent == folder.resolve() and is_repo_folder(target):
            notes.append(f"{name} is another name of {target.name}, which is taken in")
        else:
            found.append(path)
    return found, notes


def read_repo_folder(folder: Path) -> tuple[list[FoundSnapshot], list[Trouble]]:
    """Read one repo of a cache: every snapshot with the refs that point at it.

    Raises:
        StoreError: it cannot be read.
    """
    key = key_of_folder(folder.name)
    if key is None:
        raise ValueError(f"{folder.name} is no folder of a cache")
    top = folder.resolve()
    refs, troubles = _read_refs(key, top / "refs")
    blobs = frozenset(names_in(top / "blobs"))
    snapshots = []
    for commit in names_in(top / "snapshots"):
        place = (top / "snapshots" / commit).resolve()
        if not is_commit(commit):
            continue
        if not place.is_dir() or not is_below(place, top):
            troubles.append(Trouble(str(key), f"snapshot {commit} leads out of {folder}"))
            continue
        names = tuple(name for name, target in refs.items() if target == commit)
        snapshots.append(_read_snapshot(key, commit, names, top, place, blobs))
    return snapshots, troubles


def _read_refs(key: RepoKey, folder: Path) -> tuple[dict[str, str], list[Trouble]]:
    refs: dict[str, str] = {}
    troubles = []
    for entry in walk(folder) if folder.is_dir() else ():
        commit = read_line_file(folder / entry.path, _REF_BYTES) if entry.is_file else None
        try:
            name = check_ref_name(entry.path)
        except BadNameError:
            commit = None
        if commit is None or not is_commit(commit):
            troubles.append(Trouble(str(key), f"its ref {entry.path!r} cannot be read"))
        else:
            refs[name] = commit
    return refs, troubles


def _read_snapshot(
    key: RepoKey,
    commit: str,
    refs: tuple[str, ...],
    top: Path,
    place: Path,
    blobs: frozenset[str],
) -> FoundSnapshot:
    listing = read_listing(top, commit)
    files, left_out = gather(
        walk(place), lambda entry: _read_file(entry, place, top, listing), listing
    )
    return FoundSnapshot(key, commit, refs, Kind.CACHE, top, files, left_out, (), blobs)


def _read_file(
    entry: Entry, place: Path, top: Path, listing: Mapping[str, ListedFile] | None
) -> FoundFile | str:
    """Give one file of a snapshot, or why it is none."""
    if why := refusal_of_path(entry.path):
        return why
    target = _followed(place / entry.path, top) if entry.is_link else place / entry.path
    if not is_below(target, top):
        return "a link that leads out of the folder of its repo"
    try:
        found = target.lstat()
    except FileNotFoundError:
        return "a link that leads nowhere: its download did not come to its end"
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if not stat.S_ISREG(found.st_mode):
        return "neither a file nor a link to one"
    named = target.name if target.parent == top / "blobs" else None
    return identified(entry.path, found, target, named, listing)


def _followed(path: Path, top: Path) -> Path:
    """Give where a link of a snapshot leads, at once where it is one of the usual kind.

    No part of the way to it is a link, so the text of the usual one can be taken as it is.
    """
    try:
        usual = os.path.normpath(f"{path.parent}/{path.readlink()}")
    except OSError:
        return path.resolve()
    blobs, _, name = usual.rpartition("/")
    if blobs == f"{top}/blobs" and not os.path.islink(usual):  # noqa: PTH114 - a hot path
        return Path(blobs, name)
    return path.resolve()


def identified(
    path: str,
    found: os.stat_result,
    target: Path,
    etag: str | None,
    listing: Mapping[str, ListedFile] | None,
) -> FoundFile | str:
    """Give a file with what its bytes must be; the commit's listing says it best."""
    size, where = found.st_size, OnDisk(target)
    if listing is not None:
        if (listed := listing.get(path)) is None:
            return "the commit does not have it"
        if listed.size != size:
            return f"{size:,} bytes long, {listed.size:,} in the commit"
        return FoundFile(path, size, where, listed.blob_id, listed.lfs_sha256)
    blob_id, lfs = split_etag(etag)
    return FoundFile(path, size, where, blob_id, lfs, maybe_lfs=size > LFS_SIZE)
