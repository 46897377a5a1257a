"""The bytes of a plan: many files at once, the same bytes only once.

Each file is verified while it comes (``hub``) and takes its name in the store only
then. A file that a killed run has brought in is found by the next plan.
"""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Iterable, Iterator
from pathlib import Path

from mirror.errors import DiskError, WrongBytesError
from mirror.hub import Upstream
from mirror.hub.model import FetchedFile, FileRequest, TreeFile
from mirror.store import Store
from mirror.sync.model import Action, PlannedFile, Progress, RepoPlan


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
        self._under_way: dict[str, asyncio.Future[str]] = {}
        self.received_bytes = 0

    async def fetch(self, plan: RepoPlan) -> dict[str, str]:
        """Bring all FETCH files of a plan into the store.

        Returns:
            etag → sha256 of each.

        Raises:
            MirrorError: the first file that failed; those before it stay in the store.
        """
        files = {file.etag: file for file in plan.files if file.action is Action.FETCH}
        self._check_space(files.values())
        digests: dict[str, str] = {}
        queue = iter(files.values())
        try:
            async with asyncio.TaskGroup() as group:
                for _ in range(min(self._workers, len(files))):
                    group.create_task(self._work(plan, queue, digests))
        except* Exception as failures:
            raise _first(failures) from None
        return digests

    async def _work(
        self, plan: RepoPlan, queue: Iterator[PlannedFile], digests: dict[str, str]
    ) -> None:
        for file in queue:
            digests[file.etag] = await self._once(plan, file)

    async def _once(self, plan: RepoPlan, file: PlannedFile) -> str:
        """Fetch a file, unless another repo is fetching the same bytes at this moment."""
        while (running := self._under_way.get(file.etag)) is not None:
            await asyncio.wait([running])
            if not running.cancelled() and running.exception() is None:
                return running.result()
        future = asyncio.get_running_loop().create_future()
        self._under_way[file.etag] = future
        try:
            async with self._slots:
                digest = await self._verified(plan, file)
            future.set_result(digest)
            return digest
        finally:
            # Whoever waited for a fetch that failed tries it himself.
            future.cancel()
            del self._under_way[file.etag]

    async def _verified(self, plan: RepoPlan, file: PlannedFile) -> str:
        try:
            fetched = await self._fetch(plan, file)
        except WrongBytesError:
            # Once more from the start; a second mismatch is upstream's own.
            fetched = await self._fetch(plan, file)
        self.received_bytes += fetched.received
        self._store.blobs.adopt(Path(fetched.temporary), fetched.sha256)
        if file.lfs_sha256 is None:
            # Now, not at publication: a killed run must not fetch the file again.
            self._store.git_index.add([(file.blob_id, fetched.sha256)])
        return fetched.sha256

    async def _fetch(self, plan: RepoPlan, file: PlannedFile) -> FetchedFile:
        request = FileRequest(
            plan.key, plan.commit, TreeFile(file.path, file.size, file.blob_id, file.lfs_sha256)
        )
        return await self._upstream.fetch(
            request,
            self._store.layout.partial,
            lambda count: self._progress.received(plan, file, count),
        )

    def _check_space(self, files: Iterable[PlannedFile]) -> None:
        """Refuse to begin what cannot end; bytes that are partly there count in full."""
        needed = sum(file.size for file in files)
        free = shutil.disk_usage(self._store.root).free
        if needed > free:
            raise DiskError(
                f"{self._store.root}: {needed} bytes are to be fetched, {free} are free",
                hint="free some space (mirror prune), or select less with exclude or max_size",
            )


def _first(failures: BaseExceptionGroup[Exception]) -> Exception:
    """Give one exception out of a group: the first, as TaskGroup has cancelled the others."""
    failure = failures.exceptions[0]
    return _first(failure) if isinstance(failure, BaseExceptionGroup) else failure
