"""The store into its catalog: all of it, or the repos that changed.

What cannot be read is told of and left out. The caller holds the store's write lock.
"""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mirror.catalog.database import check_database
from mirror.catalog.record.metadata import RepoRecord
from mirror.catalog.record.read import read_record
from mirror.catalog.write.build import change_catalog, write_catalog
from mirror.errors import CatalogError, MirrorError
from mirror.names import RepoKey
from mirror.store import Store
from mirror.store.walk import alias_keys


@dataclass(frozen=True)
class IndexReport:
    """What was done."""

    path: Path
    repos: int
    """In the catalog now."""
    indexed: int
    """Read and written this time."""
    removed: int
    """Taken out, because the mirror has them no more."""
    rebuilt: bool
    """Whether all of it was made anew."""
    problems: tuple[str, ...]
    """What could not be read, and is not in the catalog: ``datasets/a/b: why``."""
    seconds: float

    def as_json(self) -> dict[str, Any]:
        """The JSON form."""
        return {
            "repos": self.repos,
            "indexed": self.indexed,
            "removed": self.removed,
            "rebuilt": self.rebuilt,
            "problems": list(self.problems),
            "seconds": round(self.seconds, 3),
        }


def reindex(store: Store, path: Path) -> IndexReport:
    """Make the catalog anew from the store, and put it in place of what is at ``path``.

    Raises:
        DiskError: full or not writable; what was at ``path`` is still there.
    """
    started, reader = time.monotonic(), _Reader(store)
    aliases = reader.aliases()
    indexed = write_catalog(path, reader.records(store.repos()), aliases)
    return IndexReport(
        path=path,
        repos=indexed,
        indexed=indexed,
        removed=0,
        rebuilt=True,
        problems=reader.said(),
        seconds=time.monotonic() - started,
    )


def update(store: Store, path: Path, keys: Collection[RepoKey]) -> IndexReport:
    """Bring the rows of ``keys`` (aliases too) up to date; reindex if there is no catalog.

    Repos among them that the mirror has no more are taken out.

    Raises:
        DiskError: full or not writable; what was at ``path`` is still there.
    """
    started = time.monotonic()
    try:
        check_database(path)
        return _update(store, path, keys, started)
    except CatalogError:
        return replace(reindex(store, path), seconds=time.monotonic() - started)


def _update(store: Store, path: Path, keys: Collection[RepoKey], started: float) -> IndexReport:
    reader = _Reader(store)
    # An id that became an alias was a repo of its own: its rows go, its target's change.
    wanted = {*keys, *(target for key in keys if (target := reader.canonical(key)))}
    records = reader.records(key for key in wanted if reader.canonical(key) == key)
    done = change_catalog(path, wanted, records, reader.aliases())
    return IndexReport(
        path=path,
        repos=done.repos,
        indexed=done.indexed,
        removed=done.removed,
        rebuilt=False,
        problems=reader.said(),
        seconds=time.monotonic() - started,
    )


class _Reader:
    """Reads repos of a store, one after the other, and remembers what could not be read."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._problems: list[str] = []

    def said(self) -> tuple[str, ...]:
        """What went wrong so far."""
        return tuple(sorted(self._problems))

    def records(self, keys: Iterable[RepoKey]) -> Iterator[RepoRecord]:
        """Give the record of each repo that is published, in the order of their keys."""
        for key in sorted(keys):
            try:
                record = read_record(self._store, key)
            except MirrorError as error:  # a damaged one costs itself alone
                self._problems.append(f"{key}: {error}")
                continue
            if record is not None:
                yield record

    def aliases(self) -> Mapping[RepoKey, RepoKey]:
        """Give every other name of a repo; one that cannot be read costs itself alone."""
        found = {}
        for key in alias_keys(self._store.layout):
            try:
                found[key] = self._store.canonical(key)
            except MirrorError as error:
                self._problems.append(f"{key}: {error}")
        return found

    def canonical(self, key: RepoKey) -> RepoKey | None:
        """Follow aliases; ``None`` where that cannot be done (:meth:`aliases` says why)."""
        try:
            return self._store.canonical(key)
        except MirrorError:
            return None
