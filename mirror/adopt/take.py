"""The thin hand of an adoption: bytes into the store, then each snapshot is published.

A file gets its name in ``blobs/`` only when its bytes were read and are what the folder
says they are. A wrong one is refused by its name, and the others go on. The user's own
files stay where they are, and as they are but for one thing: a file that is shared by a
hard link becomes read-only. Killed anywhere, the mirror is whole, and adopting again goes
on from there.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Final

from mirror.adopt.git_objects import GitReader, Objects
from mirror.adopt.model import (
    Action,
    Adopted,
    FoundFile,
    InGit,
    OnDisk,
    Placed,
    PlannedFile,
    Share,
    SnapshotPlan,
    Trouble,
)
from mirror.adopt.placing import place
from mirror.adopt.plan import ABSENT_BECAUSE, REFUSED_BECAUSE, merged
from mirror.errors import (
    DiskError,
    StoreError,
    UnsafePathError,
)
from mirror.store import Digests, Hasher, ManifestFile, Store, hash_bytes, lfs_pointer
from mirror.store.atomic import disk_errors
from mirror.store.opening import open_new
from mirror.store.workers import Workers, in_lots

Watch = Callable[[int], None]
"""Called with the bytes that were just read."""

_THREADS: Final = min(8, os.cpu_count() or 1)
_CHUNK: Final = 1 << 20
_BATCH: Final = 1000
_LARGE: Final = 1 << 20
_SUFFIX: Final = ".adopt"


class _Refused(Exception):
    """The bytes are not what they should be, or cannot be read: why."""


@dataclass(frozen=True)
class _Taken:
    """One file that is in the store now."""

    file: FoundFile
    digests: Digests
    placed: Placed | None
    """``None``: the store had it."""
    foreign: bool = False


class Taker:
    """Takes in snapshots, one after the other. The write lock is held."""

    def __init__(self, store: Store, *, share: Share, now: str, watch: Watch | None = None) -> None:
        """``share`` allows hard links; where it does not, bytes are cloned or copied."""
        self._store = store
        self._share = share
        self._own = store.layout.blobs.stat()
        self._now = now
        self._watch = watch or (lambda _: None)
        self._names = count()
        self._lock = Lock()
        self._discard_leftovers()

    def take(self, plan: SnapshotPlan) -> Adopted:
        """Take in the files of one commit, and publish what is good.

        Raises:
            DiskError: full, read-only, or an I/O error: nothing of it was published.
        """
        if plan.unchanged:
            return Adopted(plan, Counter(), 0, (), 0, published=False)
        self._check_room(plan)
        refused: list[Trouble] = []
        taken: dict[str, _Taken] = {}
        for file, outcome in self._outcomes([f for f in plan.files if f.action is Action.TAKE]):
            if isinstance(outcome, _Taken):
                taken[file.path] = outcome
            else:
                refused.append(Trouble(f"{plan.found.key}: {file.path}", outcome))
        files = tuple(self._manifest_file(file, taken, plan) for file in plan.files)
        known = tuple(file for file in files if file is not None)
        published = self._publish(plan, known, refused)
        return Adopted(
            plan=plan,
            placed=Counter(one.placed for one in taken.values() if one.placed),
            reused=plan.count(Action.REUSE) + sum(one.placed is None for one in taken.values()),
            refused=tuple(refused),
            unproven=sum(one.file.etag is None for one in taken.values()),
            published=published,
            foreign=sum(one.foreign for one in taken.values()),
        )

    # --- bytes -------------------------------------------------------------------

    def _outcomes(self, files: Sequence[PlannedFile]) -> Iterator[tuple[FoundFile, _Taken | str]]:
        on_disk = [file.found for file in files if isinstance(file.found.where, OnDisk)]
        for start in range(0, len(on_disk), _BATCH):
            yield from self._from_disk_at_once(on_disk[start : start + _BATCH])
        in_git: dict[Path, list[FoundFile]] = {}
        for file in files:
            if isinstance(file.found.where, InGit):
                in_git.setdefault(file.found.where.objects, []).append(file.found)
        for objects, found in in_git.items():
            yield from self._from_git(objects, found)

    def _from_disk_at_once(
        self, files: Sequence[FoundFile]
    ) -> Iterator[tuple[FoundFile, _Taken | str]]:
        lots = in_lots(files, lambda file: file.size < _LARGE)
        with Workers(_THREADS) as workers:
            take = partial(self._take_lot, tick=workers.check)
            for lot, outcomes in zip(lots, workers.map(take, lots), strict=True):
                yield from zip(lot, outcomes, strict=True)

    def _take_lot(self, files: Sequence[FoundFile], tick: Callable[[], None]) -> list[_Taken | str]:
        return [self._try_disk(file, tick) for file in files]

    def _try_disk(self, file: FoundFile, tick: Callable[[], None]) -> _Taken | str:
        try:
            return self._from_disk(file, tick)
        except _Refused as refused:
            return str(refused)

    def _from_disk(self, file: FoundFile, tick: Callable[[], None]) -> _Taken:
        assert isinstance(file.where, OnDisk)  # noqa: S101 - for the type checker
        with self._temporary() as temporary:
            try:
                source = os.open(file.where.path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
            except OSError as error:
                raise _Refused(f"cannot be read: {error.strerror}") from error
            with os.fdopen(source, "rb") as stream:
                before = _state(stream.fileno())
                found = os.fstat(stream.fileno())
                if not stat.S_ISREG(found.st_mode):
                    raise _Refused("no file any more")
                link = self._may_link(found)
                with disk_errors(temporary):
                    placed = place(stream, file.where.path, temporary, link=link, tick=tick)
                digests = self._hashed(temporary, file, tick)
                if _state(stream.fileno()) != before:
                    raise _Refused("somebody wrote to it while it was read")
            taken = self._adopt(temporary, file, digests, placed)
            return replace(taken, foreign=placed is Placed.COPY and self._is_foreign(found))

    def _may_link(self, found: os.stat_result) -> bool:
        """Whether a file may be the mirror's too: its owner can make it writable again."""
        return self._share is Share.ALL or (
            self._share is Share.OWN and found.st_uid == self._own.st_uid
        )

    def _is_foreign(self, found: os.stat_result) -> bool:
        """Whether a file is copied for the sake of its owner alone."""
        on_one_disk = found.st_dev == self._own.st_dev
        return on_one_disk and self._share is Share.OWN and not self._may_link(found)

    def _from_git(
        self, objects: Path, files: Sequence[FoundFile]
    ) -> Iterator[tuple[FoundFile, _Taken | str]]:
        with GitReader(objects) as reader, reader.objects() as contents:
            for file in files:
                try:
                    yield file, self._one_from_git(contents, file)
                except _Refused as refused:
                    yield file, str(refused)

    def _one_from_git(self, contents: Objects, file: FoundFile) -> _Taken:
        assert isinstance(file.where, InGit)  # noqa: S101 - for the type checker
        with self._temporary() as temporary:
            with disk_errors(temporary), open_new(temporary) as stream:
                there = contents.read(file.where.oid, file.size, stream.write)
            if not there:
                raise _Refused("git does not have its bytes")
            digests = self._hashed(temporary, file)
            return self._adopt(temporary, file, digests, Placed.COPY)

    def _hashed(
        self, temporary: Path, file: FoundFile, tick: Callable[[], None] = lambda: None
    ) -> Digests:
        """Read what would become the blob, and compare it with what it should be."""
        with temporary.open("rb") as stream:
            size = os.fstat(stream.fileno()).st_size
            if size != file.size:
                raise _Refused(f"{size:,} bytes long, not {file.size:,}")
            both = None if file.lfs_sha256 else Hasher(size)
            sha256 = hashlib.sha256()
            while data := stream.read(_CHUNK):
                (both or sha256).update(data)
                tick()
                with self._lock:
                    self._watch(len(data))
        if both is None:
            digests = Digests(sha256.hexdigest(), "", size)
        else:
            digests = Digests(both.sha256, both.git_sha1, size)
        _compare(file, digests)
        return digests

    def _adopt(self, temporary: Path, file: FoundFile, digests: Digests, placed: Placed) -> _Taken:
        reused = self._store.blobs.has(digests.sha256, digests.size)
        self._store.blobs.adopt(temporary, digests.sha256)
        return _Taken(file, digests, None if reused else placed)

    @contextlib.contextmanager
    def _temporary(self) -> Iterator[Path]:
        with self._lock:
            name = f"{next(self._names)}{_SUFFIX}"
        path = self._store.layout.partial / name
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _discard_leftovers(self) -> None:
        """Remove what a killed adoption left: nobody else writes such names."""
        for path in self._store.layout.partial.glob(f"*{_SUFFIX}"):
            path.unlink(missing_ok=True)

    def _check_room(self, plan: SnapshotPlan) -> None:
        """Refuse what cannot fit, before hours of copying.

        Raises:
            DiskError: says how much is needed, and how much is free.
        """
        needed = sum(
            file.found.size
            for file in plan.files
            if file.action is Action.TAKE and not self._shares(file.found)
        )
        free = shutil.disk_usage(self._store.root).free
        if needed > free:
            raise DiskError(
                f"{self._store.root}: {needed:,} bytes are to be copied, {free:,} are free",
                hint="free some space (mirror prune), or move the folder to the mirror's "
                "file system first: there it is linked",
            )

    def _shares(self, file: FoundFile) -> bool:
        if not isinstance(file.where, OnDisk):
            return False
        try:
            found = file.where.path.lstat()
        except OSError:
            return True  # it will be refused, and copied by nobody
        return found.st_dev == self._own.st_dev and self._may_link(found)

    # --- what is published ---------------------------------------------------------

    def _manifest_file(
        self, file: PlannedFile, taken: dict[str, _Taken], plan: SnapshotPlan
    ) -> ManifestFile | None:
        """Give the entry of one file; ``None`` where nothing is known that could be listed."""
        found = file.found
        blob_id, lfs, sha256 = found.blob_id, found.lfs_sha256, file.sha256
        if (one := taken.get(found.path)) is not None:
            sha256 = one.digests.sha256
            if found.etag is None:
                blob_id, lfs = _guessed(found, one.digests, plan)
                # Guessed to be an LFS file, it may be found by its git name all the same.
                self._store.git_index.add([(one.digests.git_sha1, sha256)])
        if lfs is not None and blob_id is None:
            blob_id = hash_bytes(lfs_pointer(lfs, found.size).encode()).git_sha1
        if blob_id is None:
            return None
        present = sha256 is not None
        because = ABSENT_BECAUSE if file.action is Action.ABSENT else REFUSED_BECAUSE
        return ManifestFile(
            path=found.path,
            size=found.size,
            blob_id=blob_id,
            lfs_sha256=lfs,
            sha256=sha256 or lfs,
            present=present,
            absent_because=None if present else because,
        )

    def _publish(
        self, plan: SnapshotPlan, files: Sequence[ManifestFile], refused: list[Trouble]
    ) -> bool:
        if not any(file.present for file in files):
            refused.append(Trouble(str(plan.found.key), "not one file of it could be taken in"))
            return False
        try:
            earlier = self._store.manifest_if_any(plan.found.key, plan.found.commit)
            manifest = merged(plan.found, files, earlier, self._now)
            self._store.publish(manifest, plan.refs)
        except DiskError:
            raise
        except (ValueError, UnsafePathError, StoreError) as error:
            refused.append(Trouble(str(plan.found.key), str(error).splitlines()[0]))
            return False
        return True


def _guessed(
    file: FoundFile, digests: Digests, plan: SnapshotPlan
) -> tuple[str | None, str | None]:
    """Give (blob id, LFS sha256) where nothing was claimed: by names in the folder, or size."""
    known = plan.found.digests
    is_lfs = digests.sha256 in known or (file.maybe_lfs and digests.git_sha1 not in known)
    return (None, digests.sha256) if is_lfs else (digests.git_sha1, None)


def _compare(file: FoundFile, digests: Digests) -> None:
    if file.lfs_sha256 is not None:
        wanted, found = file.lfs_sha256, digests.sha256
    elif file.blob_id is not None:
        wanted, found = file.blob_id, digests.git_sha1
    else:
        return
    if wanted != found:
        raise _Refused(f"its bytes are not those it stands for: {found[:12]}, not {wanted[:12]}")


def _state(descriptor: int) -> tuple[int, int]:
    found = os.fstat(descriptor)
    return found.st_size, found.st_mtime_ns
