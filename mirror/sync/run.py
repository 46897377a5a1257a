"""One execution: plan → fetch → publish, repo by repo, and a report at the end.

A snapshot becomes visible only when it is complete. One failing repo never stops the
others. The report is written also when the run was interrupted; a run that was killed
leaves none, and the next one begins where the last report says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import ParamSpec, TypeVar

from mirror.errors import DamagedError, MirrorError, UpstreamError
from mirror.hub import Upstream
from mirror.hub.model import RepoInfo
from mirror.names import RepoKey
from mirror.settings import PolicySettings, Settings
from mirror.store import Manifest, Observation, Store, finish_repair
from mirror.store.view import list_files
from mirror.sync.fetch import Fetcher, discard_small
from mirror.sync.interrupt import run_to_end
from mirror.sync.last import last_run
from mirror.sync.ledger import Ledger, observation_of, report_of, state_of
from mirror.sync.model import (
    Change,
    Problem,
    Progress,
    Refusal,
    RepoPlan,
    RunReport,
    Wanted,
)
from mirror.sync.needs import FILES, MAX_BYTES, repos_needed
from mirror.sync.plan import filled_up, manifest_of, tree_of
from mirror.sync.planner import (
    Planner,
    held_digests,
    plan_as_shown,
    plan_repair,
)
from mirror.sync.prepare import Prepared, is_kept, prepare
from mirror.sync.rounds import Rounds

P = ParamSpec("P")
T = TypeVar("T")
Connect = Callable[..., Upstream]
"""Called with ``[upstream]``, ``[transfer]`` and ``token=``, as the class is."""


def run_sync(
    store: Store,
    settings: Settings,
    *,
    token: str | None = None,
    repos: Collection[RepoKey] | None = None,
    recheck: bool = False,
    progress: Progress | None = None,
    connect: Connect = Upstream,
) -> RunReport:
    """Bring the mirror up to date, and write the report of it.

    Args:
        store: the mirror; locked for the time of the run.
        settings: mirror.toml.
        token: sent to upstream alone, kept nowhere.
        repos: these alone, or none for the whole selection.
        recheck: ask upstream about every repo, whatever its feed of changes says.
        progress: told what happens, from the thread of the run.
        connect: makes the client of upstream.

    Raises:
        LockedError: another process writes.
        UsageError: one of ``repos`` is not selected.
        DiskError: not even the report can be written.
    """
    with store.write_lock("sync"):
        run = _Run(
            store, settings, connect(settings.upstream, settings.transfer, token=token), progress
        )
        completed = run_to_end(run.sync(repos, recheck=recheck))
        return run.finish(completed=completed, whole=repos is None)


def run_repair(
    store: Store,
    settings: Settings,
    keys: Iterable[RepoKey],
    *,
    token: str | None = None,
    progress: Progress | None = None,
    connect: Connect = Upstream,
) -> RunReport:
    """Fetch again what the snapshots of some repos lack, at the commits they have.

    The selection and the policy are not asked: what is fetched is what was there.

    Raises:
        LockedError: another process writes.
    """
    with store.write_lock("repair"):
        run = _Run(
            store, settings, connect(settings.upstream, settings.transfer, token=token), progress
        )
        completed = run_to_end(run.repair(keys))
        return run.finish(completed=completed, whole=False)


class _Run:
    """The state of one execution."""

    def __init__(
        self, store: Store, settings: Settings, upstream: Upstream, progress: Progress | None
    ) -> None:
        self._store = store
        self._settings = settings
        self._upstream = upstream
        self._progress = progress or Progress()
        self._started = datetime.now(UTC)
        self._fetcher = Fetcher(
            store, upstream, workers=settings.transfer.workers, progress=self._progress
        )
        self._ledger = Ledger()
        self._rounds = Rounds(self._ledger, settings.upstream.endpoint, self._fail)
        self._writing = asyncio.Lock()
        discard_small(store.layout.partial)
        self._prepared: Prepared | None = None
        self._last = last_run(store, settings.upstream.endpoint)

    async def sync(self, repos: Collection[RepoKey] | None, *, recheck: bool) -> None:
        """Go through the selection."""
        async with self._upstream:
            self._prepared = await prepare(
                self._store,
                self._settings,
                self._upstream,
                repos=repos,
                recheck=recheck,
                last=self._last,
                today=self._started.date(),
            )
            for problem in self._prepared.selection.failed:
                self._ledger.failed.append(problem)
                self._progress.failed(problem)
            for note in self._prepared.selection.notes:
                self._ledger.notes.append(note)
                self._progress.noted(note)
            planner = self._prepared.planner
            await self._rounds.go(
                self._prepared.selection.wanted, lambda wanted: self._sync_one(wanted, planner)
            )

    async def repair(self, keys: Iterable[RepoKey]) -> None:
        """Go through the snapshots of ``keys``."""
        snapshots = [
            Wanted(key, commit, ()) for key in keys for commit in _commits(self._store, key)
        ]
        async with self._upstream:
            await self._rounds.go(snapshots, self._repair_one)

    async def _sync_one(self, wanted: Wanted, planner: Planner) -> None:
        plan, info = await planner.plan(wanted)
        if isinstance(plan, Refusal):
            self._ledger.refused.append(plan)
            self._progress.refused(plan)
        else:
            await self._carry_out(plan, [wanted.revision])
            if wanted.revision == "main" and not plan.upstream.get("private"):
                # Upstream's feed need not show private repos: they are asked about each time.
                self._ledger.settled.add(plan.key)
        if info is not None:
            self._observe(info, plan)

    async def _repair_one(self, wanted: Wanted) -> None:
        key, commit = wanted.key, wanted.revision
        manifest = self._store.manifest_if_any(key, commit)
        if manifest is None or manifest.adopted:
            planner = Planner(self._store, self._upstream, PolicySettings(), {})
            plan, _ = await planner.plan(wanted)
            if isinstance(plan, RepoPlan):  # no policy, no refusal
                there = list_files(self._store.snapshot_path(key, commit))
                shown = {file.path for file in manifest.present_files} if manifest else there
                await self._carry_out(plan_as_shown(plan, shown), [])
        else:
            held = held_digests(self._store, tree_of(manifest), manifest)
            await self._carry_out(plan_repair(manifest, held), [])

    async def _carry_out(self, plan: RepoPlan, refs: list[str]) -> None:
        names = _known_names(self._store, plan)
        if plan.change is Change.UNCHANGED:
            self._ledger.unchanged += 1
        else:
            self._progress.planned(plan)
            digests = await self._fetcher.fetch(plan)
            endpoint = self._settings.upstream.endpoint
            manifest = manifest_of(plan, digests, endpoint=endpoint, created=_now())
            self._progress.published(await self._in_turn(self._publish, plan, manifest, refs))
        for name in names:
            if name == plan.asked or await self._is_now(name, plan.key):
                await self._in_turn(self._store.add_alias, name, plan.key)

    async def _is_now(self, name: RepoKey, key: RepoKey) -> bool:
        """Ask upstream whether a name leads to a repo; the name may be another's by now."""
        try:
            return (await self._upstream.repo_info(name)).key == key
        except UpstreamError:
            return False

    async def _in_turn(self, act: Callable[P, T], *arguments: P.args, **named: P.kwargs) -> T:
        """Write to the store: in a thread, one at a time, and to the end if we are stopped."""
        async with self._writing:
            return await asyncio.to_thread(act, *arguments, **named)

    def _publish(self, plan: RepoPlan, manifest: Manifest, refs: list[str]) -> RepoPlan:
        earlier = self._store.manifest_if_any(plan.key, plan.commit)
        if earlier is not None:
            manifest = filled_up(manifest, earlier)
        self._store.publish(manifest, refs)
        plan = replace(plan, warnings=(*plan.warnings, *self._unmet(manifest)))
        self._ledger.published.append(plan.in_short)
        return plan

    def _unmet(self, manifest: Manifest) -> Iterator[str]:
        """Say what else must be mirrored for this repo to load without a network."""
        selected = {key for key, _ in self._prepared.selection.filters} if self._prepared else set()
        small = [
            file for file in manifest.present_files if file.path in FILES and file.size <= MAX_BYTES
        ]
        contents = {
            file.path: self._store.blobs.path(str(file.sha256)).read_bytes() for file in small
        }
        for key, reason in repos_needed(contents).items():
            if key != manifest.key and key not in selected and not self._store.has(key):
                yield f"needs {key} ({reason}), which is not selected: mirror add {key}"

    def _fail(self, key: RepoKey, revision: str, error: MirrorError) -> None:
        problem = Problem.of(key, revision, error, kept=is_kept(self._store, key, revision))
        self._ledger.failed.append(problem)
        state = state_of(error)
        if state is not None and self._store.has(key):
            # The local copy stays: a 401 or 404 is never a reason to remove anything.
            self._store.observe(key, Observation(_now(), state, detail=str(error)))
        self._progress.failed(problem)

    def _observe(self, info: RepoInfo, plan: RepoPlan | Refusal) -> None:
        """Keep what upstream says today, of the repos that are mirrored."""
        if isinstance(plan, Refusal) and not self._store.has(info.key):
            return
        self._store.observe(info.key, observation_of(info, _now()))

    def finish(self, *, completed: bool, whole: bool) -> RunReport:
        """Put what was repaired back everywhere, write the report of the run, and give it."""
        finish_repair(self._store)
        settled = self._ledger.settled
        left = self._last.kept(settled)
        if completed and whole and self._prepared is not None:
            left = self._last.moved(self._prepared.positions, self._store.repos(), settled)
        detection = self._prepared.detection if self._prepared else ""
        report = report_of(
            self._ledger,
            completed=completed,
            started=self._started.isoformat(timespec="seconds"),
            finished=_now(),
            endpoint=self._settings.upstream.endpoint,
            requests={**self._upstream.counts.as_json(), "detection": detection},
            received_bytes=self._upstream.counts.bytes,
            left=left,
        )
        self._store.write_report(report.as_json(), self._started)
        return report


def _known_names(store: Store, plan: RepoPlan) -> list[RepoKey]:
    """Give what the repo is called in mirror.toml, and was the last times, but is not now."""
    before = {plan.asked, store.canonical(plan.asked), store.canonical(plan.key)}
    return sorted(before - {plan.key})


def _commits(store: Store, key: RepoKey) -> list[str]:
    """Give the snapshots that should be there; a manifest that was lost is one of them."""
    try:
        return sorted({*store.commits(key), *store.refs(key).values()})
    except DamagedError:
        return list(store.commits(key))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
