"""Writing a catalog: all of it anew, or the repos that changed.

Both work on a file beside the catalog, in one transaction, and publish it by a rename:
readers keep the catalog that they opened, and never see half of one. Both give the same
rows. Repos are read one after the other, so memory does not grow with the mirror.

The caller holds the store's write lock.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, insert, select
from sqlalchemy.schema import CreateIndex, CreateTable

from mirror.catalog import schema as tables
from mirror.catalog.database import check_database
from mirror.catalog.format import APPLICATION_ID, SCHEMA
from mirror.catalog.record.metadata import RepoRecord, describe
from mirror.catalog.record.row_counts import fill_rows
from mirror.catalog.record.source import read_source
from mirror.catalog.views import VIEWS
from mirror.catalog.write.documents import (
    Document,
    add_documents,
    create_documents,
    document,
    optimize_documents,
    remove_documents,
)
from mirror.catalog.write.publish import driver, published, transaction
from mirror.catalog.write.rows import rows_of
from mirror.errors import CatalogError, MirrorError
from mirror.names import RepoKey
from mirror.store import Store
from mirror.store.atomic import disk_errors

#: What is collected before it is written, in characters of text; bounds the memory.
_BATCH_CHARS: Final = 4_000_000
_ROW_CHARS: Final = 300


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


def write_catalog(
    path: Path, records: Iterable[RepoRecord], aliases: Mapping[RepoKey, RepoKey]
) -> int:
    """Make a catalog of ``records``, in the order of their number; give how many there were.

    Raises:
        DiskError: full or not writable; what was at ``path`` is still there.
    """
    with published(path) as temporary, transaction(temporary) as connection:
        _create(connection)
        indexed = _add_repos(connection, records)
        _put_aliases(connection, aliases)
        _create_indexes(connection)
        optimize_documents(driver(connection))
    return indexed


def _update(store: Store, path: Path, keys: Collection[RepoKey], started: float) -> IndexReport:
    reader = _Reader(store)
    # An id that became an alias was a repo of its own: its rows go, its target's change.
    wanted = {*keys, *(target for key in keys if (target := reader.canonical(key)))}
    aliases = reader.aliases()
    with published(path) as temporary:
        with disk_errors(temporary):
            shutil.copyfile(path, temporary)
        with transaction(temporary) as connection:
            removed = _remove_repos(connection, wanted)
            indexed = _add_repos(
                connection, reader.records(key for key in wanted if reader.canonical(key) == key)
            )
            _put_aliases(connection, aliases)
            total = select(func.count()).select_from(tables.repos)
            repos: int = connection.execute(total).scalar_one()
    return IndexReport(
        path=path,
        repos=repos,
        indexed=indexed,
        removed=max(0, removed - indexed),
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
        """Give the record of each repo that is published, in the order of their number."""
        for key in sorted(keys, key=tables.repo_number):
            try:
                source = read_source(self._store, key)
            except MirrorError as error:  # a damaged one costs itself alone
                self._problems.append(f"{key}: {error}")
                continue
            if source is not None:
                record = describe(source)
                subsets = fill_rows(self._store, record.subsets, record.files)
                yield replace(record, subsets=subsets)

    def aliases(self) -> Mapping[RepoKey, RepoKey]:
        """Give every other name of a repo; none if one of them cannot be read."""
        try:
            return self._store.aliases()
        except MirrorError as error:
            self._problems.append(str(error))
            return {}

    def canonical(self, key: RepoKey) -> RepoKey | None:
        """Follow aliases; ``None`` where that cannot be done (:meth:`aliases` says why)."""
        try:
            return self._store.canonical(key)
        except MirrorError:
            return None


class _Batch:
    """Collects the rows of some repos, and writes them with one statement a table."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: dict[Table, list[dict[str, Any]]] = {}
        self._documents: list[Document] = []
        self._size = 0

    def add(self, record: RepoRecord) -> None:
        for table, rows in rows_of(record).items():
            self._rows.setdefault(table, []).extend(rows)
        row = document(record)
        self._documents.append(row)
        self._size += len(record.card.body) + len(row[3]) + _ROW_CHARS * len(record.files)
        if self._size >= _BATCH_CHARS:
            self.flush()

    def flush(self) -> None:
        for table, rows in self._rows.items():
            if rows:
                self._connection.execute(insert(table), rows)
        add_documents(driver(self._connection), self._documents)
        self._rows, self._documents, self._size = {}, [], 0


def _add_repos(connection: Connection, records: Iterable[RepoRecord]) -> int:
    """Add repos whose rows are not there; FTS5 is made for ascending numbers."""
    batch, indexed = _Batch(connection), 0
    for record in records:
        batch.add(record)
        indexed += 1
    batch.flush()
    return indexed


def _put_aliases(connection: Connection, aliases: Mapping[RepoKey, RepoKey]) -> None:
    connection.execute(delete(tables.aliases))
    rows = [
        {"repo_type": key.repo_type.value, "alias": key.repo_id, "repo_id": target.repo_id}
        for key, target in aliases.items()
    ]
    if rows:
        connection.execute(insert(tables.aliases), rows)


def _create(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA application_id = {APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {SCHEMA}")
    for table in tables.metadata.sorted_tables:
        connection.execute(CreateTable(table))
    for name, select_ in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {select_}")
    create_documents(driver(connection))


def _create_indexes(connection: Connection) -> None:
    """After the rows, which is quicker; by name, as SQLAlchemy keeps them in a set."""
    indexes = [index for table in tables.metadata.sorted_tables for index in table.indexes]
    for index in sorted(indexes, key=lambda index: str(index.name)):
        connection.execute(CreateIndex(index))


def _remove_repos(connection: Connection, keys: Iterable[RepoKey]) -> int:
    """Delete every row of these repos; give how many of them were there."""
    had = []
    for number in sorted(map(tables.repo_number, keys)):
        for table in tables.DETAILS:
            connection.execute(delete(table).where(table.c.repo == number))
        gone = connection.execute(delete(tables.repos).where(tables.repos.c.repo == number))
        had += [number] * gone.rowcount
    remove_documents(driver(connection), had)
    return len(had)
