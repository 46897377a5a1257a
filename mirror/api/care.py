"""Verify a mirror and put right what is wrong; prune it. Each leaves a report.

A repair goes store, upstream, and store again:

the store finds and moves away what is damaged, the sync fetches it, the store looks
again. What upstream no longer has stays damaged, and is named.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from mirror.bundle.take.proposals import proposed_removals
from mirror.errors import DamagedError, DiskError, NotFoundError, UsageError
from mirror.names import RepoKey
from mirror.settings import Settings, read_token
from mirror.store import (
    DoomedRef,
    Finding,
    NotedDamage,
    PrunePlan,
    RepairReport,
    Store,
    VerifyReport,
    apply_prune,
    forget_damage,
    noted_damage,
    plan_prune,
    repair,
    verify,
    verify_blobs,
)
from mirror.store.repair import relink
from mirror.sync import Progress, RunReport, run_repair

Watch = Callable[[int, int], None]


@dataclass(frozen=True)
class Verification:
    """What a verify found, and what a repair has made of it."""

    found: VerifyReport
    repair: RepairReport | None = None
    fetched: RunReport | None = None
    """The run that fetched what was damaged or missing."""
    after: VerifyReport | None = None
    """The second look at the repos that had problems."""

    @property
    def problems(self) -> tuple[Finding, ...]:
        """What is (still) wrong."""
        return (self.after or self.found).problems

    @property
    def repaired(self) -> tuple[RepoKey, ...]:
        """The repos that a repair has worked on."""
        if self.repair is None:
            return ()
        keys = {*self.repair.to_fetch, *self.repair.relinked, *self.repair.restored_refs}
        return tuple(sorted(keys))

    @property
    def exit_code(self) -> int:
        """0 all is well (now), 7 something is damaged."""
        return DamagedError.exit_code if self.problems else 0

    def as_json(self) -> dict[str, Any]:
        """The JSON form, also of the report."""
        return {
            "kind": "verify",
            "outcome": "failed" if self.problems else "ok",
            "exit_code": self.exit_code,
            "found": self.found.as_json(),
            "repair": self.repair.as_json() if self.repair else None,
            "fetched": self.fetched.as_json() if self.fetched else None,
            "after": self.after.as_json() if self.after else None,
        }


@dataclass(frozen=True)
class Scope:
    """What a verify looks at."""

    keys: Sequence[RepoKey] | None = None
    """These repos alone; ``None``: the whole mirror."""
    noted: bool = False
    """Only the blobs that a server has noted, of these repos."""

    def notes(self, store: Store) -> tuple[NotedDamage, ...]:
        """Give the notes that a look will answer."""
        notes = noted_damage(store)
        if self.keys is None:
            return notes
        return tuple(note for note in notes if store.canonical(note.key) in self.keys)

    def look(
        self, store: Store, notes: Sequence[NotedDamage], progress: Watch | None
    ) -> VerifyReport:
        """Look, and change nothing."""
        if not self.noted:
            return verify(store, self.keys, progress)
        digests = {note.sha256 for note in notes}
        return verify_blobs(store, digests, [note.key for note in notes], progress)


def verify_mirror(store: Store, scope: Scope, progress: Watch | None) -> Verification:
    """Look, and keep a report where the mirror can be written to."""
    started = datetime.now(UTC)
    notes = scope.notes(store)
    result = Verification(scope.look(store, notes, progress))
    with contextlib.suppress(DiskError):  # a read-only mount: what was found is on the screen
        _settle(store, notes, result)
        _report(store, result, started)
    return result


def repair_mirror(
    store: Store,
    settings: Settings,
    scope: Scope,
    progress: Watch | None,
    transfer: Progress | None,
) -> Verification:
    """Look, put right, and look again at what was touched.

    Raises:
        LockedError: another process writes.
        DiskError: the folder cannot be written.
    """
    started = datetime.now(UTC)
    notes = scope.notes(store)
    found = scope.look(store, notes, progress)
    result = Verification(found)
    if found.problems:
        with store.write_lock("repair"):
            done = repair(store, found.findings)
        fetched = None
        if done.to_fetch:
            token = read_token(settings.upstream)
            fetched = run_repair(store, settings, done.to_fetch, token=token, progress=transfer)
        result = Verification(found, done, fetched, _look_again(store, found, progress))
    _settle(store, notes, result)
    _report(store, result, started)
    return result


def plan_care(store: Store, keep: int, *, proposed: bool) -> PrunePlan:
    """Say what a prune would remove; with ``proposed`` also what senders of bundles removed.

    Raises:
        DamagedError: a manifest, or a bundle's head, cannot be read: nothing may be removed.
    """
    return plan_prune(store, keep, dropped=proposed_removals(store) if proposed else ())


def plan_forget(
    store: Store, settings: Settings, keys: Sequence[RepoKey], revision: str | None
) -> PrunePlan:
    """Say what letting go of repos, or of one revision of each, would remove.

    Raises:
        UsageError: mirror.toml still asks for one of them.
        NotFoundError: a repo does not have that revision.
        DamagedError: a manifest cannot be read: nothing may be removed.
    """
    aliases = store.aliases()
    for key in keys:
        names = {key, *(alias for alias, target in aliases.items() if target == key)}
        for name in sorted(names):
            _require_unselected(settings, name, revision)
    dropped = [ref for key in keys for ref in _refs_of(store, key, revision)]
    others = [key for key in store.repos() if key not in keys]
    plan = plan_prune(store, settings.retention.keep, protected=others, dropped=dropped)
    return replace(plan, leftovers=())


def _require_unselected(settings: Settings, key: RepoKey, revision: str | None) -> None:
    for kind, number, entry in settings.numbered_entries():
        if kind is not key.repo_type or entry.id != key.repo_id:
            continue
        if revision is None or revision in entry.wanted_revisions:
            raise UsageError(
                f"{key} is still asked for by {kind.plural}.{number} of mirror.toml: the next "
                "sync would bring it again",
                hint=f"mirror remove {kind.plural}.{number}, then mirror forget {key}",
            )


def _refs_of(store: Store, key: RepoKey, revision: str | None) -> list[DoomedRef]:
    refs = store.refs(key)
    if revision is not None and revision not in refs:
        raise NotFoundError(
            f"{key} has no {revision[:100]!r} in the mirror",
            hint=f"it has {', '.join(sorted(refs)[:20]) or 'nothing'}",
        )
    names = sorted(refs) if revision is None else [revision]
    return [DoomedRef(key, name, refs[name], "it was asked to go") for name in names]


def prune_mirror(store: Store, purpose: str, decide: Callable[[], PrunePlan]) -> PrunePlan:
    """Decide and do: what the plan says is removed, and reported as ``purpose``.

    Raises:
        DamagedError: a manifest cannot be read: nothing is removed.
        LockedError: another process writes.
    """
    started = datetime.now(UTC)
    with store.write_lock(purpose):
        plan = decide()
        apply_prune(store, plan)
        facts = {"kind": purpose, "outcome": "ok", "exit_code": 0}
        store.write_report(facts | _times(started) | plan.as_json(), started)
    return plan


def _look_again(store: Store, found: VerifyReport, progress: Watch | None) -> VerifyReport:
    """Verify the repos that had problems; what came back may still lack its links."""
    touched = sorted({key for finding in found.problems for key in finding.repos})
    after = verify(store, touched, progress)
    if any(finding.in_view for finding in after.findings):
        with store.write_lock("repair"):
            relink(store, after.findings)
        after = verify(store, touched, progress)
    return after


def _settle(store: Store, notes: Sequence[NotedDamage], result: Verification) -> None:
    """Take out the notes that are answered: the blob is right, or nothing needs it any more.

    A repo that has another problem keeps its notes: its manifests may not all have been read.
    """
    wrong = {finding.digest for finding in result.problems}
    touched = {key for finding in result.problems for key in finding.repos}
    forget_damage(
        store,
        {
            note.sha256
            for note in notes
            if note.sha256 not in wrong and store.canonical(note.key) not in touched
        },
    )


def _report(store: Store, result: Verification, started: datetime) -> None:
    store.write_report(result.as_json() | _times(started), started)


def _times(started: datetime) -> dict[str, str]:
    return {"started": started.isoformat(), "finished": datetime.now(UTC).isoformat()}
