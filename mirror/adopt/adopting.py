"""One adoption from the folders to the report: read, plan, take in.

Asks nobody: there is no network in this room. What it takes in is marked in the manifest,
and the next sync of the repo compares it with upstream.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from mirror.adopt.model import (
    AdoptionPlan,
    AdoptionReport,
    FoundSnapshot,
    Share,
    SnapshotPlan,
    Trouble,
)
from mirror.adopt.plan import Held, plan_snapshot
from mirror.adopt.recognise import Told, read_folders
from mirror.adopt.take import Taker
from mirror.errors import DamagedError
from mirror.store import Store

Progress = Callable[[int, int], None]
"""Called with (bytes read, bytes to read)."""


def plan_adoption(store: Store, folders: Iterable[Path], told: Told) -> AdoptionPlan:
    """Say exactly what would be taken in; reads no content, writes and locks nothing.

    Raises:
        UsageError: a folder is not there, or not to be understood.
        StoreError: a folder cannot be read.
    """
    holdings = read_folders(folders, told)
    plans, troubles = [], list(holdings.troubles)
    for found in holdings.snapshots:
        try:
            plans.append(_plan(store, found))
        except DamagedError as error:
            troubles.append(Trouble(str(found.key), str(error)))
    return AdoptionPlan(tuple(plans), tuple(troubles), holdings.notes)


def carry_out(
    store: Store,
    plan: AdoptionPlan,
    *,
    share: Share = Share.OWN,
    progress: Progress | None = None,
) -> AdoptionReport:
    """Take in what was planned. The write lock is held.

    Raises:
        DiskError: full, read-only, or an I/O error; what was published before stays.
    """
    started, done = _now(), 0

    def watch(size: int) -> None:
        nonlocal done
        done += size
        if progress is not None:
            progress(done, plan.to_read)

    taker = Taker(store, share=share, now=started, watch=watch)
    # Planned again one by one: the snapshots of a cache share most of their files.
    adopted = tuple(taker.take(_plan(store, one.found)) for one in plan.snapshots)
    return AdoptionReport(adopted, plan.troubles, plan.notes, started, _now())


def _plan(store: Store, found: FoundSnapshot) -> SnapshotPlan:
    key = store.canonical(found.key)
    found = replace(found, key=key)
    digests = {}
    for file in found.files:
        known = file.lfs_sha256 or (file.blob_id and store.git_index.find(file.blob_id))
        if file.etag and known and store.blobs.has(known, file.size):
            digests[file.etag] = known
    manifest = store.manifest_if_any(key, found.commit)
    return plan_snapshot(found, Held(digests, store.refs(key), manifest))


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
