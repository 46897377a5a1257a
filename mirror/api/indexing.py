"""Keeping the catalog up to date with the store, after the store has changed."""

from __future__ import annotations

from mirror.catalog import Catalog, IndexReport, reindex, update
from mirror.errors import CatalogError, LockedError
from mirror.store import Store, rebuild_git_index


def index_changes(store: Store) -> None:
    """Bring the catalog up to date; make it anew if it is missing or unfit.

    The store remembers what has changed since, so a process that was killed before it
    came here costs nothing but the wait for the next one.

    Raises:
        LockedError: another process began to write meanwhile.
        DiskError: the folder cannot be written.
    """
    try:
        with store.write_lock("index"):
            bring_up_to_date(store)
    except LockedError as error:
        hint = "what was fetched is safe; the catalog follows with the next sync or reindex"
        raise LockedError(str(error), hint=hint) from error


def index_everything(store: Store) -> IndexReport:
    """Make everything anew that is looked up and derived; readers see the old catalog so long."""
    with store.write_lock("reindex"):
        rebuild_git_index(store)
        report = reindex(store, store.layout.catalog)
        store.forget_changes()
        return report


def bring_up_to_date(store: Store) -> None:
    """Do what :func:`index_changes` does; the caller holds the write lock."""
    path, changes = store.layout.catalog, store.changes()
    try:
        Catalog.open(path).close()
    except CatalogError:
        reindex(store, path)
    else:
        if changes:
            update(store, path, changes)
    store.forget_changes()
