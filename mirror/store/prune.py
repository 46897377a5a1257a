"""Remove what nothing needs any more: a plan first, which is a value, then the act.

A snapshot stays while a ref points at it (a commit pinned by its hash is a ref too),
while it is one of the ``keep`` newest that a ref pointed at before, and while it is the
last one of its repo. What upstream says about a repo plays no part here. A blob stays
while any manifest that stays refers to it; if any manifest cannot be read there is no
plan at all, because its blobs are not known.

Hold the write lock over both, the plan and the act: a sync in between would make the
plan wrong. The act goes view, manifests, blobs: killed anywhere, nothing that is still
listed lacks its bytes, and planning again finds the rest.
"""

from __future__ import annotations

import shutil
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from mirror.errors import DamagedError
from mirror.names import RepoKey
from mirror.store.atomic import disk_errors, is_temporary
from mirror.store.refs import heads
from mirror.store.store import Store
from mirror.store.walk import folder_names

#: How long what a run left unfinished is kept for the next run to go on with.
STALE_AFTER: Final = timedelta(days=7)


@dataclass(frozen=True)
class DoomedSnapshot:
    """One commit of one repo that goes, and why."""

    key: RepoKey
    commit: str
    why: str


@dataclass(frozen=True)
class DoomedRef:
    """A branch, tag or pinned commit that is followed no more, and why."""

    key: RepoKey
    ref: str
    commit: str
    why: str


@dataclass(frozen=True)
class DoomedBlob:
    """Content that no manifest refers to once the snapshots are gone."""

    digest: str
    size: int


@dataclass(frozen=True)
class DoomedFile:
    """Something left by a run that did not come to its end, or in quarantine."""

    path: str
    """Relative to the mirror's root; a folder for unfinished work in the view."""
    size: int


@dataclass(frozen=True)
class PrunePlan:
    """Exactly what would be removed."""

    snapshots: tuple[DoomedSnapshot, ...]
    blobs: tuple[DoomedBlob, ...]
    leftovers: tuple[DoomedFile, ...]
    refs: tuple[DoomedRef, ...] = ()
    """Dropped before anything else; only what the caller has named."""

    @property
    def freed(self) -> int:
        """Bytes of content that go (copies in the view not counted)."""
        return sum(blob.size for blob in self.blobs) + sum(file.size for file in self.leftovers)

    def as_json(self) -> dict[str, Any]:
        """The form of reports and of ``--json``."""
        return {
            "refs": [
                {"repo": str(item.key), "ref": item.ref, "commit": item.commit, "why": item.why}
                for item in self.refs
            ],
            "snapshots": [
                {"repo": str(item.key), "commit": item.commit, "why": item.why}
                for item in self.snapshots
            ],
            "blobs": [{"digest": blob.digest, "size": blob.size} for blob in self.blobs],
            "leftovers": [{"path": file.path, "size": file.size} for file in self.leftovers],
            "freed": self.freed,
        }


def plan_prune(
    store: Store,
    keep: int,
    *,
    protected: Collection[RepoKey] = (),
    dropped: Collection[DoomedRef] = (),
    stale_after: timedelta = STALE_AFTER,
    now: datetime | None = None,
) -> PrunePlan:
    """Decide what goes; changes nothing.

    ``keep`` is how many older snapshots of every ref stay; of ``protected`` repos all do.
    ``dropped`` refs are taken to be gone: a repo that has no other goes entirely.
    Unfinished work younger than ``stale_after`` stays, so that a sync can go on with it.

    Raises:
        DamagedError: a manifest or a refs.json cannot be read: nothing may be removed.
    """
    limit = ((now or datetime.now(UTC)) - stale_after).timestamp()
    snapshots: list[DoomedSnapshot] = []
    needed: set[bytes] = set()
    released: set[bytes] = set()
    without: dict[RepoKey, set[str]] = {}
    for ref in dropped:
        without.setdefault(ref.key, set()).add(ref.ref)
    for key in store.repos():
        names = without.get(key, set())
        doomed = [] if key in protected else _doomed_snapshots(store, key, keep, names)
        snapshots += doomed
        gone = {item.commit for item in doomed}
        for commit in store.commits(key):
            for file in store.manifest(key, commit).present_files:
                (released if commit in gone else needed).add(bytes.fromhex(str(file.sha256)))
    blobs = tuple(_doomed_blobs(store, needed, released, limit))
    return PrunePlan(tuple(snapshots), blobs, tuple(_leftovers(store, limit)), tuple(dropped))


def apply_prune(store: Store, plan: PrunePlan) -> None:
    """Remove what ``plan`` says. The write lock is held, since before the plan was made.

    Raises:
        DamagedError: a ref points at a snapshot of the plan: it is out of date.
    """
    for ref in plan.refs:
        if store.refs(ref.key).get(ref.ref) == ref.commit:
            store.forget_refs(ref.key, [ref.ref])
    for item in plan.snapshots:
        if item.commit in store.refs(item.key).values():
            raise DamagedError(
                f"{item.key} at {item.commit} is in use: the plan is out of date",
                hint="run mirror prune again",
            )
    doomed = {item.key for item in plan.snapshots}
    store.note_change(*doomed)
    for key in doomed:
        # A sync that was killed may have moved the view's ref, and not ours.
        store.view.put_refs(key, store.refs(key))
    for item in plan.snapshots:
        store.view.remove_snapshot(item.key, item.commit)
        path = store.layout.manifest(item.key, item.commit)
        with disk_errors(path):
            path.unlink(missing_ok=True)
    for key in {ref.key for ref in plan.refs}:
        store.forget_repo(key)
    for blob in plan.blobs:
        store.blobs.remove(blob.digest)
    for file in plan.leftovers:
        _remove(store.root / file.path)


def _doomed_snapshots(
    store: Store, key: RepoKey, keep: int, dropped: Collection[str]
) -> list[DoomedSnapshot]:
    commits = store.commits(key)
    refs = {name: commit for name, commit in store.refs(key).items() if name not in dropped}
    staying = set(refs.values())
    past: dict[str, str] = {}
    log = heads(store.layout.ref_log(key))
    for name in refs:
        older = [commit for commit in log.get(name, []) if commit in commits]
        older = [commit for commit in older if commit != refs[name]]
        staying.update(older[:keep])
        past.update(dict.fromkeys(older[keep:], name))
    if not staying & set(commits) and commits and not dropped:
        staying.add(max(commits, key=lambda commit: store.manifest(key, commit).created))
    return [
        DoomedSnapshot(key, commit, _why(past.get(commit), keep))
        for commit in commits
        if commit not in staying
    ]


def _why(ref: str | None, keep: int) -> str:
    if ref is None:
        return "no ref points at it"
    return f"{ref} has moved on, and keeps {keep} older"


def _doomed_blobs(
    store: Store, needed: set[bytes], released: set[bytes], limit: float
) -> Iterator[DoomedBlob]:
    for digest in store.blobs:
        raw = bytes.fromhex(digest)
        if raw in needed:
            continue
        found = store.blobs.path(digest).lstat()
        # One that no manifest ever had was fetched by a run that did not publish: it may go on.
        if raw in released or found.st_mtime < limit:
            yield DoomedBlob(digest, found.st_size)


def _leftovers(store: Store, limit: float) -> Iterator[DoomedFile]:
    """Unfinished files: those of a sync by age; our own small temporaries at once."""
    root = store.root
    for folder in (store.layout.partial, store.layout.quarantine):
        for path in _children(folder):
            found = path.lstat()
            if found.st_mtime < limit:
                yield DoomedFile(str(path.relative_to(root)), found.st_size)
    for path in _temporaries(store):
        size = 0 if path.is_dir() else path.lstat().st_size
        yield DoomedFile(str(path.relative_to(root)), size)


def _temporaries(store: Store) -> Iterator[Path]:
    """Temporaries of a killed process. The lock is held, so they are nobody's."""
    yield from store.blobs.temporaries()
    yield from (store.root / n for n in folder_names(str(store.root)) if is_temporary(n))
    folders = (store.layout.repo(key) for key in [*store.repos(), *store.aliases()])
    for folder in [store.layout.runs, *_with_commits(folders)]:
        yield from (path for path in _children(folder) if is_temporary(path.name))
    for path in _children(store.layout.hub):
        if is_temporary(path.name):
            yield path
        elif not path.is_symlink():
            yield from (below for below in _children(path) if is_temporary(below.name))


def _with_commits(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield folder
        yield folder / "commits"


def _children(folder: Path) -> list[Path]:
    if folder.is_symlink():
        return []  # what lies behind a link is not ours to remove
    return [folder / name for name in folder_names(str(folder))]


def _remove(path: Path) -> None:
    with disk_errors(path):
        if path.is_dir() and not path.is_symlink():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
