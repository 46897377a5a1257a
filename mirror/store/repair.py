"""Act on what verify found, so that the next sync can put it right.

What is derived is made anew. What is damaged is moved to ``quarantine/``, never
repaired in place: its bytes may be evidence, and ``plan`` takes a blob that is away for
one to fetch. Links in the view share the inode of a damaged blob, so they go first.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mirror.errors import DamagedError
from mirror.names import RepoKey, is_digest
from mirror.store.atomic import disk_errors
from mirror.store.refs import heads, write_refs
from mirror.store.store import Store, git_pairs
from mirror.store.verify import Finding, readable_manifests


@dataclass(frozen=True)
class RepairReport:
    """What was done, and what is left to a sync."""

    quarantined: tuple[str, ...]
    """Files moved away: relative to the mirror's root."""
    relinked: tuple[RepoKey, ...]
    """Repos whose view was made anew."""
    restored_refs: tuple[RepoKey, ...]
    to_fetch: tuple[RepoKey, ...]
    """Repos that miss blobs or manifests now: a sync fetches those."""

    def as_json(self) -> dict[str, Any]:
        """The form of reports and of ``--json``."""
        return {
            "quarantined": list(self.quarantined),
            "relinked": [str(key) for key in self.relinked],
            "restored_refs": [str(key) for key in self.restored_refs],
            "to_fetch": [str(key) for key in self.to_fetch],
        }


def repair(store: Store, findings: Sequence[Finding]) -> RepairReport:
    """Do all that needs no upstream. The write lock is held by the caller."""
    store.note_change(*_distinct(key for finding in findings for key in finding.repos))
    bad = [finding for finding in findings if finding.is_problem and not finding.in_view]
    moved = [*_quarantine_blobs(store, findings), *_quarantine_manifests(store, findings)]
    restored = [
        key for f in findings if f.kind == "refs-damaged" for key in f.repos
        if _restore_refs(store, key)
    ]  # fmt: skip
    relinked = relink(store, findings)
    return RepairReport(
        tuple(moved), relinked, tuple(restored), _distinct(key for f in bad for key in f.repos)
    )


def finish_repair(store: Store) -> tuple[RepoKey, ...]:
    """Put blobs that have been fetched again back into the view of every snapshot.

    Publishing does so for the snapshot that was fetched only; others may share the blob.
    To be called at the end of each sync and import: costs nothing without a quarantine.
    The write lock is held by the caller.
    """
    folder = store.layout.quarantine
    names = [path.name for path in folder.iterdir()] if folder.is_dir() else []
    back = {name for name in names if is_digest(name) and store.blobs.has(name)}
    if not back:
        return ()
    keys = _distinct(
        key
        for key, manifest in readable_manifests(store, store.repos())
        if any(file.sha256 in back for file in manifest.present_files)
    )
    for key in keys:
        rebuild_view(store, key)
    for name in back:
        with disk_errors(folder / name):
            (folder / name).unlink()
    return keys


def relink(store: Store, findings: Iterable[Finding]) -> tuple[RepoKey, ...]:
    """Make the view of every repo anew that a finding about the view names."""
    keys = _distinct(key for finding in findings if finding.in_view for key in finding.repos)
    for key in keys:
        rebuild_view(store, key)
    return keys


def rebuild_view(store: Store, key: RepoKey) -> None:
    """Make one repo's part of the view anew from its manifests and refs."""
    target = store.canonical(key)
    if target != key:
        store.view.put_alias(key, target)
        return
    manifests = (manifest for _, manifest in readable_manifests(store, [key]))
    store.view.rebuild(key, manifests, _refs_or_log(store, key))


def rebuild_git_index(store: Store) -> None:
    """Make the index from git's sha1 to sha256 anew."""
    manifests = readable_manifests(store, store.repos())
    store.git_index.rebuild(pair for _, manifest in manifests for pair in git_pairs(manifest))


def _quarantine_blobs(store: Store, findings: Iterable[Finding]) -> list[str]:
    digests = {f.digest for f in findings if f.kind == "blob-corrupt" and f.digest}
    if not digests:
        return []
    # All repos, not only those that were verified: they share the blob, and its inode.
    for key, manifest in readable_manifests(store, store.repos()):
        for file in manifest.present_files:
            if file.sha256 in digests:
                store.view.remove_file(key, manifest.commit, file.path)
    return [_move_away(store, store.blobs.path(digest), digest) for digest in sorted(digests)]


def _quarantine_manifests(store: Store, findings: Iterable[Finding]) -> list[str]:
    moved = []
    for finding in findings:
        if finding.kind != "manifest-damaged" or finding.commit is None:
            continue
        for key in finding.repos:
            path = store.layout.manifest(key, finding.commit)
            moved.append(_move_away(store, path, f"{key.cache_folder}.{path.name}"))
    return moved


def _restore_refs(store: Store, key: RepoKey) -> bool:
    """Write refs.json anew if it cannot be read; give whether that was so."""
    try:
        store.refs(key)
    except DamagedError:
        refs = _refs_or_log(store, key)
        path = store.layout.refs(key)
        _move_away(store, path, f"{key.cache_folder}.{path.name}")
        write_refs(path, store.layout.ref_log(key), {}, refs)
        store.view.put_refs(key, refs)
        return True
    return False


def _refs_or_log(store: Store, key: RepoKey) -> dict[str, str]:
    try:
        return dict(store.refs(key))
    except DamagedError:
        here = set(store.commits(key))
        found = {}
        for name, commits in heads(store.layout.ref_log(key)).items():
            if there := [commit for commit in commits if commit in here]:
                found[name] = there[0]  # a move may be logged and not made
        return found


def _move_away(store: Store, path: Path, name: str) -> str:
    folder = store.layout.quarantine
    with disk_errors(path):
        folder.mkdir(exist_ok=True)
        if os.path.lexists(path):
            path.replace(folder / name)
    return str(path.relative_to(store.root))


def _distinct(keys: Iterable[RepoKey]) -> tuple[RepoKey, ...]:
    return tuple(sorted(set(keys)))
