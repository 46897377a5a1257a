"""Keeping the catalog up to date with the store, after the store has changed."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from datetime import datetime

from mirror.catalog import Catalog, IndexReport, reindex, update
from mirror.errors import CatalogError, LockedError
from mirror.names import RepoKey
from mirror.store import Store


def observed_since(store: Store, started: datetime) -> set[RepoKey]:
    """Give the repos that upstream was asked about: downloads, likes or state may differ."""
    limit = started.timestamp()
    found = set()
    for key in store.repos():
        with contextlib.suppress(FileNotFoundError):
            if store.layout.history(key).stat().st_mtime >= limit:
                found.add(key)
    return found


def index_changes(store: Store, keys: Collection[RepoKey]) -> None:
    """Bring the catalog up to date with ``keys``; make it anew if it is missing or unfit.

    Raises:
        LockedError: another process began to write meanwhile.
        DiskError: the folder cannot be written.
    """
    path = store.layout.catalog
    try:
        Catalog.open(path)
    except CatalogError:
        index_everything(store)
        return
    if keys:
        try:
            with store.write_lock("index"):
                update(store, path, keys)
        except LockedError as error:
            hint = "what was fetched is safe; run mirror reindex when that process has ended"
            raise LockedError(str(error), hint=hint) from error


def index_everything(store: Store) -> IndexReport:
    """Make the catalog anew; readers see the old one until it is done."""
    with store.write_lock("reindex"):
        return reindex(store, store.layout.catalog)
