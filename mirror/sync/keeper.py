"""Keeping what pass-through has brought: the write lock, publication, catalog, report.

The lock is held from the first file that comes until a while of quiet, and everything that
came meanwhile is published together: one barrier, one update of the catalog, one report. A
process killed before that has blobs without a manifest, which the next question takes up.

Belongs to one event loop.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import ExitStack
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from mirror.errors import LockedError, MirrorError
from mirror.hub import RequestCounts
from mirror.names import RepoKey
from mirror.store import Manifest, Observation, Store, finish_repair
from mirror.store.passed import note_passed, passed_refs
from mirror.sync.fetch import discard_small
from mirror.sync.known import Known, carried, manifest_to_publish, plan_of, takes_the_place
from mirror.sync.last import LastRun
from mirror.sync.ledger import Ledger, report_of
from mirror.sync.model import Action, Problem, RunReport
from mirror.sync.planner import refs_if_any

KIND = "pass-through"

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Times:
    """How long things may take, in seconds."""

    lock: float = 5.0
    """To wait for another writer: the Hub's clients wait 10 s for an answer."""
    quiet: float = 1.0
    """Without a file coming, before all is published and the lock given back."""
    publish: float = 30.0
    """The longest that what has come waits for publication while more is coming."""


class Keeper:
    """Holds the write lock while anything comes in, and publishes it."""

    def __init__(
        self,
        store: Store,
        endpoint: str,
        counts: RequestCounts,
        index: Callable[[Store], None],
        times: Times,
    ) -> None:
        self._store = store
        self._endpoint = endpoint
        self._counts = counts
        self._index = index
        self._times = times
        self._entering = asyncio.Lock()
        self._changed = asyncio.Event()
        self._users = 0
        self._pending: dict[tuple[RepoKey, str], Known] = {}
        self._observations: dict[RepoKey, Observation] = {}
        self._tending: asyncio.Task[None] | None = None
        self._soon: set[asyncio.Task[None]] = set()
        self._failed: list[Problem] = []

    @contextlib.asynccontextmanager
    async def turn(self) -> AsyncIterator[None]:
        """Hold the lock for a block, together with others of this process.

        Raises:
            LockedError: another process writes, and went on doing so.
            DiskError: the folder cannot be written.
        """
        async with self._entering:
            if self._tending is None:
                held = await self._lock()
                self._tending = asyncio.create_task(self._tend(held))
            self._users += 1
        try:
            yield
        finally:
            self._users -= 1
            self._changed.set()

    def add(self, known: Known) -> None:
        """Have a commit published, soon; where that cannot be, it is not kept."""
        self._pending[known.place] = known
        self._soon_turn()

    def observe(self, key: RepoKey, seen: Observation) -> None:
        """Have what upstream said of a mirrored repo written down, soon."""
        self._observations[key] = seen
        self._soon_turn()

    def failed(self, known: Known, error: MirrorError) -> None:
        """Have a failure in the report of what comes in now."""
        key, commit = known.place
        self._failed.append(Problem.of(key, commit, error, kept=bool(known.manifest.present_files)))

    async def close(self) -> None:
        """Publish what there is, and give the lock back."""
        self._times = replace(self._times, quiet=0, publish=0)
        self._changed.set()
        while waiting := [*self._soon, *([self._tending] if self._tending else [])]:
            await asyncio.gather(*waiting, return_exceptions=True)
        async with self._entering:
            pass  # the lock may be on its way back at this moment

    # --- the lock -------------------------------------------------------------------

    async def _lock(self) -> ExitStack:
        deadline = time.monotonic() + self._times.lock
        while True:
            held = ExitStack()
            try:
                await asyncio.to_thread(held.enter_context, self._store.write_lock(KIND))
            except LockedError:
                if time.monotonic() >= deadline:
                    raise
                await asyncio.sleep(0.1)
            else:
                await asyncio.to_thread(discard_small, self._store.layout.partial)
                return held

    def _soon_turn(self) -> None:
        if self._tending is None and not self._soon:
            task = asyncio.create_task(self._one_turn())
            self._soon.add(task)
            task.add_done_callback(self._soon.discard)
        self._changed.set()

    async def _one_turn(self) -> None:
        try:
            async with self.turn():
                pass
        except MirrorError as error:
            log.warning("what was passed through is not kept: %s", error)
            self._pending.clear()
            self._observations.clear()

    async def _tend(self, held: ExitStack) -> None:
        """Publish now and then; give the lock back when all is quiet."""
        try:
            while True:
                await self._quiet()
                await self._keep()
                async with self._entering:
                    if not self._users and not self._pending and not self._observations:
                        self._tending = None  # first: what comes meanwhile takes a new turn
                        await asyncio.to_thread(held.close)
                        return
        except BaseException:
            held.close()
            self._tending = None
            raise

    async def _quiet(self) -> None:
        """Wait until nothing has come for a while, or it has been long enough."""
        deadline = time.monotonic() + self._times.publish
        while (left := deadline - time.monotonic()) > 0:
            self._changed.clear()
            wait = left if self._users else min(left, self._times.quiet)
            try:
                await asyncio.wait_for(self._changed.wait(), wait)
            except TimeoutError:
                return

    # --- publication ----------------------------------------------------------------

    async def _keep(self) -> None:
        """Publish all that has come, bring the catalog up to date, write the report."""
        pending = [_taken(known) for known in self._pending.values()]
        self._pending.clear()
        seen, self._observations = self._observations, {}
        failed, self._failed = self._failed, []
        if pending or seen or failed:
            try:
                await asyncio.to_thread(self._write, pending, seen, failed)
            except Exception:
                # Not kept; the bytes went to whoever asked, and the next question begins anew.
                log.exception("what was passed through could not be kept")

    def _write(
        self,
        pending: Collection[Known],
        seen: dict[RepoKey, Observation],
        failed: list[Problem],
    ) -> None:
        started, ledger = datetime.now(UTC), Ledger(failed=failed)
        for known in pending:
            try:
                self._publish(known, ledger)
            except MirrorError as error:
                key, commit = known.place
                ledger.failed.append(Problem.of(key, commit, error, kept=False))
        for key, observation in seen.items():
            if self._store.has(key):
                self._store.observe(key, observation)
        finish_repair(self._store)
        try:
            self._index(self._store)
        except MirrorError as error:
            ledger.failed.append(Problem.of("catalog", None, error, kept=True))
        if ledger.published or ledger.failed:
            report = self._report(ledger, started)
            self._store.write_report(report.as_json() | {"kind": KIND}, started)

    def _publish(self, known: Known, ledger: Ledger) -> None:
        key, commit = known.place
        followed, came = self._followed(known), bool(known.brought)
        for old in followed.values():
            for path, digest in carried(known, old).items() if old else ():
                known.brought.setdefault(path, digest)
        earlier = self._store.manifest_if_any(key, commit)
        before = refs_if_any(self._store, key).get(min(known.names, default=commit))
        plan = plan_of(known, commit if earlier else before)
        manifest = manifest_to_publish(plan, known, earlier)
        moving = [
            name for name, old in followed.items() if old is None or takes_the_place(manifest, old)
        ]
        if manifest.present_files and (moving or (came and manifest != earlier)):
            self._store.publish(manifest, moving)
            note_passed(self._store, key, dict.fromkeys(moving, commit))
            if known.observation is not None:
                self._store.observe(key, known.observation)
            ledger.published.append(plan.in_short)
        for alias in known.aliases if self._store.has(key) else ():
            if self._store.canonical(alias) != key:
                self._store.add_alias(alias, key)

    def _followed(self, known: Known) -> dict[str, Manifest | None]:
        """Give the revisions that may move here, each with the commit it points at now.

        Not those that a sync has set: what it keeps whole is not replaced by a part.
        """
        key, commit = known.place
        refs, passed = refs_if_any(self._store, key), passed_refs(self._store, key)
        names = set(known.names)
        if commit in names and (len(names) > 1 or commit in refs.values()):
            names.remove(commit)  # what a branch or tag holds need not be pinned
        return {
            name: self._store.manifest_if_any(key, refs[name]) if name in refs else None
            for name in sorted(names)
            if name not in refs or (name in passed and refs[name] != commit)
        }

    def _report(self, ledger: Ledger, started: datetime) -> RunReport:
        return report_of(
            ledger,
            completed=True,
            started=started.isoformat(timespec="seconds"),
            finished=_now(),
            endpoint=self._endpoint,
            requests={"detection": "asked for by clients", **self._counts.as_json()},
            received_bytes=ledger.amount(Action.FETCH).bytes,
            left=LastRun(),
        )


def _taken(known: Known) -> Known:
    """Give a commit as it is now, for another thread; what it fetched is reported once."""
    copy = replace(
        known,
        brought=dict(known.brought),
        fetched=set(known.fetched),
        names=set(known.names),
        aliases=set(known.aliases),
    )
    known.fetched.clear()
    known.observation = None
    return copy


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
