"""The plan alone: everything that a sync would do now, for a person to read.

Asks upstream and reads the store; writes nothing and needs no lock.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime

from mirror.errors import DamagedError, MirrorError
from mirror.hub import Upstream
from mirror.names import RepoKey
from mirror.settings import Settings
from mirror.store import Store
from mirror.store.prune import PrunePlan, plan_prune
from mirror.sync.interrupt import run_to_end
from mirror.sync.last import last_run
from mirror.sync.ledger import Ledger
from mirror.sync.model import (
    Action,
    Change,
    Problem,
    Refusal,
    Removal,
    RepoPlan,
    RequestBudget,
    SyncPlan,
    Wanted,
)
from mirror.sync.prepare import is_kept, prepare
from mirror.sync.rounds import Rounds
from mirror.sync.run import Connect


@dataclass
class _Found:
    ledger: Ledger = field(default_factory=Ledger)
    plans: list[RepoPlan] = field(default_factory=list)
    detection: str = ""


def plan_sync(
    store: Store,
    settings: Settings,
    *,
    token: str | None = None,
    repos: Collection[RepoKey] | None = None,
    recheck: bool = False,
    connect: Connect = Upstream,
) -> SyncPlan:
    """Say what ``run_sync`` with the same arguments would do.

    Raises:
        UsageError: one of ``repos`` is not selected.
        KeyboardInterrupt: stopped; half a plan would mislead.
    """
    found = _Found()
    upstream = connect(settings.upstream, settings.transfer, token=token)
    work = _look(store, settings, upstream, repos, recheck=recheck, found=found)
    if not run_to_end(work):
        raise KeyboardInterrupt
    prune = _prune(store, settings, found)
    return SyncPlan(
        repos=tuple(sorted(found.plans, key=lambda plan: (plan.key, plan.revision))),
        unchanged=found.ledger.unchanged,
        refused=tuple(found.ledger.refused),
        failed=tuple(found.ledger.failed),
        removals=tuple(Removal(one.key, one.commit, one.why) for one in prune.snapshots),
        removable_bytes=prune.freed,
        requests=RequestBudget(
            api_spent=upstream.counts.api,
            files_to_fetch=_files_to_fetch(found.plans),
            detection=found.detection,
        ),
        notes=tuple(found.ledger.notes),
    )


async def _look(
    store: Store,
    settings: Settings,
    upstream: Upstream,
    repos: Collection[RepoKey] | None,
    *,
    recheck: bool,
    found: _Found,
) -> None:
    def note_failure(key: RepoKey, revision: str, error: MirrorError) -> None:
        kept = is_kept(store, key, revision)
        found.ledger.failed.append(Problem.of(key, revision, error, kept=kept))

    async with upstream:
        today = datetime.now(UTC).date()
        last = last_run(store, settings.upstream.endpoint)
        prepared = await prepare(
            store, settings, upstream, repos=repos, recheck=recheck, last=last, today=today
        )
        found.detection = prepared.detection
        found.ledger.failed += prepared.selection.failed
        found.ledger.notes += prepared.selection.notes

        async def visit(wanted: Wanted) -> None:
            plan, _ = await prepared.planner.plan(wanted)
            if isinstance(plan, Refusal):
                found.ledger.refused.append(plan)
            elif plan.change is Change.UNCHANGED:
                found.ledger.unchanged += 1
            else:
                found.plans.append(replace(plan, upstream={}))

        rounds = Rounds(found.ledger, settings.upstream.endpoint, note_failure)
        await rounds.go(prepared.selection.wanted, visit)


def _prune(store: Store, settings: Settings, found: _Found) -> PrunePlan:
    """Plan what could go; a damaged manifest forbids that, and not the sync that mends it."""
    try:
        return plan_prune(store, keep=settings.retention.keep)
    except DamagedError as error:
        found.ledger.failed.append(Problem.of("retention", None, error, kept=True))
        return PrunePlan((), (), ())


def _files_to_fetch(plans: Collection[RepoPlan]) -> int:
    """Count the requests for files: the same bytes in two repos are fetched once."""
    return len({file.etag for plan in plans for file in plan.files if file.action is Action.FETCH})
