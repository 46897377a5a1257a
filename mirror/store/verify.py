"""Check everything in the store against what it should be, by reading all of it.

Every blob that a manifest refers to is hashed once, by several threads (hashing frees
the interpreter's lock); the files of the view are the same inodes and cost a stat. Copies
are hashed too. Verify only reads: :mod:`mirror.store.repair` acts on what it finds.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import stat
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any, Final, Literal

from mirror.errors import DamagedError
from mirror.names import RepoKey
from mirror.store.digests import CHUNK
from mirror.store.manifest import Manifest
from mirror.store.opening import no_link, read_regular
from mirror.store.store import Store
from mirror.store.view import (
    list_files,
    list_snapshots,
    read_view_refs,
    tree_json,
    tree_path,
    view_refs,
)
from mirror.store.workers import Workers

Kind = Literal[
    "blob-missing",
    "blob-corrupt",
    "blob-unreferenced",
    "manifest-damaged",
    "refs-damaged",
    "view-missing",
    "view-wrong",
]
Progress = Callable[[int, int], None]

_BATCH: Final = 1000
_UNREADABLE: Final = "unreadable"
_THREADS: Final = min(8, os.cpu_count() or 1)


@dataclass(frozen=True)
class Finding:
    """One thing that is not as it should be."""

    kind: Kind
    detail: str
    """One line for people."""
    repos: tuple[RepoKey, ...] = ()
    """The repos it touches."""
    commit: str | None = None
    path: str | None = None
    """A file's path in its repo, or a file of the store relative to its root."""
    digest: str | None = None

    @property
    def is_problem(self) -> bool:
        """A blob that nothing refers to is only worth knowing: prune removes it."""
        return self.kind != "blob-unreferenced"

    @property
    def in_view(self) -> bool:
        """Whether only the derived view is wrong, so that it can be made anew."""
        return self.kind in {"view-missing", "view-wrong"}

    def as_json(self) -> dict[str, Any]:
        """The form of reports and of ``--json``."""
        return {
            "kind": self.kind,
            "detail": self.detail,
            "repos": [str(key) for key in self.repos],
            "commit": self.commit,
            "path": self.path,
            "digest": self.digest,
        }


@dataclass(frozen=True)
class VerifyReport:
    """What a verify read, and what it found."""

    checked_repos: int
    checked_snapshots: int
    checked_blobs: int
    checked_bytes: int
    findings: tuple[Finding, ...]

    @property
    def problems(self) -> tuple[Finding, ...]:
        """The findings that something must be done about."""
        return tuple(finding for finding in self.findings if finding.is_problem)

    def as_json(self) -> dict[str, Any]:
        """The form of reports and of ``--json``."""
        return {
            "checked_repos": self.checked_repos,
            "checked_snapshots": self.checked_snapshots,
            "checked_blobs": self.checked_blobs,
            "checked_bytes": self.checked_bytes,
            "findings": [finding.as_json() for finding in self.findings],
        }


def verify(
    store: Store, keys: Iterable[RepoKey] | None = None, progress: Progress | None = None
) -> VerifyReport:
    """Check ``keys``, or the whole mirror.

    ``progress`` is called with (bytes hashed, bytes to hash). Blobs that nothing refers
    to are looked for only in a whole verify.
    """
    chosen = [store.canonical(key) for key in keys] if keys is not None else list(store.repos())
    chosen = list(dict.fromkeys(chosen))
    walk = _Walk(store)
    for key in chosen:
        walk.check_repo(key)
    if keys is None:
        walk.check_aliases()
        walk.find_unreferenced()
    bad, checked = _hash_blobs(store, walk.sizes, walk.copies, progress)
    findings = [*walk.findings, *_with_repos(store, chosen, bad)]
    return VerifyReport(len(chosen), walk.snapshots, len(walk.sizes), checked, tuple(findings))


def verify_blobs(
    store: Store,
    digests: Collection[str],
    keys: Iterable[RepoKey],
    progress: Progress | None = None,
) -> VerifyReport:
    """Check some blobs alone, of the snapshots of ``keys``; quick where there are few.

    A blob that no snapshot of these refers to is left out: nothing is missed by it there.
    """
    chosen = list(dict.fromkeys(store.canonical(key) for key in keys))
    sizes = {
        bytes.fromhex(str(file.sha256)): file.size
        for _, manifest in readable_manifests(store, chosen)
        for file in manifest.present_files
        if file.sha256 in digests
    }
    snapshots = sum(len(store.commits(key)) for key in chosen)
    bad, checked = _hash_blobs(store, sizes, [], progress)
    findings = tuple(_with_repos(store, chosen, bad))
    return VerifyReport(len(chosen), snapshots, len(sizes), checked, findings)


@dataclass
class _Copy:
    """A file of the view that is not a hard link to its blob."""

    path: Path
    finding: Finding


@dataclass
class _Walk:
    """One pass over manifests and view: stats only, nothing is hashed yet."""

    store: Store
    snapshots: int = 0
    sizes: dict[bytes, int] = field(default_factory=dict)
    """Of every blob referred to. As bytes, a key costs 65 bytes of memory and not 113."""
    copies: list[_Copy] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)

    def note(self, kind: Kind, detail: str, key: RepoKey, **more: str) -> None:
        self.findings.append(Finding(kind, detail, (key,), **more))

    def check_repo(self, key: RepoKey) -> None:
        commits = self.store.commits(key)
        for commit in commits:
            self.snapshots += 1
            try:
                manifest = self.store.manifest(key, commit)
            except DamagedError as error:
                self.note("manifest-damaged", str(error), key, commit=commit)
                continue
            for file in manifest.present_files:
                self.sizes[bytes.fromhex(str(file.sha256))] = file.size
            self.check_snapshot(key, manifest)
        self.check_refs(key, set(commits))
        for commit in sorted(list_snapshots(self.store.layout.view(key)) - set(commits)):
            self.note("view-wrong", f"{key}: a snapshot without manifest", key, commit=commit)

    def check_refs(self, key: RepoKey, commits: set[str]) -> None:
        try:
            refs = self.store.refs(key)
        except DamagedError as error:
            self.note("refs-damaged", str(error), key)
            return
        for name, commit in refs.items():
            if commit not in commits:
                detail = f"{key}: {name} points at {commit}, which has no manifest"
                self.note("refs-damaged", detail, key, commit=commit)
        folder = self.store.layout.view(key)
        if not folder.is_symlink() and read_view_refs(folder) != view_refs(refs):
            self.note("view-wrong", f"{key}: the refs of the view differ from refs.json", key)

    def check_snapshot(self, key: RepoKey, manifest: Manifest) -> None:
        folder, commit = self.store.layout.view(key), manifest.commit
        target = self.store.layout.snapshot(key, commit)
        linked = any(path.is_symlink() for path in (folder, target.parent, target))
        if linked or not target.is_dir():
            self.note("view-missing", f"{key} at {commit} is not in the view", key, commit=commit)
            return
        present = list_files(target)
        for file in manifest.present_files:
            found = present.pop(file.path, None)
            self.check_file(key, commit, (file.path, str(file.sha256)), target, found)
        for path in present:
            detail = f"{key} at {commit}: {path} is in the view and not in the manifest"
            self.note("view-wrong", detail, key, commit=commit, path=path)
        if _read_json(tree_path(folder, commit)) != json.loads(tree_json(manifest)):
            detail = f"{key}: trees/{commit}.json is not the list of its files"
            self.note("view-wrong", detail, key, commit=commit)

    def check_file(
        self,
        key: RepoKey,
        commit: str,
        wanted: tuple[str, str],
        target: Path,
        found: os.stat_result | None,
    ) -> None:
        path, sha256 = wanted
        try:
            blob = os.stat(self.store.blobs.name(sha256))  # noqa: PTH116 - once a file
        except OSError:
            return  # reported as blob-missing when it is to be hashed
        where = f"{key} at {commit}: {path}"
        if found is None:
            detail = f"{where} is not in the view"
            self.note("view-missing", detail, key, commit=commit, path=path, digest=sha256)
        elif os.path.samestat(found, blob):
            return
        else:
            wrong = Finding("view-wrong", f"{where} is other content", (key,), commit, path, sha256)
            if stat.S_ISREG(found.st_mode) and found.st_size == blob.st_size:
                self.copies.append(_Copy(target / path, wrong))
            else:
                self.findings.append(wrong)

    def check_aliases(self) -> None:
        for alias, target in self.store.aliases().items():
            folder, wanted = self.store.layout.view(alias), self.store.layout.view(target)
            if not folder.is_symlink() or folder.resolve() != wanted.resolve():
                self.note("view-missing", f"{alias} is not in the view as {target}", alias)

    def find_unreferenced(self) -> None:
        for digest in self.store.blobs:
            if bytes.fromhex(digest) not in self.sizes:
                detail = f"no manifest refers to blob {digest}"
                self.findings.append(Finding("blob-unreferenced", detail, digest=digest))


def _hash_blobs(
    store: Store, sizes: dict[bytes, int], copies: list[_Copy], progress: Progress | None
) -> tuple[list[Finding], int]:
    """Hash everything, in the order of the folders; give the findings and the bytes read."""
    blobs = ((store.blobs.path(raw.hex()), raw.hex()) for raw in sorted(sizes))
    others = ((copy.path, str(copy.finding.digest)) for copy in copies)
    total = sum(sizes.values()) + sum(sizes[bytes.fromhex(str(c.finding.digest))] for c in copies)
    findings: list[Finding] = []
    done = 0
    with Workers(_THREADS) as workers:
        for (_, digest), (found, size) in _in_batches(workers, blobs):
            done += size
            if (finding := _judge(digest, found, size, sizes[bytes.fromhex(digest)])) is not None:
                findings.append(finding)
            if progress is not None:
                progress(done, total)
        for copy, ((_, digest), (found, size)) in zip(
            copies, _in_batches(workers, others), strict=True
        ):
            done += size
            if found != digest:
                findings.append(copy.finding)
            if progress is not None:
                progress(done, total)
    return findings, done


def _judge(digest: str, found: str, size: int, expected: int) -> Finding | None:
    if found == digest:
        return None
    if not found:
        return Finding("blob-missing", f"blob {digest} is not in the store", digest=digest)
    if found.startswith(_UNREADABLE):
        detail = f"blob {digest} is {found}"
    elif size != expected:
        detail = f"blob {digest} has {size} bytes instead of {expected}"
    else:
        detail = f"blob {digest} has other content ({found})"
    return Finding("blob-corrupt", detail, digest=digest)


_Job = tuple[Path, str]


def _in_batches(workers: Workers, jobs: Iterable[_Job]) -> Iterator[tuple[_Job, tuple[str, int]]]:
    """Hash in order, without a future for each of a million blobs at once."""
    jobs = iter(jobs)
    hashed = partial(_sha256, tick=workers.check)
    while batch := list(islice(jobs, _BATCH)):
        yield from zip(batch, workers.map(hashed, (path for path, _ in batch)), strict=True)


def _sha256(path: Path, tick: Callable[[], None]) -> tuple[str, int]:
    """Give (digest, bytes read); no digest for a missing file, a wrong one if it is unreadable."""
    hasher, size = hashlib.sha256(), 0
    try:
        with open(path, "rb", buffering=0, opener=_regular) as stream:
            while data := stream.read(CHUNK):
                tick()
                hasher.update(data)
                size += len(data)
    except FileNotFoundError:
        return "", 0
    except OSError as error:
        return f"{_UNREADABLE}: {error.strerror}", size
    return hasher.hexdigest(), size


def _regular(path: str, flags: int) -> int:
    """Open a file itself: the view has links to its inode, and a pipe would never end."""
    descriptor = no_link(path, flags | os.O_NONBLOCK)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(errno.EINVAL, "not a regular file", path)
    return descriptor


def _with_repos(store: Store, keys: Iterable[RepoKey], bad: list[Finding]) -> Iterator[Finding]:
    """Say which repos each bad blob belongs to: a second pass, made only when there is one."""
    plain = {f.digest: f for f in bad if not f.in_view}
    users: dict[str, set[RepoKey]] = {}
    places: dict[str, str] = {}
    for key, manifest in readable_manifests(store, keys) if plain else ():
        for file in manifest.present_files:
            if file.sha256 in plain:
                users.setdefault(str(file.sha256), set()).add(key)
                places.setdefault(str(file.sha256), file.path)
    for finding in bad:
        if finding.in_view or finding.digest not in users:
            yield finding
        else:
            repos = tuple(sorted(users[finding.digest]))
            yield replace(
                finding,
                repos=repos,
                path=places[finding.digest],
                detail=f"{finding.detail}: {places[finding.digest]} of {repos[0]}",
            )


def readable_manifests(store: Store, keys: Iterable[RepoKey]) -> Iterator[tuple[RepoKey, Manifest]]:
    """Give every manifest that can be read, one at a time."""
    for key in keys:
        for commit in store.commits(key):
            try:
                yield key, store.manifest(key, commit)
            except DamagedError:
                continue


def _read_json(path: Path) -> object:
    try:
        return json.loads(read_regular(path))
    except (OSError, ValueError, RecursionError):
        return None
