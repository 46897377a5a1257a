"""Snapshots for the tests of the store: small, and with true digests."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from mirror.names import RepoKey, RepoType
from mirror.store import Manifest, ManifestFile, Store, hash_bytes

KEY = RepoKey(RepoType.MODEL, "acme/tiny")
OTHER = RepoKey(RepoType.DATASET, "acme/words")
CREATED = "2025-01-02T03:04:05Z"

FILES = {
    "README.md": b"# Tiny\n",
    "config.json": b"{}\n",
    "weights/model.safetensors": b"\0" * 1000,
}


def commit_of(text: str) -> str:
    return hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()


def file_of(path: str, data: bytes, *, lfs: bool = False, present: bool = True) -> ManifestFile:
    digests = hash_bytes(data)
    known = digests.sha256 if present or lfs else None
    return ManifestFile(
        path=path,
        size=len(data),
        blob_id=commit_of(f"pointer {digests.sha256}") if lfs else digests.git_sha1,
        lfs_sha256=digests.sha256 if lfs else None,
        sha256=known,
        present=present,
        absent_because=None if present else "exclude",
    )


def manifest_of(
    key: RepoKey = KEY,
    commit: str = commit_of("1"),
    files: Mapping[str, bytes] = FILES,
    absent: Mapping[str, bytes] | None = None,
    created: str = CREATED,
) -> Manifest:
    """``.safetensors`` files are LFS files, all others are not."""
    entries = [file_of(p, data, lfs=p.endswith(".safetensors")) for p, data in files.items()]
    entries += [
        file_of(p, data, lfs=p.endswith(".safetensors"), present=False)
        for p, data in (absent or {}).items()
    ]
    return Manifest(
        repo_type=key.repo_type,
        repo_id=key.repo_id,
        commit=commit,
        created=created,
        files=tuple(sorted(entries, key=lambda entry: entry.path)),
        upstream={"id": key.repo_id, "tags": ["ko"]},
        endpoint="https://hub.example",
    )


def publish(
    store: Store,
    key: RepoKey = KEY,
    commit: str = commit_of("1"),
    files: Mapping[str, bytes] = FILES,
    refs: tuple[str, ...] = ("main",),
    absent: Mapping[str, bytes] | None = None,
    created: str = CREATED,
) -> Manifest:
    for data in files.values():
        store.blobs.write(data)
    manifest = manifest_of(key, commit, files, absent, created)
    store.publish(manifest, refs)
    return manifest


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below ``folder``: what a user of the snapshot finds."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def overwrite(path: Path, data: bytes) -> None:
    """Damage a read-only file where it lies: same inode, other bytes."""
    path.chmod(0o644)
    path.write_bytes(data)
    path.chmod(0o444)
