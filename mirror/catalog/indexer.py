"""Writing a catalog: all of it anew, or the repos that changed.

Both work on a file beside the catalog, in one transaction, and publish it by a rename:
readers keep the catalog that they opened, and never see half of one. Both give the same
rows. Repos are read one after the other, so memory does not grow with the mirror.

The caller holds the store's write lock.
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Table, delete, func, insert, select

from mirror.catalog import records as tables
from mirror.catalog.database import check_database
from mirror.catalog.documents import (
    Document,
    add_documents,
    create_documents,
    document,
    optimize_documents,
    remove_documents,
)
from mirror.catalog.metadata import RepoRecord, describe
from mirror.catalog.publish import driver, published, transaction
from mirror.catalog.row_counts import fill_rows
from mirror.catalog.rows import rows_of
from mirror.catalog.source import read_source
from mirror.catalog.views import VIEWS
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
    started = time.monotonic()
    with published(path) as temporary, transaction(temporary) as connection:
        _create(connection)
        writer = _Writer(store, connection)
        writer.write_repos(store.repos())
        writer.write_aliases()
        optimize_documents(driver(connection))
    return writer.report(path, started, rebuilt=True)


def update(store: Store, path: Path, keys: Collection[RepoKey]) -> IndexReport:
    """Bring the rows of ``keys`` (aliases too) up to date; reindex if there is no catalog.

    Repos among them that the mirror has no more are taken out.

    Raises:
        DiskError: full or not writable; what was at ``path`` is still there.
    """
    started = time.monotonic()
    try:
        check_database(path)
        with published(path) as temporary:
            with disk_errors(temporary):
                shutil.copyfile(path, temporary)
            with transaction(temporary) as connection:
                writer = _Writer(store, connection)
                writer.replace_repos(keys)
                writer.write_aliases()
                writer.total = _count(connection)
    except CatalogError:
        return replace(reindex(store, path), seconds=time.monotonic() - started)
    return writer.report(path, started, rebuilt=False)


class _Writer:
    """Puts repos of a store into the catalog of one transaction."""

    def __init__(self, store: Store, connection: Connection) -> None:
        self.store = store
        self.connection = connection
        self.indexed = 0
        self.removed = 0
        self.total: int | None = None
        self.problems: list[str] = []

    def report(self, path: Path, started: float, *, rebuilt: bool) -> IndexReport:
        return IndexReport(
            path=path,
            repos=self.indexed if self.total is None else self.total,
            indexed=self.indexed,
            removed=self.removed,
            rebuilt=rebuilt,
            problems=tuple(sorted(self.problems)),
            seconds=time.monotonic() - started,
        )

    def replace_repos(self, keys: Collection[RepoKey]) -> None:
        """Take out the rows of ``keys``, and put in those that the mirror has now."""
        # An id that became an alias was a repo of its own: its rows go, its target's change.
        wanted = {*keys, *(target for key in keys if (target := self._canonical(key)))}
        had = _remove_repos(self.connection, wanted)
        before = self.indexed
        self.write_repos(key for key in wanted if self._canonical(key) == key)
        self.removed = len(had) - (self.indexed - before)

    def write_repos(self, keys: Iterable[RepoKey]) -> None:
        """Read and add repos, whose rows are not there yet."""
        batch = _Batch(self.connection)
        # In the order of their number: FTS5 is made for ascending ones.
        for key in sorted(keys, key=tables.repo_number):
            if (record := self._read(key)) is not None:
                batch.add(record)
                self.indexed += 1
        batch.flush()

    def write_aliases(self) -> None:
        """Make the table of other names anew."""
        try:
            aliases = self.store.aliases()
        except MirrorError as error:
            self.problems.append(str(error))
            return
        self.connection.execute(delete(tables.aliases))
        rows = [
            {"repo_type": key.repo_type.value, "alias": key.repo_id, "repo_id": target.repo_id}
            for key, target in aliases.items()
        ]
        if rows:
            self.connection.execute(insert(tables.aliases), rows)

    def _read(self, key: RepoKey) -> RepoRecord | None:
        """One repo; a damaged one costs itself alone."""
        try:
            source = read_source(self.store, key)
        except MirrorError as error:
            self.problems.append(f"{key}: {error}")
            return None
        if source is None:
            return None
        record = describe(source)
        subsets = fill_rows(self.store, record.subsets, record.files)
        return replace(record, subsets=subsets)

    def _canonical(self, key: RepoKey) -> RepoKey | None:
        try:
            return self.store.canonical(key)
        except MirrorError:
            return None  # write_aliases says what is wrong


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


def _create(connection: Connection) -> None:
    connection.exec_driver_sql(f"PRAGMA application_id = {tables.APPLICATION_ID}")
    connection.exec_driver_sql(f"PRAGMA user_version = {tables.SCHEMA}")
    tables.metadata.create_all(connection)
    for name, select_ in VIEWS.items():
        connection.exec_driver_sql(f"CREATE VIEW {name} AS {select_}")
    create_documents(driver(connection))


def _remove_repos(connection: Connection, keys: Iterable[RepoKey]) -> list[int]:
    """Delete every row of these repos; give the numbers of those that were there."""
    had = []
    for number in sorted(map(tables.repo_number, keys)):
        for table in tables.DETAILS:
            connection.execute(delete(table).where(table.c.repo == number))
        gone = connection.execute(delete(tables.repos).where(tables.repos.c.repo == number))
        had += [number] * gone.rowcount
    remove_documents(driver(connection), had)
    return had


def _count(connection: Connection) -> int:
    return connection.execute(select(func.count()).select_from(tables.repos)).scalar_one()
