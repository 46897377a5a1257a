"""The bytes of a plan: many files at once, the same bytes only once.

Each file is verified while it comes (``hub``) and takes its name in the store only
then. A file that a killed run has brought in is found by the next plan.
"""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mirror.errors import DiskError, WrongBytesError
from mirror.hub import Upstream
from mirror.hub.model import FetchedFile, FileRequest, TreeFile
from mirror.store import Store
from mirror.store.blobs import SYNC_ALONE
from mirror.sync.model import Action, PlannedFile, Progress, RepoPlan
from mirror.sync.planner import held_digest


class Fetcher:
    """Fetches the files of several plans with a common bound on concurrency."""

    def __init__(
        self, store: Store, upstream: Upstream, *, workers: int, progress: Progress
    ) -> None:
        self._store = store
        self._upstream = upstream
        self._workers = workers
        self._slots = asyncio.Semaphore(workers)
        self._progress = progress
        self._under_way: dict[str, asyncio.Future[None]] = {}
        self._missing: list[dict[str, PlannedFile]] = []

    async def fetch(self, plan: RepoPlan) -> dict[str, str]:
        """Bring all FETCH files of a plan into the store.

        Returns:
            etag → sha256 of each.

        Raises:
            MirrorError: the first file that failed; those before it stay in the store.
        """
        files = {file.etag: file for file in plan.files if file.action is Action.FETCH}
        digests: dict[str, str] = {}
        queue = iter(list(files.values()))
        with self._room_for(files):
            try:
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(self._workers, len(files))):
                        group.create_task(self._work(plan, queue, files, digests))
            # Not `except*`: what is raised in it comes out within a group on Python 3.11.2.
            except ExceptionGroup as failures:
                raise _first(failures) from None
        return digests

    async def _work(
        self,
        plan: RepoPlan,
        queue: Iterator[PlannedFile],
        missing: dict[str, PlannedFile],
        digests: dict[str, str],
    ) -> None:
        for file in queue:
            digests[file.etag] = await self._once(plan, file)
            del missing[file.etag]

    async def _once(self, plan: RepoPlan, file: PlannedFile) -> str:
        """Fetch a file, unless another repo has done so since the plan, or is doing it now."""
        while (running := self._under_way.get(file.etag)) is not None:
            await asyncio.wait([running])
        if (digest := held_digest(self._store, file)) is not None:
            self._progress.received(plan, file, file.size)
            return digest
        over = self._under_way[file.etag] = asyncio.get_running_loop().create_future()
        try:
            async with self._slots:
                return await self._verified(plan, file)
        finally:
            # Whoever waited looks whether it is there now; if not, he tries it himself.
            del self._under_way[file.etag]
            over.set_result(None)

    async def _verified(self, plan: RepoPlan, file: PlannedFile) -> str:
        try:
            fetched = await self._fetch(plan, file)
        except WrongBytesError:
            # Once more from the start; a second mismatch is upstream's own.
            fetched = await self._fetch(plan, file)
        if fetched.size >= SYNC_ALONE:
            # It goes to disk before it gets its name; the other transfers must not wait.
            await asyncio.to_thread(self._adopt, file, fetched)
        else:
            self._adopt(file, fetched)
        return fetched.sha256

    def _adopt(self, file: PlannedFile, fetched: FetchedFile) -> None:
        self._store.blobs.adopt(Path(fetched.temporary), fetched.sha256)
        if file.lfs_sha256 is None:
            # Now, not at publication: a killed run must not fetch the file again.
            self._store.git_index.add([(file.blob_id, fetched.sha256)])

    async def _fetch(self, plan: RepoPlan, file: PlannedFile) -> FetchedFile:
        request = FileRequest(
            plan.key, plan.commit, TreeFile(file.path, file.size, file.blob_id, file.lfs_sha256)
        )
        return await self._upstream.fetch(
            request,
            self._store.layout.partial,
            lambda count: self._progress.received(plan, file, count),
            lambda end: self._progress.arrived(plan, file, end),
        )

    @contextmanager
    def _room_for(self, missing: dict[str, PlannedFile]) -> Iterator[None]:
        """Refuse to begin what cannot end, beside what other plans are fetching now.

        ``missing`` (etag → file) shrinks meanwhile. Of a large file that was begun only
        the rest needs room.
        """
        there = allocated(self._store.layout.partial)
        own, others = (
            sum(
                max(0, file.size - there.get(etag, 0))
                for one in plans
                for etag, file in one.items()
            )
            for plans in ([missing], self._missing)
        )
        free = shutil.disk_usage(self._store.root).free
        if own + others > free:
            promised = f", {others} of them for repos under way" if others else ""
            raise DiskError(
                f"{self._store.root}: {own} bytes are to be fetched, {free} are free{promised}",
                hint="free some space (mirror prune), or select less with exclude or max_size",
            )
        self._missing.append(missing)
        try:
            yield
        finally:
            self._missing = [one for one in self._missing if one is not missing]


def discard_small(partial: Path) -> None:
    """Remove the small files that a killed run had not handed over: they are fetched anew.

    Of large files the parts stay. The caller holds the lock, so nobody is writing them.
    """
    for path in partial.glob("*.small"):
        path.unlink(missing_ok=True)


def allocated(partial: Path) -> dict[str, int]:
    """Give the bytes that files under way occupy already: they have holes."""
    with os.scandir(partial) as entries:
        return {entry.name: entry.stat(follow_symlinks=False).st_blocks * 512 for entry in entries}


def _first(failures: ExceptionGroup[Exception]) -> Exception:
    """Give one exception out of a group: the first, as TaskGroup has cancelled the others."""
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, ExceptionGroup) else failure
